//! Promises of the translation, with signatures as mlflow 3.17 writes them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cost;
mod reverse;

use serde_json::{Value, json};

use super::*;

fn signed(inputs: Value, outputs: Value) -> Signature {
    let quoted = |part: &Value| format!("'{}'", part.to_string().replace('\'', "''"));
    let file = format!("signature:\n  inputs: {}\n  outputs: {}\n  params: null\n", quoted(&inputs), quoted(&outputs));
    Signature::read(&file).unwrap()
}

fn columns(kinds: &[(&str, &str)]) -> Signature {
    let specs: Vec<Value> =
        kinds.iter().map(|(name, kind)| json!({"type": kind, "name": name, "required": true})).collect();
    signed(json!(specs), json!([{"type": "long", "required": true}]))
}

fn tensor(dtype: &str, shape: Value) -> Value {
    json!([{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}])
}

fn input(name: &str, datatype: &str, shape: Value, data: Value) -> Value {
    json!({"name": name, "datatype": datatype, "shape": shape, "data": data})
}

fn scored(signature: &Signature, inputs: Value) -> Result<Value> {
    let body = json!({ "inputs": inputs }).to_string();
    let request = read_request(body.as_bytes(), None)?;
    Ok(serde_json::from_slice(&invocation(&request, signature)?).expect("a body that is JSON"))
}

fn refusal(signature: &Signature, inputs: Value) -> String {
    scored(signature, inputs).expect_err("it was taken").0
}

fn refused_body(body: &str) -> String {
    read_request(body.as_bytes(), None).expect_err("it was taken").0
}

fn answered(request: Value, signature: &Signature, predictions: &str) -> (Value, Vec<u8>) {
    let request = read_request(request.to_string().as_bytes(), None).unwrap();
    let outputs = tensors_of_predictions(predictions.as_bytes(), signature).unwrap();
    let answer = answer(&request, "wine", 3, &outputs).unwrap();
    let (head, binary) = answer.body.split_at(answer.header_length.unwrap_or(answer.body.len()));
    (serde_json::from_slice(head).unwrap(), binary.to_vec())
}

#[test]
fn columns_become_rows_in_the_order_of_the_signature() {
    let signature = columns(&[("a", "double"), ("b", "long"), ("c", "string"), ("d", "boolean"), ("e", "datetime")]);
    let body = scored(
        &signature,
        json!([
            input("c", "BYTES", json!([2]), json!(["x", "é"])),
            input("a", "FP64", json!([2, 1]), json!([[0.1], [2]])),
            input("b", "INT32", json!([2]), json!([-1, 7])),
            input("d", "BOOL", json!([2]), json!([true, false])),
            input("e", "BYTES", json!([2]), json!(["2026-01-01T00:00:00", "2026-01-02"])),
        ]),
    );
    let split = json!({"columns": ["a", "b", "c", "d", "e"], "data": [
        [0.1, -1, "x", true, "2026-01-01T00:00:00"], [2.0, 7, "é", false, "2026-01-02"]]});
    assert_eq!(body.unwrap(), json!({ "dataframe_split": split }));
}

#[test]
fn optional_columns_may_stay_away_and_unnamed_ones_have_numbers() {
    let optional = signed(
        json!([{"type": "double", "name": "a", "required": true}, {"type": "long", "name": "b", "required": false}]),
        json!([]),
    );
    let body = scored(&optional, json!([input("a", "FP64", json!([1]), json!([1.5]))])).unwrap();
    assert_eq!(body["dataframe_split"], json!({"columns": ["a"], "data": [[1.5]]}));
    let unnamed = signed(json!([{"type": "double"}, {"type": "double"}]), json!([]));
    let pair = json!([input("1", "FP64", json!([1]), json!([2])), input("0", "FP64", json!([1]), json!([1]))]);
    assert_eq!(scored(&unnamed, pair).unwrap()["dataframe_split"], json!({"data": [[1.0, 2.0]]}));
}

#[test]
fn lists_objects_and_bytes_of_columns_keep_their_form() {
    let spec = json!([
        {"type": "array", "items": {"type": "double"}, "name": "l", "required": true},
        {"type": "object", "properties": {"k": {"type": "long"}}, "name": "o", "required": true},
        {"type": "binary", "name": "b", "required": true}]);
    let signature = signed(spec, json!([]));
    let sent = |lists: Value| {
        json!([
            lists,
            input("o", "BYTES", json!([2]), json!(["{\"k\": 1}", "{\"k\": 2}"])),
            input("b", "BYTES", json!([2]), json!(["hi", ""])),
        ])
    };
    let rows = json!([[[1.0, 2.0], {"k": 1}, "aGk="], [[3.0, 4.0], {"k": 2}, ""]]);
    let body = scored(&signature, sent(input("l", "FP64", json!([2, 2]), json!([1, 2, 3, 4]))));
    assert_eq!(body.unwrap()["dataframe_split"]["data"], rows);
    let ragged = scored(&signature, sent(input("l", "BYTES", json!([2]), json!(["[1.0, 2.0]", "[3.0, 4.0]"]))));
    assert_eq!(ragged.unwrap()["dataframe_split"]["data"], rows);
    let broken = refusal(&signature, sent(input("l", "BYTES", json!([2]), json!(["[1.0", "[]"]))));
    assert!(broken.contains("'l'") && broken.contains("element 0"), "{broken}");
}

#[test]
fn tensors_keep_their_shape_and_their_names() {
    let single = signed(tensor("float32", json!([-1, 2])), json!([]));
    let body = scored(&single, json!([input("anything", "FP32", json!([2, 2]), json!([0.1, 2, 3, 4]))]));
    assert_eq!(body.unwrap(), json!({"inputs": [[0.1, 2.0], [3.0, 4.0]]}));
    let spec = |name: &str| json!({"type": "tensor", "name": name, "tensor-spec": {"dtype": "int64", "shape": [-1]}});
    let two = signed(json!([spec("x"), spec("y")]), json!([]));
    let pair = json!([input("y", "INT64", json!([1]), json!([2])), input("x", "INT64", json!([2]), json!([1, 9]))]);
    assert_eq!(scored(&two, pair).unwrap(), json!({"inputs": {"x": [1, 9], "y": [2]}}));
    let wrong = refusal(&single, json!([input("t", "FP32", json!([2, 3]), json!([1, 2, 3, 4, 5, 6]))]));
    assert!(wrong.contains("'t'") && wrong.contains("[2, 3]") && wrong.contains("[-1, 2]"), "{wrong}");
}

#[test]
fn without_signature_equal_vectors_are_a_frame_and_one_tensor_an_array() {
    let none = Signature::default();
    let one = json!([input("x", "FP64", json!([1, 2]), json!([[1, 2]]))]);
    assert_eq!(scored(&none, one).unwrap(), json!({"inputs": [[1.0, 2.0]]}));
    let two = json!([input("x", "FP64", json!([1]), json!([1])), input("y", "BYTES", json!([1, 1]), json!(["a"]))]);
    let split = json!({"columns": ["x", "y"], "data": [[1.0, "a"]]});
    assert_eq!(scored(&none, two).unwrap(), json!({ "dataframe_split": split }));
    let unlike = json!([input("x", "FP64", json!([1]), json!([1])), input("y", "INT8", json!([2]), json!([1, 2]))]);
    assert_eq!(scored(&none, unlike).unwrap(), json!({"inputs": {"x": [1.0], "y": [1, 2]}}));
}

#[test]
fn a_model_with_type_hints_gets_a_list_and_known_parameters_pass() {
    let file = "signature:\n  inputs: '[{\"type\": \"string\", \"required\": true}]'\n  \
                params: '[{\"name\": \"top_k\", \"type\": \"long\"}]'\nis_signature_from_type_hint: true\n";
    let signature = Signature::read(file).unwrap();
    let body = json!({"parameters": {"top_k": 3, "priority": 1},
        "inputs": [input("0", "BYTES", json!([2]), json!(["a", "b"]))]});
    let request = read_request(body.to_string().as_bytes(), None).unwrap();
    let sent: Value = serde_json::from_slice(&invocation(&request, &signature).unwrap()).unwrap();
    assert_eq!(sent, json!({"inputs": ["a", "b"], "params": {"top_k": 3}}));
}

#[test]
fn every_datatype_goes_in_and_out_in_binary() {
    let bytes = |text: &[u8]| [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text].concat();
    let cases: [(&str, Vec<u8>); 14] = [
        ("BOOL", vec![1, 0]),
        ("UINT8", vec![0, 255]),
        ("UINT16", [u16::MAX.to_le_bytes(), 1_u16.to_le_bytes()].concat()),
        ("UINT32", [u32::MAX.to_le_bytes(), 1_u32.to_le_bytes()].concat()),
        ("UINT64", [u64::MAX.to_le_bytes(), 1_u64.to_le_bytes()].concat()),
        ("INT8", vec![128, 127]),
        ("INT16", [i16::MIN.to_le_bytes(), 1_i16.to_le_bytes()].concat()),
        ("INT32", [i32::MIN.to_le_bytes(), 1_i32.to_le_bytes()].concat()),
        ("INT64", [i64::MIN.to_le_bytes(), 1_i64.to_le_bytes()].concat()),
        ("FP16", [half::f16::from_f32(1.5).to_le_bytes(), half::f16::MAX.to_le_bytes()].concat()),
        ("BF16", [half::bf16::from_f32(1.5).to_le_bytes(), half::bf16::MAX.to_le_bytes()].concat()),
        ("FP32", [f32::NEG_INFINITY.to_le_bytes(), 0.1_f32.to_le_bytes()].concat()),
        ("FP64", [f64::MIN_POSITIVE.to_le_bytes(), 0.1_f64.to_le_bytes()].concat()),
        ("BYTES", [bytes(b"\xff\x00"), bytes(b"")].concat()),
    ];
    for (datatype, data) in cases {
        let head = json!({"inputs": [{"name": "x", "datatype": datatype, "shape": [2],
            "parameters": {"binary_data_size": data.len()}}], "parameters": {"binary_data_output": true}});
        let head = head.to_string().into_bytes();
        let body = [head.clone(), data.clone()].concat();
        let request = read_request(&body, Some(head.len())).unwrap();
        let back = answer(&request, "m", 1, &request.inputs).unwrap();
        assert_eq!(back.body[back.header_length.unwrap()..], data, "{datatype}");
    }
}

#[test]
fn binary_that_does_not_add_up_is_refused_with_its_field() {
    let read = |input: Value, data: &[u8], header: bool| {
        let head = json!({ "inputs": [input] }).to_string().into_bytes();
        let body = [head.clone(), data.to_vec()].concat();
        read_request(&body, header.then_some(head.len())).expect_err("it was taken").0
    };
    let of = |datatype: &str, size: Value| json!({"name": "x", "datatype": datatype, "shape": [2], "parameters": {"binary_data_size": size}});
    for (text, input, data) in [
        ("2 values of FP32 are 8 bytes", of("FP32", json!(4)), &[0; 4][..]),
        ("follow", of("FP32", json!(9)), &[0; 8][..]),
        ("8 bytes follow", of("INT8", json!(2)), &[0; 10][..]),
        ("0 or 1", of("BOOL", json!(2)), &[1, 2][..]),
        ("says that it has 4294967295 bytes", of("BYTES", json!(5)), &[255, 255, 255, 255, 0][..]),
        ("have 1 elements", of("BYTES", json!(4)), &[0; 4][..]),
        ("no number of bytes", of("FP32", json!("8")), &[0; 8][..]),
    ] {
        let why = read(input, data, true);
        assert!(why.contains(text), "{text}: {why}");
    }
    assert!(read(of("INT8", json!(2)), b"", false).contains("Inference-Header-Content-Length"));
    assert!(read_request(b"{}", Some(3)).expect_err("it was taken").0.contains("Inference-Header-Content-Length"));
}

#[test]
fn a_refusal_names_the_field_and_says_why() {
    let signature = columns(&[("a", "double"), ("b", "integer")]);
    let b = || input("b", "INT32", json!([1]), json!([1]));
    let a = |datatype: &str, shape: Value, data: Value| json!([input("a", datatype, shape, data), b()]);
    for (parts, inputs) in [
        (["'a'", "2 values; the shape [1] has 1"], a("FP64", json!([1]), json!([1, 2]))),
        (["'a'", "INT64 cannot become it"], a("INT64", json!([1]), json!([1]))),
        (["'a'", "no FP64"], a("FP64", json!([1]), json!(["x"]))),
        (["'a'", "null"], a("FP64", json!([1]), json!([null]))),
        (["'a'", "nested as [1, 2]"], a("FP64", json!([2, 1]), json!([[1, 2]]))),
        (["'a'", "one length"], a("FP64", json!([3]), json!([[1], [1, 2]]))),
        (["'a'", "mixed"], a("FP64", json!([2]), json!([1, [2]]))),
        (["'a'", "FP99"], a("FP99", json!([1]), json!([1]))),
        (["'a'", "'shape'"], a("FP64", json!([-1]), json!([1]))),
        (["'a'", "has a 0"], a("FP64", json!([0]), json!([]))),
        (["'a'", "more values"], a("FP64", json!([4294967296_u64, 4294967296_u64]), json!([1]))),
        (["'a'", "has 2; columns"], a("FP64", json!([2]), json!([1, 2]))),
        (["'a'", "[1, 2]"], a("FP64", json!([1, 2]), json!([1, 2]))),
        (["'a'", "is missing"], json!([b()])),
        (["'z'", "no such input; it has 'a', 'b'"], json!([input("z", "FP64", json!([1]), json!([1]))])),
        (["'b'", "twice"], json!([b(), b()])),
    ] {
        let why = refusal(&signature, inputs);
        assert!(parts.iter().all(|part| why.contains(part)), "{parts:?}: {why}");
    }
    let large = json!([input("a", "FP64", json!([1]), json!([1])), input("b", "INT32", json!([1]), json!([3e9]))]);
    let why = refusal(&signature, large);
    assert!(why.contains("'b'") && why.contains("3000000000 does not fit INT32"), "{why}");
}

#[test]
fn what_is_no_json_is_found_with_its_field() {
    let nan = r#"{"inputs": [{"name": "a", "datatype": "FP64", "shape": [2], "data": [1.0, NaN]}]}"#;
    let why = refused_body(nan);
    assert!(why.contains("'a'") && why.contains("element 1") && why.contains("NaN"), "{why}");
    let large = r#"{"inputs": [{"name": "a", "datatype": "FP64", "shape": [1], "data": [1e999]}]}"#;
    let why = refused_body(large);
    assert!(why.contains("'a'") && why.contains("out of range"), "{why}");
    for (text, body) in [
        ("no request", "[]"),
        ("no request", "{"),
        ("'inputs' is missing", "{}"),
        ("'inputs' is missing", r#"{"inputs": []}"#),
        ("inputs[0]: 'name'", r#"{"inputs": [{}]}"#),
        ("'id'", r#"{"id": 1, "inputs": [{"name": "a", "datatype": "BOOL", "shape": [1], "data": [true]}]}"#),
        ("'data' is missing", r#"{"inputs": [{"name": "a", "datatype": "BOOL", "shape": [1]}]}"#),
        ("'datatype' is missing", r#"{"inputs": [{"name": "a", "shape": [1], "data": [true]}]}"#),
        ("'shape' is missing", r#"{"inputs": [{"name": "a", "datatype": "BOOL", "data": [true]}]}"#),
    ] {
        let why = refused_body(body);
        assert!(why.contains(text), "{text}: {why}");
    }
}

#[test]
fn nan_goes_to_the_model_as_python_writes_it() {
    let head = json!({"inputs": [{"name": "a", "datatype": "FP32", "shape": [3],
        "parameters": {"binary_data_size": 12}}]});
    let head = head.to_string().into_bytes();
    let data = [f32::NAN, f32::NEG_INFINITY, 0.1].map(f32::to_le_bytes).concat();
    let request = read_request(&[head.clone(), data].concat(), Some(head.len())).unwrap();
    let body = invocation(&request, &columns(&[("a", "double")])).unwrap();
    let text = String::from_utf8(body).unwrap();
    let digits = f64::from(0.1_f32);
    assert_eq!(text, format!(r#"{{"dataframe_split":{{"columns":["a"],"data":[[NaN],[-Infinity],[{digits}]]}}}}"#));
}

#[test]
fn the_id_comes_back_and_outputs_are_those_that_were_asked_for() {
    let signature = columns(&[("a", "double")]);
    let of = |more: Value| {
        let mut request = json!({"id": "r-1", "inputs": [input("a", "FP64", json!([1]), json!([1]))]});
        more.as_object().unwrap().iter().for_each(|(key, value)| request[key] = value.clone());
        request
    };
    let (head, binary) = answered(of(json!({})), &signature, r#"{"predictions": [1, 0, 1]}"#);
    let output = json!({"name": "predictions", "datatype": "INT64", "shape": [3], "data": [1, 0, 1]});
    assert_eq!(head, json!({"model_name": "wine", "model_version": "3", "id": "r-1", "outputs": [output]}));
    assert!(binary.is_empty());
    let frame = r#"{"predictions": [{"p": 0.5, "label": "red"}, {"p": NaN, "label": "white"}]}"#;
    let asked = of(json!({"outputs": [{"name": "label"}, {"name": "p", "parameters": {"binary_data": true}}]}));
    let (head, binary) = answered(asked, &signature, frame);
    assert_eq!(head["outputs"][0]["data"], json!(["red", "white"]));
    assert_eq!(head["outputs"][1]["parameters"], json!({"binary_data_size": 16}));
    assert_eq!(binary[..8], 0.5_f64.to_le_bytes());
    assert!(f64::from_le_bytes(binary[8..].try_into().unwrap()).is_nan());
    let request = read_request(of(json!({"outputs": [{"name": "x"}]})).to_string().as_bytes(), None).unwrap();
    let outputs = tensors_of_predictions(frame.as_bytes(), &signature).unwrap();
    let why = answer(&request, "wine", 3, &outputs).expect_err("it was taken").0;
    assert!(why.contains("'x'") && why.contains("'p', 'label'"), "{why}");
    let (head, _) = answered(of(json!({"outputs": [{"name": "p"}]})), &signature, frame);
    assert_eq!(head["outputs"][0]["data"], json!([0.5, null]));
}

#[test]
fn predictions_of_every_form_become_tensors() {
    let outputs = |text: &str, signature: &Signature| {
        let all = tensors_of_predictions(format!("{{\"predictions\": {text}}}").as_bytes(), signature).unwrap();
        all.into_iter().map(|it| (it.name, it.datatype.name(), it.shape)).collect::<Vec<_>>()
    };
    let none = Signature::default();
    let one = |datatype, shape: &[usize]| vec![("predictions".to_owned(), datatype, shape.to_vec())];
    assert_eq!(outputs("[[0.5, 1], [1, 2]]", &none), one("FP64", &[2, 2]));
    assert_eq!(outputs("7", &none), one("INT64", &[1]));
    assert_eq!(outputs("[true]", &none), one("BOOL", &[1]));
    assert_eq!(outputs("[\"a\", null]", &none), one("BYTES", &[2]));
    assert_eq!(outputs("[18446744073709551615]", &none), one("UINT64", &[1]));
    assert_eq!(outputs("[null, 1]", &none), one("FP64", &[2]));
    assert_eq!(outputs("[[1], [2, 3]]", &none), one("BYTES", &[2]));
    assert_eq!(outputs("[1, \"a\"]", &none), one("BYTES", &[2]));
    let pair = vec![("a".to_owned(), "INT64", vec![2]), ("b".to_owned(), "BYTES", vec![2])];
    assert_eq!(outputs("[{\"a\": 1, \"b\": {\"c\": 1}}, {\"a\": 2, \"b\": []}]", &none), pair);
    assert_eq!(outputs("{\"a\": [[1]], \"b\": 2}", &none)[0], ("a".to_owned(), "INT64", vec![1, 1]));
    assert_eq!(outputs("[{\"a\": 1}]", &columns(&[("a", "double")])), one("INT64", &[1]), "a series");
    let single = signed(json!([]), tensor("float32", json!([-1, 2])));
    assert_eq!(outputs("[[0.1, 1]]", &single), one("FP32", &[1, 2]));
    let small = signed(json!([]), tensor("uint8", json!([-1])));
    assert_eq!(outputs("[1, 255]", &small), one("UINT8", &[2]));
    assert_eq!(outputs("[1, 256]", &small), one("INT64", &[2]), "what the signature's type does not hold");
    for broken in ["[]", "{}", "{\"predictions\": []}", "{", "{\"predictions\": [{}]}"] {
        assert!(tensors_of_predictions(broken.as_bytes(), &none).is_err(), "{broken}");
    }
}

#[test]
fn bytes_of_a_binary_column_come_out_as_they_are() {
    let signature = signed(json!([]), json!([{"type": "binary", "name": "b", "required": true}]));
    let outputs = tensors_of_predictions(br#"{"predictions": [{"b": "/wA=\n"}]}"#, &signature).unwrap();
    let Values::Bytes(pieces) = &outputs[0].values else { panic!("{outputs:?}") };
    assert_eq!(pieces.get(0), b"\xff\x00");
}

#[test]
fn metadata_say_the_signature() {
    let signature = signed(
        json!([{"type": "double", "name": "a", "required": true}, {"type": "array", "items": {"type": "long"}, "name": "l", "required": false}]),
        json!([{"type": "long", "required": true}]),
    );
    let said = model_metadata("wine", 3, &signature);
    assert_eq!(
        said["inputs"],
        json!([
        {"name": "a", "datatype": "FP64", "shape": [-1]},
        {"name": "l", "datatype": "INT64", "shape": [-1, -1], "parameters": {"optional": true}}])
    );
    assert_eq!(said["outputs"], json!([{"name": "predictions", "datatype": "INT64", "shape": [-1]}]));
    assert_eq!((&said["name"], &said["versions"]), (&json!("wine"), &json!(["3"])));
    let tensors = signed(tensor("uint8", json!([-1, 28, 28])), tensor("float32", json!([-1, 10])));
    let said = model_metadata("wine", 3, &tensors);
    assert_eq!(said["inputs"], json!([{"name": "input", "datatype": "UINT8", "shape": [-1, 28, 28]}]));
    assert_eq!(model_metadata("m", 1, &Signature::read("flavors: {}").unwrap())["inputs"], json!([]));
}
