//! A body that a model accepts, for the prediction box: from the input example that was logged with it, else made up
//! from its signature. Pure; whatever is not understood gives nothing.

use serde_json::{Map, Value, json};

/// Files that may hold an example, best first.
pub const FILES: [&str; 3] = ["serving_input_example.json", "input_example.json", "MLmodel"];
/// A larger file is no example for a text box.
pub const MAX_FILE_BYTES: usize = 256 << 10;
/// Values that are made up for a tensor at most.
const MAX_VALUES: usize = 4096;

/// The body from the content of one of `FILES`.
pub fn from_file(name: &str, content: &str) -> Option<Value> {
    match name {
        "serving_input_example.json" => serving_example(serde_json::from_str(content).ok()?),
        "input_example.json" => input_example(serde_json::from_str(content).ok()?),
        "MLmodel" => from_signature(&serde_json::from_str(&signature_inputs(content)?).ok()?),
        _ => None,
    }
}

fn serving_example(mut body: Value) -> Option<Value> {
    let keys = ["dataframe_split", "dataframe_records", "instances", "inputs"];
    let known = body.as_object()?.keys().any(|key| keys.contains(&key.as_str()));
    if let Some(rows) = body.pointer_mut("/dataframe_split/data").and_then(Value::as_array_mut) {
        rows.truncate(1);
        if let Some(index) = body.pointer_mut("/dataframe_split/index").and_then(Value::as_array_mut) {
            index.truncate(1);
        }
    }
    known.then_some(body)
}

/// MLflow keeps a data frame as `{"columns", "data"}`, other examples as they are.
fn input_example(example: Value) -> Option<Value> {
    let is_frame = example.get("columns").is_some() && example.get("data").is_some();
    serving_example(if is_frame { json!({"dataframe_split": example}) } else { json!({"inputs": example}) })
}

/// The `signature.inputs` text of an MLmodel file: one YAML scalar, quoted or plain, folded over lines.
fn signature_inputs(mlmodel: &str) -> Option<String> {
    let mut lines = mlmodel.lines().skip_while(|line| line.trim_end() != "signature:").skip(1);
    let first = lines.find_map(|line| line.strip_prefix("  inputs: "))?;
    let mut scalar = first.trim().to_owned();
    for line in lines.take_while(|line| line.starts_with("    ")) {
        scalar.push(' ');
        scalar.push_str(line.trim());
    }
    if let Some(quoted) = scalar.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Some(quoted.replace("''", "'"));
    }
    if scalar.starts_with('"') {
        return serde_json::from_str(&scalar).ok();
    }
    Some(scalar)
}

fn from_signature(inputs: &Value) -> Option<Value> {
    let inputs = inputs.as_array().filter(|inputs| !inputs.is_empty())?;
    if inputs.iter().all(|input| input["type"] == "tensor") {
        return tensors(inputs);
    }
    let named: Option<Vec<&str>> = inputs.iter().map(|input| input["name"].as_str()).collect();
    let values: Vec<Value> = inputs.iter().map(|input| of_type(input["type"].as_str().unwrap_or_default())).collect();
    Some(match named {
        Some(columns) => json!({"dataframe_split": {"columns": columns, "data": [values]}}),
        None => json!({"dataframe_split": {"data": [values]}}),
    })
}

fn tensors(inputs: &[Value]) -> Option<Value> {
    if let [only] = inputs
        && only.get("name").is_none()
    {
        return Some(json!({"inputs": tensor(only)?}));
    }
    let named: Option<Map<String, Value>> =
        inputs.iter().map(|input| Some((input["name"].as_str()?.to_owned(), tensor(input)?))).collect();
    Some(json!({"inputs": named?}))
}

fn tensor(input: &Value) -> Option<Value> {
    let shape = input.pointer("/tensor-spec/shape")?.as_array()?;
    let kind = input.pointer("/tensor-spec/dtype")?.as_str()?;
    let sizes: Vec<usize> =
        shape.iter().map(|size| size.as_u64().map_or(1, |size| usize::try_from(size).unwrap_or(usize::MAX))).collect();
    let values = sizes.iter().try_fold(1_usize, |all, size| all.checked_mul(*size))?;
    (values <= MAX_VALUES)
        .then(|| sizes.iter().rev().fold(of_type(kind), |inner, size| Value::from(vec![inner; *size])))
}

fn of_type(kind: &str) -> Value {
    match kind {
        "boolean" | "bool" => json!(false),
        "string" | "str" | "object" => json!(""),
        "datetime" => json!("2026-01-01T00:00:00"),
        "binary" => json!(""),
        kind if kind.starts_with("int") || kind.starts_with("uint") || kind == "integer" || kind == "long" => json!(0),
        _ => json!(0.0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// As mlflow 3.17 writes it.
    const MLMODEL: &str = r#"mlflow_version: 3.17.2
signature:
  inputs: '[{"type": "double", "name": "alcohol", "required": true}, {"type": "long",
    "name": "year''s end", "required": true}]'
  outputs: '[{"type": "long", "required": true}]'
  params: null
type_hint_from_example: false
"#;

    #[test]
    fn a_logged_example_is_taken_with_one_row() {
        let file = r#"{"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}"#;
        let body = from_file("serving_input_example.json", file).unwrap();
        assert_eq!(body, json!({"dataframe_split": {"columns": ["a"], "data": [[1]]}}));
        let frame = r#"{"columns": ["a"], "data": [[1], [2]]}"#;
        assert_eq!(from_file("input_example.json", frame).unwrap(), body);
    }

    #[test]
    fn a_signature_makes_a_body_over_folded_lines() {
        assert_eq!(
            from_file("MLmodel", MLMODEL).unwrap(),
            json!({"dataframe_split": {"columns": ["alcohol", "year's end"], "data": [[0.0, 0]]}})
        );
    }

    #[test]
    fn a_tensor_has_its_shape_and_a_huge_one_nothing() {
        let signature = |shape: &str| {
            let tensor = format!(r#"[{{"type": "tensor", "tensor-spec": {{"dtype": "float32", "shape": {shape}}}}}]"#);
            format!("signature:\n  inputs: '{tensor}'\n")
        };
        assert_eq!(from_file("MLmodel", &signature("[-1, 2]")).unwrap(), json!({"inputs": [[0.0, 0.0]]}));
        assert_eq!(from_file("MLmodel", &signature("[-1, 99999999]")), None);
        assert_eq!(from_file("MLmodel", &signature("[9999999999, 9999999999, 9999999999]")), None);
    }

    #[test]
    fn what_is_not_understood_gives_nothing() {
        for (name, content) in
            [("MLmodel", "flavors: {}"), ("MLmodel", "signature:\n  inputs: 'x"), ("input_example.json", "{")]
        {
            assert_eq!(from_file(name, content), None, "{name} {content}");
        }
    }
}
