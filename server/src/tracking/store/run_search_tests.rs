//! What a search over runs answers, whichever way it takes.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::tracking::{
    Metric,
    search::{RUNS, parse, parse_order_by},
    store::{metrics, runs as rows},
    testing,
};

fn world() -> Conn {
    let mut conn = crate::db::testing::connection();
    for (name, acc, lr) in
        [("r1", 0.9, "0.1"), ("r2", 0.5, "0.1"), ("r3", f64::NAN, "0.01"), ("r4", f64::INFINITY, "0.1")]
    {
        let run = testing::run(&mut conn, name);
        metrics::append(&mut conn, run, &[Metric { key: "acc".into(), step: 0, at: 1, value: acc }]).unwrap();
        rows::insert_param(&mut conn, run, "lr", lr).unwrap();
        rows::set_tag(&mut conn, run, "owner", &format!("Ann-{name}")).unwrap();
    }
    testing::run(&mut conn, "r5");
    conn
}

fn found(conn: &mut Conn, filter: &str, order: &[&str]) -> Vec<String> {
    let order: Vec<String> = order.iter().map(|text| (*text).to_owned()).collect();
    let search = RunSearch {
        experiments: Some(vec![0]),
        conditions: parse(filter, &RUNS).unwrap(),
        order: parse_order_by(&order, &RUNS).unwrap(),
        ..RunSearch::default()
    };
    let ids = runs(conn, &search, Window { offset: 0, limit: 100 }).unwrap();
    assert_eq!(count_runs(conn, &search).unwrap(), ids.len() as i64, "{filter}");
    rows::load(conn, &ids).unwrap().into_iter().map(|run| run.info.run_id).collect()
}

#[test]
fn conditions_select_what_they_say() {
    let mut conn = world();
    let cases: [(&str, &[&str]); 16] = [
        ("metrics.acc > 0.5", &["r1", "r4"]),
        ("metrics.acc > 0.5 AND params.lr = '0.1'", &["r1", "r4"]),
        ("metrics.acc = 0", &[]),
        ("metrics.acc != 0.5", &["r1", "r3", "r4"]),
        ("metrics.acc <= 1", &["r1", "r2"]),
        ("params.lr != '0.1'", &["r3"]),
        ("params.lr IS NULL", &["r5"]),
        ("params.lr IS NOT NULL AND run_id != 'r1'", &["r2", "r3", "r4"]),
        ("tags.owner LIKE 'Ann-%'", &["r1", "r2", "r3", "r4"]),
        ("tags.owner LIKE 'ann-%'", &[]),
        ("tags.owner ILIKE 'ann-_1'", &["r1"]),
        ("run_id IN ('r1', 'r5')", &["r1", "r5"]),
        ("attributes.run_id NOT IN ('r1')", &["r2", "r3", "r4", "r5"]),
        ("status = 'RUNNING' AND run_name = 'r2'", &["r2"]),
        ("artifact_uri LIKE '%/r2/artifacts'", &["r2"]),
        ("start_time > 0 AND end_time > 0", &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(found(&mut conn, filter, &["run_id"]), expected, "{filter}");
    }
}

#[test]
fn orders_put_nan_and_absent_values_last() {
    let mut conn = world();
    assert_eq!(found(&mut conn, "", &["metrics.acc DESC"]), ["r4", "r1", "r2", "r3", "r5"]);
    assert_eq!(found(&mut conn, "", &["metrics.acc"]), ["r2", "r1", "r4", "r3", "r5"]);
    assert_eq!(found(&mut conn, "", &["params.lr DESC", "run_id DESC"]), ["r4", "r2", "r1", "r3", "r5"]);
    assert_eq!(found(&mut conn, "", &[]), ["r1", "r2", "r3", "r4", "r5"]);
}

#[test]
fn values_cannot_break_out_of_their_place() {
    let mut conn = world();
    assert!(found(&mut conn, "params.lr = \"' OR 1=1 --\"", &[]).is_empty());
    assert!(found(&mut conn, "params.`') OR 1=1 --` = 'x'", &[]).is_empty());
    assert_eq!(found(&mut conn, "", &["params.`') OR 1=1 --`"]).len(), 5);
}

/// More runs than are simply sorted: a tenth without the metric, some NaN, many equal values, one rare param.
fn many(conn: &mut Conn) {
    for i in 0..FEW + 500 {
        let run = testing::run(conn, &format!("{i:05}"));
        let shuffled = (i * 7919) % 1009;
        if i % 10 != 0 {
            let value = if i % 97 == 0 { f64::NAN } else { (shuffled % 50) as f64 };
            metrics::append(conn, run, &[Metric { key: "acc".into(), step: 0, at: 1, value }]).unwrap();
        }
        rows::insert_param(conn, run, "lr", if i % 3 == 0 { "0.1" } else { "0.2" }).unwrap();
        if i % 200 == 0 {
            rows::set_tag(conn, run, "rare", "yes").unwrap();
        }
    }
    diesel::RunQueryDsl::execute(diesel::sql_query("UPDATE runs SET started_at = (id * 31) % 400"), conn).unwrap();
    diesel::RunQueryDsl::execute(diesel::sql_query("UPDATE runs SET deleted_at = 5 WHERE id % 23 = 0"), conn).unwrap();
}

#[test]
fn every_way_gives_the_same_pages() {
    let mut conn = crate::db::testing::connection();
    many(&mut conn);
    let filters = [
        "",
        "metrics.acc > 10",
        "metrics.acc >= 3 AND params.lr = '0.1'",
        "metrics.acc != 4",
        "metrics.acc = 7",
        "tags.rare = 'yes'",
        "tags.rare IS NULL AND params.lr LIKE '0.%'",
        "params.lr != '0.1' AND start_time > 100",
    ];
    let orders: [&[&str]; 6] = [
        &[],
        &["metrics.acc DESC"],
        &["metrics.acc ASC", "start_time ASC"],
        &["start_time ASC"],
        &["params.lr DESC", "metrics.acc"],
        &["run_id DESC"],
    ];
    let windows = [(0, 40), (700, 100), (1290, 90), (1380, 300), (5000, 10)];
    for (filter, order, experiments) in filters.iter().flat_map(|filter| {
        orders.iter().flat_map(move |order| {
            [Some(vec![0]), Some(vec![0, 1]), None].into_iter().map(move |list| (*filter, *order, list))
        })
    }) {
        let clauses: Vec<String> = order.iter().map(|text| (*text).to_owned()).collect();
        let search = RunSearch {
            experiments,
            conditions: parse(filter, &RUNS).unwrap(),
            order: parse_order_by(&clauses, &RUNS).unwrap(),
            ..RunSearch::default()
        };
        let plain = sorted(&search, from_runs(&search, false));
        let all = ids(&mut conn, plain).unwrap();
        assert_eq!(count_runs(&mut conn, &search).unwrap(), all.len() as i64, "{filter}");
        for (offset, limit) in windows {
            let page = runs(&mut conn, &search, Window { offset, limit }).unwrap();
            let expected: Vec<i64> = all.iter().copied().skip(offset as usize).take(limit as usize).collect();
            assert_eq!(page, expected, "{filter} by {order:?}, {limit} from {offset}");
        }
    }
}

/// What SQLite says it will do.
fn steps(conn: &mut Conn, mut query: Fragment) -> String {
    #[derive(diesel::QueryableByName)]
    struct Step {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    query.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
    let steps: Vec<Step> = diesel::RunQueryDsl::load(query.query(), conn).unwrap();
    steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("\n")
}

#[test]
fn large_searches_walk_an_index_and_sort_ties_alone() {
    let mut conn = crate::db::testing::connection();
    let by_acc = parse_order_by(&["metrics.acc DESC".to_owned()], &RUNS).unwrap();
    let search = RunSearch { experiments: Some(vec![0]), order: by_acc, ..RunSearch::default() };
    let plan = steps(&mut conn, part_of(&search, &search.order[0], Part::Number));
    assert!(plan.contains("COVERING INDEX metrics_by_value (key=? AND is_nan=?)"), "{plan}");
    assert!(plan.contains("LAST 2 TERMS OF ORDER BY"), "{plan}");

    for experiments in [Some(vec![0]), Some(vec![0, 1]), None] {
        let search = RunSearch { experiments, ..RunSearch::default() };
        let plan = steps(&mut conn, sorted(&search, from_runs(&search, true)));
        assert!(plan.contains("runs_by_experiment (experiment_id=?)") || plan.contains("runs_by_start"), "{plan}");
        assert!(plan.contains("LAST TERM OF ORDER BY"), "{plan}");
    }
}
