//! The sample's data, rules and training program, and which rows of the data are held out.

use drydock_wire::datasets::{Check, Rule};
use serde_json::{Value, json};

/// 569 rows of breast cancer measurements; see README.md beside it for source and licence.
pub const CSV: &[u8] = include_bytes!("breast_cancer.csv");
pub const CSV_NAME: &str = "breast_cancer.csv";
pub const TRAIN: &[u8] = include_bytes!("train.py");

pub const DATASET: &str = "breast-cancer";
pub const MODEL: &str = "breast-cancer-classifier";
pub const DEPLOYMENT: &str = "breast-cancer";
pub const EXPERIMENT: &str = "breast-cancer";
pub const ALIAS: &str = "champion";

const LABEL: &str = "diagnosis";
/// As in train.py: rows 5, 10, 15, … of the file are never trained on.
const HOLDOUT_EVERY: usize = 5;

/// What the data must keep to.
pub fn rules() -> Vec<Rule> {
    let column = |name: &str| name.to_owned();
    let range = |name, max| Check::Range { column: column(name), min: Some(0.0), max: Some(max) };
    let checks = [
        Check::Columns { columns: header().map(str::to_owned).collect() },
        Check::RowCount { min: Some(500), max: None },
        Check::NotNull { column: column(LABEL) },
        Check::OneOf { column: column(LABEL), values: vec!["benign".into(), "malignant".into()] },
        Check::NotNull { column: column("mean_radius") },
        range("mean_radius", 50.0),
        range("mean_area", 5_000.0),
        range("mean_smoothness", 1.0),
    ];
    checks.map(|check| Rule { file: Some(CSV_NAME.into()), check }).into()
}

/// A row that the model has never seen.
#[derive(Debug, Clone)]
pub struct HeldOut {
    /// 1 is the first row after the header.
    pub row: usize,
    pub features: Vec<f64>,
    pub label: String,
}

/// The held-out rows in the order of the file.
pub fn held_out() -> Vec<HeldOut> {
    let lines = text().lines().skip(1).enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(|(row, _)| row.is_multiple_of(HOLDOUT_EVERY)).map(|(row, line)| parse(row, line)).collect()
}

/// A body for MLflow's scoring protocol.
pub fn scoring_body(rows: &[HeldOut]) -> Value {
    let columns: Vec<&str> = header().filter(|name| *name != LABEL).collect();
    let data: Vec<&[f64]> = rows.iter().map(|row| row.features.as_slice()).collect();
    json!({ "dataframe_split": { "columns": columns, "data": data } })
}

fn parse(row: usize, line: &str) -> HeldOut {
    let (features, label) = line.rsplit_once(',').unwrap_or((line, ""));
    let features = features.split(',').filter_map(|cell| cell.parse().ok()).collect();
    HeldOut { row, features, label: label.to_owned() }
}

fn header() -> impl Iterator<Item = &'static str> {
    text().lines().next().unwrap_or_default().split(',')
}

fn text() -> &'static str {
    std::str::from_utf8(CSV).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn every_fifth_row_is_held_out_whole() {
        let rows = held_out();
        assert_eq!(rows.len(), 113);
        assert!(rows.iter().all(|row| row.features.len() == 30 && row.row.is_multiple_of(5)));
        assert!(rows.iter().any(|row| row.label == "malignant") && rows.iter().any(|row| row.label == "benign"));
        let body = scoring_body(&rows[..1]);
        assert_eq!(body["dataframe_split"]["columns"].as_array().unwrap().len(), 30);
        assert_eq!(body["dataframe_split"]["data"][0].as_array().unwrap().len(), 30);
    }

    #[test]
    fn training_holds_out_the_same_rows() {
        let program = std::str::from_utf8(TRAIN).unwrap();
        assert!(program.contains(&format!("HOLDOUT_EVERY = {HOLDOUT_EVERY}\n")));
        assert!(program.contains(&format!("/data/{DATASET}/{CSV_NAME}")));
    }
}
