//! What a translation costs.

use std::time::Instant;

use super::*;

/// 1,000 rows of 30 columns each way. Printed, and bounded far above what it takes.
#[test]
fn a_thousand_rows_of_thirty_columns_are_translated_at_once() {
    let names: Vec<String> = (0..30).map(|n| format!("column {n}")).collect();
    let signature = columns(&names.iter().map(|name| (name.as_str(), "double")).collect::<Vec<_>>());
    let column = |n: usize| (0..1000).map(|row| (row * 31 + n) as f64 / 7.0).collect::<Vec<f64>>();
    let tensors: Vec<Value> =
        names.iter().enumerate().map(|(n, name)| input(name, "FP64", json!([1000]), json!(column(n)))).collect();
    let in_json = json!({ "inputs": tensors }).to_string().into_bytes();
    let entry = |name: &String| json!({"name": name, "datatype": "FP64", "shape": [1000], "parameters": {"binary_data_size": 8000}});
    let head = json!({"inputs": names.iter().map(entry).collect::<Vec<_>>()}).to_string().into_bytes();
    let values = (0..30).flat_map(|n| column(n).into_iter().flat_map(f64::to_le_bytes).collect::<Vec<u8>>());
    let in_binary: Vec<u8> = head.iter().copied().chain(values).collect();
    let predictions = json!({"predictions": (0..1000).map(|n| n % 2).collect::<Vec<_>>()}).to_string().into_bytes();
    let mut bodies = vec![];
    for (form, body, header) in [("json", &in_json, None), ("binary", &in_binary, Some(head.len()))] {
        let began = Instant::now();
        const TIMES: u32 = 20;
        for _ in 0..TIMES {
            let request = read_request(body, header).unwrap();
            bodies.push(invocation(&request, &signature).unwrap());
            let outputs = tensors_of_predictions(&predictions, &signature).unwrap();
            answer(&request, "m", 1, &outputs).unwrap();
        }
        let each = began.elapsed() / TIMES;
        eprintln!("{form}: {} bytes in, {:.2} ms a call", body.len(), each.as_secs_f64() * 1000.0);
        assert!(each.as_secs() < 5);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
}
