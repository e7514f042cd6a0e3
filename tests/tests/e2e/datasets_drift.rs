//! Drift between two versions of a dataset: a column that moved is told, those that did not are not, and what cannot be compared
//! is told with its reason.

use anyhow::Result;
use drydock_tests::{Api, Server};
use reqwest::Method;
use serde_json::{Value, json};

const DRIFT: &str = "/api/v1/datasets/bank/drift";

async fn file(api: &Api, path: &str, text: String) -> Result<Value> {
    let size = text.len();
    Ok(json!({ "path": path, "digest": api.upload(text).await?, "size_bytes": size }))
}

/// Even numbers from 0 to 1 that look like chance, the same each time: splitmix64 (Steele, Lea, Flood 2014).
fn even(row: usize, salt: usize) -> f64 {
    let mut mixed = (row as u64 * 1_000 + salt as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// `income` moves and `region` shifts its weight when `moved`; the others are drawn anew from the same spread.
fn customers(rows: usize, salt: usize, moved: bool) -> String {
    let mut text = String::from("key,at,income,age,region,active");
    text.push_str(if moved { ",score\n" } else { ",gone\n" });
    for row in 0..rows {
        let income = 2_000.0 + 500.0 * even(row, salt) + if moved { 400.0 } else { 0.0 };
        let age = 18 + (60.0 * even(row, salt + 1)) as u32;
        let weight = if moved { 0.2 } else { 0.6 };
        let region = if even(row, salt + 2) < weight { "north" } else { ["south", "west"][row % 2] };
        let active = if even(row, salt + 3) < 0.4 { "True" } else { "False" };
        let at = row % 28 + 1;
        text.push_str(&format!("customer-{row},2026-01-{at:02},{income:.2},{age},{region},{active},{row}\n"));
    }
    text
}

async fn bank(api: &Api, rows: usize) -> Result<()> {
    api.post("/api/v1/datasets", json!({ "name": "bank" })).await?;
    for (salt, moved) in [(10, false), (20, true), (30, false)] {
        let table = file(api, "customers.csv", customers(rows, salt, moved)).await?;
        let notes = file(api, "notes.txt", format!("delivery {salt}")).await?;
        api.post("/api/v1/datasets/bank/versions", json!({ "files": [table, notes] })).await?;
    }
    Ok(())
}

fn column<'a>(report: &'a Value, name: &str) -> &'a Value {
    let columns = report["tables"][0]["drift"]["columns"].as_array().unwrap();
    columns.iter().find(|column| column["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[tokio::test]
async fn a_column_that_moved_is_told_and_one_that_did_not_is_not() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    bank(&api, 800).await?;
    let report = api.get(&format!("{DRIFT}?reference=1&current=2")).await?;
    assert_eq!((&report["reference"], &report["current"], &report["drifted"]), (&json!(1), &json!(2), &json!(true)));
    let table = &report["tables"][0];
    assert_eq!(
        (&table["path"], &table["current_rows"], &table["current_drawn"]),
        (&json!("customers.csv"), &json!(800), &json!(800))
    );
    let drift = &table["drift"];
    assert_eq!((&drift["compared_count"], &drift["drifted_count"]), (&json!(4), &json!(2)), "{report}");
    let tests = [
        ("income", "kolmogorov_smirnov", true),
        ("age", "kolmogorov_smirnov", false),
        ("region", "chi_squared", true),
        ("active", "proportions_z", false),
    ];
    for (name, test, drifted) in tests {
        let column = column(&report, name);
        assert_eq!((&column["result"]["test"], &column["drifted"]), (&json!(test), &json!(drifted)), "{column}");
        let p_value = column["result"]["corrected_p_value"].as_f64().unwrap();
        assert_eq!(p_value < 0.05, drifted, "{column}");
        assert!(p_value >= column["result"]["p_value"].as_f64().unwrap());
        let sum: f64 = column["current"]["shares"].as_array().unwrap().iter().filter_map(Value::as_f64).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{column}");
    }
    let first_two: Vec<&Value> =
        drift["columns"].as_array().unwrap()[..2].iter().map(|column| &column["drifted"]).collect();
    assert_eq!(first_two, [true, true], "the strongest stand first");
    for (name, word) in [("key", "Free text"), ("at", "Dates"), ("gone", "no such column"), ("score", "no such column")]
    {
        let column = column(&report, name);
        assert!(column["reason"].as_str().unwrap().contains(word) && column["result"].is_null(), "{column}");
    }

    // drawn anew from the same spread; the parent is compared with when nothing is named
    let same = api.get(&format!("{DRIFT}?reference=1&current=3")).await?;
    assert_eq!((&same["drifted"], &same["tables"][0]["drift"]["drifted_count"]), (&json!(false), &json!(0)), "{same}");
    let parent = api.get(DRIFT).await?;
    assert_eq!((&parent["reference"], &parent["current"], &parent["drifted"]), (&json!(2), &json!(3), &json!(true)));
    Ok(())
}

#[tokio::test]
async fn settings_are_obeyed_and_a_wrong_question_is_answered_with_what_to_do() -> Result<()> {
    let server = Server::start().await?;
    let api = server.admin().await?;
    bank(&api, 1_200).await?;
    let report = api.get(&format!("{DRIFT}?reference=1&current=2")).await?;
    let (income, region) = (column(&report, "income"), column(&report, "region"));
    assert_eq!((&income["result"]["test"], &income["drifted"]), (&json!("wasserstein"), &json!(true)), "{income}");
    assert_eq!((&region["result"]["test"], &region["drifted"]), (&json!("jensen_shannon"), &json!(true)), "{region}");
    let strict = api.get(&format!("{DRIFT}?reference=1&current=2&distance=9&share=1")).await?;
    assert_eq!((&strict["drifted"], &column(&strict, "income")["drifted"]), (&json!(false), &json!(false)));
    let tests = "number_test=population_stability&word_test=chi_squared&correction=holm&file=customers.csv";
    let other = api.get(&format!("{DRIFT}?reference=1&current=2&{tests}")).await?;
    assert_eq!(column(&other, "income")["result"]["test"], "population_stability");
    assert_eq!(column(&other, "active")["result"]["test"], "chi_squared");
    assert_eq!(other["tables"][0]["drift"]["correction"], "holm");

    for (query, status, word) in [
        ("reference=1&current=2&p_value=2", 400, "0.05"),
        ("reference=1&current=2&number_test=chi_squared", 400, "wasserstein"),
        ("reference=1&current=2&file=notes.txt", 404, "no table"),
        ("reference=1&current=9", 404, "9"),
        ("current=1", 404, "first"),
    ] {
        let (got, answer) = api.send(Method::GET, &format!("{DRIFT}?{query}"), None).await?;
        assert_eq!(got, status, "{query}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(word), "{query}: {answer}");
    }
    // a table that cannot be read is told as such, and the other one is compared all the same
    let broken = file(&api, "customers.csv", "a,b\n1\n".to_owned()).await?;
    api.post("/api/v1/datasets/bank/versions", json!({ "base_version": "3", "files": [broken] })).await?;
    let told = api.get(&format!("{DRIFT}?reference=3&current=4")).await?;
    assert!(told["tables"][0]["problem"].as_str().unwrap().contains("Line 2"), "{told}");
    assert_eq!((&told["drifted"], &told["tables"][0]["drift"]), (&json!(false), &Value::Null), "{told}");
    Ok(())
}
