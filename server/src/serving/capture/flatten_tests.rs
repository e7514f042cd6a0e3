#![allow(clippy::unwrap_used, reason = "a test")]
use serde_json::json;

use super::*;

fn read(body: Value) -> Table {
    inputs(body.to_string().as_bytes(), Reading::default(), &Mask::default())
}

fn answered(body: Value) -> Table {
    predictions(body.to_string().as_bytes(), Reading::default(), &Mask::default())
}

fn table(rows: usize, columns: &[(&str, Value)]) -> Table {
    let column = |(name, cells): &(&str, Value)| ((*name).to_owned(), cells.as_array().unwrap().clone());
    Table { rows, columns: columns.iter().map(column).collect() }
}

#[test]
fn every_form_of_the_scorer_becomes_columns() {
    let expected = table(2, &[("a", json!([1, 2])), ("b", json!(["x", null]))]);
    assert_eq!(read(json!({ "dataframe_split": { "columns": ["a", "b"], "data": [[1, "x"], [2, null]] } })), expected);
    assert_eq!(read(json!({ "dataframe_records": [{ "a": 1, "b": "x" }, { "a": 2 }] })), expected);
    assert_eq!(read(json!({ "instances": [{ "a": 1, "b": "x" }, { "a": 2, "b": null }] })), expected);
    assert_eq!(read(json!({ "inputs": { "a": [1, 2], "b": ["x", null] } })), expected);
    let csv = Reading { content_type: Some("text/csv; charset=utf-8"), header_length: None };
    assert_eq!(inputs(b"a,b\n1,x\n2,\n", csv, &Mask::default()), expected);
}

#[test]
fn lists_get_their_places_as_names() {
    let expected = table(2, &[("0", json!([1.5, 3])), ("1", json!([2, 4]))]);
    assert_eq!(read(json!({ "instances": [[1.5, 2], [3, 4]] })), expected);
    assert_eq!(read(json!({ "dataframe_split": { "data": [[1.5, 2], [3, 4]] } })), expected);
    assert_eq!(read(json!({ "inputs": [1, 2] })), table(2, &[("0", json!([1, 2]))]));
    assert_eq!(read(json!({ "inputs": [[[1]], [[2]]] })), table(2, &[("0", json!(["[[1]]", "[[2]]"]))]));
    assert_eq!(read(json!({ "inputs": "text" })), table(1, &[("0", json!(["text"]))]));
}

#[test]
fn tensors_are_named_by_themselves_also_in_binary() {
    let tensor = |name: &str, shape: Value, data: Value| json!({ "name": name, "shape": shape, "datatype": "FP64", "data": data });
    let body = json!({ "inputs": [tensor("a", json!([2, 1]), json!([1.5, 2.5])), tensor("w", json!([2, 2]), json!([1.0, 2.0, 3.0, 4.0]))] });
    let expected = table(2, &[("a", json!([1.5, 2.5])), ("w.0", json!([1.0, 3.0])), ("w.1", json!([2.0, 4.0]))]);
    assert_eq!(read(body), expected);

    let head = json!({ "model_name": "m", "outputs": [{ "name": "y", "shape": [2], "datatype": "INT32",
        "parameters": { "binary_data_size": 8 } }] })
    .to_string();
    let mut body = head.clone().into_bytes();
    body.extend_from_slice(&7_i32.to_le_bytes());
    body.extend_from_slice(&(-1_i32).to_le_bytes());
    let how = Reading { content_type: None, header_length: Some(head.len()) };
    assert_eq!(predictions(&body, how, &Mask::default()), table(2, &[("y", json!([7, -1]))]));
}

#[test]
fn answers_are_rows_by_name_or_by_place() {
    assert_eq!(answered(json!({ "predictions": ["cat", "dog"] })), table(2, &[("0", json!(["cat", "dog"]))]));
    assert_eq!(answered(json!({ "predictions": [{ "y": 1 }, { "y": 2 }] })), table(2, &[("y", json!([1, 2]))]));
    assert_eq!(answered(json!({ "predictions": [[0.1, 0.9]] })), table(1, &[("0", json!([0.1])), ("1", json!([0.9]))]));
    assert_eq!(
        answered(json!({ "label": "cat", "boxes": [1] })),
        table(1, &[("label", json!(["cat"])), ("boxes", json!(["[1]"]))])
    );
    assert_eq!(answered(json!(4.5)), table(1, &[("0", json!([4.5]))]));
    assert_eq!(
        predictions(b"data: hello", Reading::default(), &Mask::default()),
        table(1, &[("body", json!(["data: hello"]))])
    );
}

#[test]
fn what_is_masked_is_nowhere() {
    let mask = Mask::new(&["ssn".to_owned(), "input.age".to_owned()]);
    let body =
        json!({ "instances": [{ "age": 3, "ssn": "1", "more": { "ssn": "2", "x": [{ "ssn": "3", "y": 1 }] } }] });
    let expected = table(1, &[("more", json!([r#"{"x":[{"y":1}]}"#]))]);
    assert_eq!(inputs(body.to_string().as_bytes(), Reading::default(), &mask), expected);
    // `input.age` is not the answer's
    let answer = predictions(br#"{"predictions":[{"age":4,"ssn":"1"}]}"#, Reading::default(), &mask);
    assert_eq!(answer, table(1, &[("age", json!([4]))]));
    // what cannot be read cannot be masked
    assert_eq!(inputs(b"ssn=1", Reading::default(), &mask), table(1, &[]));
}

#[test]
fn no_body_makes_it_fail_or_grow() {
    for body in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"inputs":[]}"#,
        r#"{"dataframe_split":3}"#,
        r#"{"dataframe_split":{"data":[1,2]}}"#,
    ] {
        let _ = inputs(body.as_bytes(), Reading { content_type: None, header_length: Some(9_999) }, &Mask::default());
        let found = inputs(body.as_bytes(), Reading::default(), &Mask::default());
        assert!(found.columns.iter().all(|(_, cells)| cells.len() == found.rows), "{body}: {found:?}");
    }
    let wide: Map<String, Value> = (0..2_000).map(|n| (format!("c{n}"), n.into())).collect();
    assert_eq!(read(Value::Object(wide)).columns.len(), 1);
    let many = read(json!({ "instances": vec![1; 20_000] }));
    assert_eq!((many.rows, many.columns[0].1.len()), (10_000, 10_000));
    let long = read(json!({ "instances": ["é".repeat(100_000)] }));
    assert!(long.columns[0].1[0].as_str().unwrap().len() <= CELL_BYTES);
}
