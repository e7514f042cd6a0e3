//! `/invocations` in front of a server that speaks V2.

use super::*;

#[test]
fn invocations_go_to_a_server_of_v2_and_back() {
    let metadata = json!({"inputs": [{"name": "a", "datatype": "FP32", "shape": [-1, 1]},
        {"name": "b", "datatype": "BYTES", "shape": [-1]}]});
    let schema = Schema::of_server(metadata.to_string().as_bytes(), &Signature::default()).unwrap();
    let sent = |body: Value| v2_of_invocation(body.to_string().as_bytes(), &schema);
    let wanted = json!([{"name": "a", "datatype": "FP32", "shape": [2, 1], "data": [0.1, 2.0]},
        {"name": "b", "datatype": "BYTES", "shape": [2], "data": ["x", "y"]}]);
    for body in [
        json!({"dataframe_split": {"columns": ["a", "b"], "data": [[0.1, "x"], [2, "y"]]}}),
        json!({"dataframe_records": [{"a": 0.1, "b": "x"}, {"a": 2, "b": "y"}]}),
        json!({"instances": [{"a": 0.1, "b": "x"}, {"a": 2, "b": "y"}]}),
        json!({"inputs": {"a": [0.1, 2], "b": ["x", "y"]}}),
    ] {
        let made: Value = serde_json::from_slice(&sent(body.clone()).unwrap()).unwrap();
        assert_eq!(made["inputs"], wanted, "{body}");
        // and what was made is a request of V2
        read_request(made.to_string().as_bytes(), None).unwrap();
    }
    for (text, body) in [
        ("exactly one", json!({"inputs": [1], "instances": [1]})),
        ("no such input", json!({"inputs": {"z": [1]}})),
        ("'b'", json!({"inputs": {"b": [1]}})),
        ("row 1", json!({"dataframe_split": {"columns": ["a"], "data": [[1], []]}})),
        ("missing or NaN", json!({"inputs": {"a": [null, 0.5]}})),
    ] {
        let why = sent(body).expect_err("it was taken").0;
        assert!(why.contains(text), "{text}: {why}");
    }
    let answer = |outputs: Value| -> Value {
        let body = json!({ "outputs": outputs }).to_string();
        serde_json::from_slice(&predictions_of_v2(body.as_bytes(), &Signature::default()).unwrap()).unwrap()
    };
    let p = || input("p", "FP32", json!([2, 2]), json!([1, 2, 3, 4]));
    assert_eq!(answer(json!([p()])), json!({"predictions": [[1.0, 2.0], [3.0, 4.0]]}));
    let records = json!([{"p": [1.0, 2.0], "q": "x"}, {"p": [3.0, 4.0], "q": "y"}]);
    assert_eq!(
        answer(json!([p(), input("q", "BYTES", json!([2]), json!(["x", "y"]))])),
        json!({ "predictions": records })
    );
    assert!(predictions_of_v2(b"{}", &Signature::default()).is_err());
}

const IRIS: [(&str, &str); 2] = [("length", "double"), ("width", "double")];

fn made(body: Value, schema: &Schema) -> Result<Value> {
    v2_of_invocation(body.to_string().as_bytes(), schema).map(|made| serde_json::from_slice(&made).unwrap())
}

#[test]
fn a_server_that_names_no_inputs_gets_the_signatures_columns() {
    let schema = Schema::of_server(br#"{"name":"iris","inputs":[]}"#, &columns(&IRIS)).unwrap();
    let wanted = json!({"inputs": [{"name": "length", "datatype": "FP64", "shape": [2], "data": [5.1, 6.0]},
        {"name": "width", "datatype": "FP64", "shape": [2], "data": [3.5, 3.0]}], "parameters": {"content_type": "pd"}});
    for body in [
        json!({"dataframe_split": {"columns": ["length", "width"], "data": [[5.1, 3.5], [6, 3]]}}),
        json!({"dataframe_split": {"columns": ["width", "length"], "data": [[3.5, 5.1], [3, 6]]}}),
        json!({"instances": [[5.1, 3.5], [6, 3]]}),
        json!({"inputs": {"length": [5.1, 6], "width": [3.5, 3]}}),
    ] {
        assert_eq!(made(body.clone(), &schema).unwrap(), wanted, "{body}");
    }
    let csv = v2_of_csv(b"length,width\n5.1,3.5\n6,3\n", &schema).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&csv).unwrap(), wanted);
    for (text, body) in [
        ("input 'width' is missing", json!({"inputs": {"length": [1]}})),
        ("input 'odd'", json!({"inputs": {"length": [1], "odd": [1]}})),
        ("row 1 is no list of 2", json!({"instances": [[1, 2], [1]]})),
        ("'depth': the model has no such input", json!({"dataframe_records": [{"length": 1, "width": 1, "depth": 1}]})),
    ] {
        let why = made(body, &schema).expect_err("it was taken").0;
        assert!(why.contains(text), "{text}: {why}");
    }
    let with_params = json!({"inputs": {"length": [1], "width": [1]}, "params": {"k": 3}});
    assert_eq!(made(with_params, &schema).unwrap()["parameters"], json!({"content_type": "pd", "k": 3}));
}

#[test]
fn a_server_that_takes_one_matrix_gets_the_columns_side_by_side() {
    let metadata = br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}]}"#;
    let schema = Schema::of_server(metadata, &columns(&IRIS)).unwrap();
    let wanted = json!({"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [5.5, 3.5, 6.0, 3.0]}]});
    for body in [
        json!({"dataframe_split": {"columns": ["width", "length"], "data": [[3.5, 5.5], [3, 6]]}}),
        json!({"inputs": [[5.5, 3.5], [6, 3]]}),
        json!({"inputs": {"x": [[5.5, 3.5], [6, 3]]}}),
    ] {
        assert_eq!(made(body.clone(), &schema).unwrap(), wanted, "{body}");
    }
    let unsigned = Schema::of_server(metadata, &Signature::default()).unwrap();
    for (text, body, schema) in [
        ("input 'width' is missing", json!({"dataframe_records": [{"length": 1}]}), &schema),
        ("input 'depth'", json!({"dataframe_records": [{"length": 1, "width": 2, "depth": 3}]}), &schema),
        (
            "3 columns were sent; the model's input 'x' takes 2",
            json!({"dataframe_split": {"data": [[1, 2, 3]]}}),
            &unsigned,
        ),
    ] {
        let why = made(body, schema).expect_err("it was taken").0;
        assert!(why.contains(text), "{text}: {why}");
    }
}

#[test]
fn csv_is_typed_by_the_schema_or_by_its_looks() {
    let typed = columns(&[("code", "string"), ("n", "long")]);
    let schema = Schema::of_server(b"{}", &typed).unwrap();
    let read = |text: &str, schema: &Schema| -> Result<Value> {
        v2_of_csv(text.as_bytes(), schema).map(|made| serde_json::from_slice(&made).unwrap())
    };
    let sent = read("code,n\n\"007\",1\n8,2\n", &schema).unwrap();
    assert_eq!((&sent["inputs"][0]["data"], &sent["inputs"][1]["data"]), (&json!(["007", "8"]), &json!([1, 2])));
    let sent = read("a,b,c\n1,x,true\n2.5,7,False\n", &Schema::default()).unwrap();
    let kinds: Vec<&str> =
        sent["inputs"].as_array().unwrap().iter().map(|input| input["datatype"].as_str().unwrap()).collect();
    assert_eq!((kinds.as_slice(), &sent["parameters"]["content_type"]), (&["FP64", "BYTES", "BOOL"][..], &json!("pd")));
    for (text, body) in [("row 1, column 'n': 'x'", "code,n\na,1\nb,x\n"), ("cannot be read", "code,n\na\n")] {
        let why = read(body, &schema).expect_err("it was taken").0;
        assert!(why.contains(text), "{text}: {why}");
    }
}

#[test]
fn a_column_of_answers_is_the_vector_that_the_signature_has() {
    let answer = br#"{"outputs":[{"name":"predict","datatype":"INT64","shape":[2,1],"data":[0,2]}]}"#;
    let predictions = |signature: &Signature| -> Value {
        serde_json::from_slice(&predictions_of_v2(answer, signature).unwrap()).unwrap()
    };
    assert_eq!(predictions(&signed(json!([]), tensor("int64", json!([-1])))), json!({"predictions": [0, 2]}));
    assert_eq!(predictions(&Signature::default()), json!({"predictions": [[0], [2]]}));
}
