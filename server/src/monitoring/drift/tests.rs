#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]
//! Held against what Evidently and scipy say about the same columns (`tests/fixtures/drift/make.py`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use super::{correction, counts, numbers, smirnov};

const CLOSE: f64 = 1e-9;
const ALL: [(DriftTest, &str); 6] = [
    (DriftTest::KolmogorovSmirnov, "ks"),
    (DriftTest::ChiSquared, "chisquare"),
    (DriftTest::ProportionsZ, "z"),
    (DriftTest::Wasserstein, "wasserstein"),
    (DriftTest::JensenShannon, "jensenshannon"),
    (DriftTest::PopulationStability, "psi"),
];

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../../tests/fixtures/drift/golden.json")).unwrap()
}

/// splitmix64, as the script has it.
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 * 2_f64.powi(-53)
    }
}

/// The cells of a recipe.
fn values(recipe: &Value) -> Values {
    if let Some(values) = recipe["values"].as_array() {
        let cell = |cell: &Value| match cell.as_str() {
            Some(text) => text.parse().unwrap(),
            None => cell.as_f64().unwrap_or(f64::NAN),
        };
        return Values::Numbers(values.iter().map(cell).collect());
    }
    let mut dice = Dice(recipe["seed"].as_u64().unwrap());
    let of = |name: &str, default: f64| recipe[name].as_f64().unwrap_or(default);
    let (scale, shift, missing) = (of("scale", 1.0), of("shift", 0.0), of("missing", 0.0));
    let (mut cells, mut counts, mut gone) = (vec![], BTreeMap::<String, u64>::new(), 0);
    for _ in 0..recipe["rows"].as_u64().unwrap() {
        let is_missing = dice.uniform() < missing;
        let mut number = |value: f64| cells.push(if is_missing { f64::NAN } else { value });
        let word = match recipe["kind"].as_str().unwrap() {
            "bell" => {
                let sum = dice.uniform() + dice.uniform() + dice.uniform() + dice.uniform();
                number((sum - 2.0) * scale + shift);
                continue;
            }
            "uniform" => {
                number(dice.uniform() * scale + shift);
                continue;
            }
            "whole" => {
                number((dice.uniform() * scale + shift).floor());
                continue;
            }
            "word" => format!("w{}", (dice.uniform() * dice.uniform() * scale + shift) as i64),
            "boolean" => if dice.uniform() < shift { "True" } else { "False" }.to_owned(),
            other => panic!("no such recipe: {other}"),
        };
        match is_missing {
            true => gone += 1,
            false => *counts.entry(word).or_default() += 1,
        }
    }
    if counts.is_empty() { Values::Numbers(cells) } else { Values::Words { counts, missing: gone } }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

#[track_caller]
fn assert_close(got: f64, wanted: f64, what: &str) {
    assert!((got - wanted).abs() <= CLOSE * wanted.abs().max(1.0), "{what}: {got:e} is not {wanted:e}");
}

fn against(reference: &Values, current: &Values, settings: &Settings) -> ColumnDrift {
    let profile = ReferenceProfile::new(vec![ReferenceColumn::build("x", reference)]);
    let window = [WindowColumn { name: "x".into(), values: current.clone() }];
    compare(&profile, &window, settings).columns.remove(0)
}

/// The p-value or the distance.
fn score(result: &DriftResult) -> f64 {
    result.p_value.or(result.statistic).unwrap_or(f64::INFINITY)
}

#[test]
fn each_column_gets_evidentlys_test_value_and_verdict() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 40);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let (before, after) = (values(&case["reference"]), values(&case["current"]));
        if let (Values::Numbers(cells), Some(sum)) = (&before, case["sum"].as_f64()) {
            let own: f64 = cells.iter().filter(|cell| cell.is_finite()).sum();
            assert_close(own, sum, &format!("{name}: the recipe makes other cells, their sum"));
        }
        let found = against(&before, &after, &Settings { correction: DriftCorrection::None, ..Settings::default() });
        let result = found.result.unwrap();
        let test = ALL.iter().find(|(test, _)| *test == result.test).unwrap().1;
        assert_eq!(test, case["test"], "{name}");
        assert_close(score(&result), number(&case["score"]), name);
        assert_eq!(found.drifted, case["drifted"], "{name}");
        let rows = [found.reference.unwrap().count, found.current.unwrap().count];
        assert_eq!(serde_json::json!(rows), case["rows"], "{name}");
    }
}

#[test]
fn every_test_that_may_be_asked_for_says_what_evidentlys_says() {
    let mut asked = 0;
    for case in golden()["cases"].as_array().unwrap() {
        let (before, after) = (values(&case["reference"]), values(&case["current"]));
        let is_numeric = matches!(before, Values::Numbers(_));
        for (test, name) in ALL {
            let Some(wanted) = case["scores"].get(name) else { continue };
            let may = if is_numeric { is_for_numbers(test) } else { is_for_words(test) };
            if !may {
                continue;
            }
            let settings = Settings { number_test: Some(test), word_test: Some(test), ..Settings::default() };
            let result = against(&before, &after, &settings).result.unwrap();
            let what = format!("{name} of {}", case["name"]);
            assert_eq!(result.test, test, "{what}");
            assert_close(score(&result), number(wanted), &what);
            if test == DriftTest::KolmogorovSmirnov {
                assert_close(result.statistic.unwrap(), number(&case["ks_statistic"]), &what);
            }
            asked += 1;
        }
    }
    assert!(asked > 150, "{asked}");
}

#[test]
fn a_table_gets_evidentlys_verdict() {
    let of = golden()["dataset"].clone();
    let (mut reference, mut window) = (vec![], vec![]);
    for (name, recipes) in of["columns"].as_object().unwrap() {
        reference.push(ReferenceColumn::build(name, &values(&recipes[0])));
        window.push(WindowColumn { name: name.clone(), values: values(&recipes[1]) });
    }
    let settings = Settings { correction: DriftCorrection::None, ..Settings::default() };
    let profile = ReferenceProfile::new(reference);
    let found = compare(&profile, &window, &settings);
    assert_eq!(found.drifted_count as f64, number(&of["count"]));
    assert_close(found.drifted_count as f64 / found.compared_count as f64, number(&of["share"]), "the share");
    assert!(found.drifted);
    let kept = ReferenceProfile::decode(&profile.encode().unwrap()).unwrap();
    let current = window.iter().map(|column| ReferenceColumn::build(&column.name, &column.values)).collect();
    assert_eq!(compare_profiles(&kept, &ReferenceProfile::new(current), &settings), found, "kept and prepared");
}

#[test]
fn the_upper_tail_of_kolmogorovs_distribution_is_scipys() {
    let golden = golden();
    let points = golden["upper_tails"].as_array().unwrap();
    assert!(points.len() > 150);
    for point in points {
        let (n, d, wanted) = (point[0].as_u64().unwrap(), number(&point[1]), number(&point[2]));
        let got = smirnov::upper_tail(n, d);
        assert_close(got, wanted, &format!("n {n}, d {d}"));
        // small ones matter by their size, too: columns are sorted by them
        assert!(wanted < 1e-290 || (got / wanted - 1.0).abs() < 1e-6, "n {n}, d {d}: {got:e}, {wanted:e}");
    }
}

#[test]
fn the_upper_tail_of_chi_squared_is_scipys() {
    let golden = golden();
    let points = golden["chi_tails"].as_array().unwrap();
    assert!(points.len() > 60);
    for point in points {
        let (freedom, value, wanted) = (point[0].as_f64().unwrap(), number(&point[1]), number(&point[2]));
        let got = counts::chi_tail(freedom, value);
        assert_close(got, wanted, &format!("{freedom} degrees of freedom, {value}"));
        assert!(wanted < 1e-290 || (got / wanted - 1.0).abs() < 1e-8, "{freedom}, {value}: {got:e}, {wanted:e}");
    }
}

#[test]
fn corrected_p_values_are_scipys_and_statsmodels() {
    let of = golden()["corrections"].clone();
    let list = |name: &str| of[name].as_array().unwrap().iter().map(number).collect::<Vec<f64>>();
    let raw = list("p_values");
    for (how, name) in [(DriftCorrection::BenjaminiHochberg, "benjamini_hochberg"), (DriftCorrection::Holm, "holm")] {
        for (got, wanted) in correction::correct(&raw, how).iter().zip(list(name)) {
            assert_close(*got, wanted, name);
        }
        assert!(correction::correct(&[], how).is_empty());
    }
}

#[test]
fn of_many_columns_as_they_were_hardly_one_is_told() {
    let bell = |seed: u64| values(&serde_json::json!({ "kind": "bell", "seed": seed, "rows": 300 }));
    let name = |n: u64| format!("c{n}");
    let profile = ReferenceProfile::new((0..100).map(|n| ReferenceColumn::build(&name(n), &bell(1000 + n))).collect());
    let window: Vec<WindowColumn> = (0..100).map(|n| WindowColumn { name: name(n), values: bell(2000 + n) }).collect();
    let told = |correction| compare(&profile, &window, &Settings { correction, ..Settings::default() }).drifted_count;
    assert!(told(DriftCorrection::None) >= 2, "by chance about five");
    assert_eq!(told(DriftCorrection::BenjaminiHochberg), 0);
    assert_eq!(told(DriftCorrection::Holm), 0);
}

#[test]
fn what_cannot_be_compared_is_told_and_counts_for_nothing() {
    let words = |list: &[&str]| {
        let mut counts = BTreeMap::new();
        list.iter().for_each(|word| *counts.entry((*word).to_owned()).or_default() += 1);
        Values::Words { counts, missing: 0 }
    };
    let of = [
        ("same", Values::Numbers(vec![1.0, 2.0, 3.0]), Values::Numbers(vec![1.0, 2.0, 3.0])),
        ("turned", Values::Numbers(vec![1.0]), words(&["a"])),
        ("empty", Values::Numbers(vec![f64::NAN, f64::INFINITY]), Values::Numbers(vec![1.0])),
        ("emptied", words(&["a"]), words(&[])),
        ("unfit", Values::Unfit("Free text.".into()), words(&["a"])),
    ];
    let mut reference: Vec<ReferenceColumn> =
        of.iter().map(|(name, before, _)| ReferenceColumn::build(name, before)).collect();
    reference.push(ReferenceColumn::build("gone", &words(&["a"])));
    let mut window: Vec<WindowColumn> =
        of.iter().map(|(name, _, after)| WindowColumn { name: (*name).into(), values: after.clone() }).collect();
    window.push(WindowColumn { name: "new".into(), values: words(&["a"]) });
    let found = compare(&ReferenceProfile::new(reference), &window, &Settings::default());
    assert_eq!((found.compared_count, found.drifted_count, found.columns.len()), (1, 0, 7));
    assert_eq!(found.columns[0].name, "same");
    let reasons: Vec<&str> = found.columns.iter().filter_map(|column| column.reason.as_deref()).collect();
    assert_eq!(
        reasons,
        [
            "It held numbers in the reference and holds words now.",
            "The reference has no value in it.",
            "The current side has no value in it.",
            "Free text.",
            "The current side has no such column.",
            "The reference has no such column.",
        ]
    );
    let nothing = compare(&ReferenceProfile::default(), &[], &Settings { drift_share: 0.0, ..Settings::default() });
    assert!(!nothing.drifted);
}

#[test]
fn the_strongest_column_stands_first_and_its_chart_adds_up() {
    let bell = |seed: u64, shift: f64| {
        values(&serde_json::json!({ "kind": "bell", "seed": seed, "rows": 4000, "shift": shift }))
    };
    let shifts = [("little", 0.2), ("none", 0.0), ("far", 3.0)];
    let profile =
        ReferenceProfile::new(shifts.iter().map(|(name, _)| ReferenceColumn::build(name, &bell(1, 0.0))).collect());
    let window: Vec<WindowColumn> =
        shifts.iter().map(|(name, by)| WindowColumn { name: (*name).into(), values: bell(2, *by) }).collect();
    let found = compare(&profile, &window, &Settings::default());
    let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["far", "little", "none"]);
    assert!(found.drifted && found.drifted_count == 2);
    for column in &found.columns {
        let (before, after) = (column.reference.as_ref().unwrap(), column.current.as_ref().unwrap());
        assert_eq!(column.bin_ends.len(), before.shares.len() + 1);
        for shares in [&before.shares, &after.shares] {
            assert_close(shares.iter().sum(), 1.0, &column.name);
        }
    }
}

#[test]
fn sorting_is_stds_at_every_size() {
    let mut dice = Dice(7);
    for count in [0, 1, 5, 2_047, 2_048, 30_000] {
        for scale in [1.0, 1e-300, 1e300, 8.0] {
            let cell = |dice: &mut Dice| {
                let value = (dice.uniform() - 0.5) * scale;
                if scale == 8.0 { value.round() } else { value }
            };
            let cells: Vec<f64> = (0..count).map(|_| cell(&mut dice)).chain([f64::NAN, f64::INFINITY]).collect();
            let mut wanted: Vec<f64> = cells[..count].iter().map(|value| value + 0.0).collect();
            wanted.sort_by(f64::total_cmp);
            assert_eq!(numbers::sorted(&cells), wanted);
        }
    }
}

#[test]
fn a_profile_comes_back_as_it_was_and_damage_is_noticed() {
    let recipe = serde_json::json!({ "kind": "bell", "seed": 3, "rows": 20_000, "missing": 0.1 });
    let whole = serde_json::json!({ "kind": "whole", "seed": 4, "rows": 20_000, "scale": 50.0, "shift": -25.0 });
    let word = serde_json::json!({ "kind": "word", "seed": 5, "rows": 20_000, "scale": 50.0 });
    let mut columns: Vec<ReferenceColumn> =
        [recipe, whole, word].iter().map(|recipe| ReferenceColumn::build("c", &values(recipe))).collect();
    columns.push(ReferenceColumn::build("é", &Values::Unfit("Free text.".into())));
    columns.push(ReferenceColumn::build("edge", &Values::Numbers(vec![f64::MAX, f64::MIN, 0.0, -0.0, 5e-324])));
    let profile = ReferenceProfile::new(columns);
    let bytes = profile.encode().unwrap();
    assert!(bytes.len() < 20_000 * 8, "{}", bytes.len());
    assert_eq!(ReferenceProfile::decode(&bytes).unwrap(), profile);
    assert_eq!(ReferenceProfile::decode(&[]), Err(Damaged));
    assert_eq!(ReferenceProfile::decode(&bytes[..bytes.len() / 2]), Err(Damaged));
    for at in [3, 20, 40, 200] {
        let mut other = bytes.clone();
        other[at] ^= 0x55;
        assert!(ReferenceProfile::decode(&other).is_err() || ReferenceProfile::decode(&other).unwrap() != profile);
    }
}
