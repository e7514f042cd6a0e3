//! Traces as their spans arrive, on a real database.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::traces::{
    span::{Status, key},
    summary::tests::span,
    value::Value,
};

fn arrived(spans: Vec<Span>) -> Ready {
    Ready::new(Arrived { otel_id: vec![7; 16], spans, ..Arrived::default() }).unwrap()
}

fn trace(conn: &mut Conn) -> Trace {
    let known = heads::known(conn, &rules::trace_id_of(&[7; 16])).unwrap().unwrap();
    loaded(conn, known.row, "").unwrap()
}

#[test]
fn a_trace_grows_with_its_spans() {
    let mut conn = crate::db::testing::connection();
    let mut child = span(2, Some(1), &[(key::USAGE, r#"{"input_tokens": 2, "output_tokens": 1, "total_tokens": 3}"#)]);
    child.end_ns = Some(50_000_000);
    keep(&mut conn, 0, None, &arrived(vec![child])).unwrap();
    let first = trace(&mut conn);
    assert_eq!((first.state, first.duration_ms, first.total_tokens), (State::InProgress, Some(40), Some(3)));
    let mut root = span(1, None, &[(key::INPUTS, r#"{"x": 1}"#)]);
    root.status = Status::Error;
    root.start_ns = 0;
    keep(&mut conn, 0, Some("r1"), &arrived(vec![root])).unwrap();
    let whole = trace(&mut conn);
    assert_eq!((whole.state, whole.started_at, whole.duration_ms), (State::Error, 0, Some(50)));
    assert_eq!((whole.span_count, whole.total_tokens), (2, Some(3)));
    assert_eq!((whole.root_name.as_deref(), whole.request_preview.as_deref()), (Some("s1"), Some(r#"{"x": 1}"#)));
    assert_eq!(heads::runs_of(&mut conn, &[whole.row]).unwrap()[&whole.row], ["r1"]);
}

#[test]
fn a_span_that_comes_twice_is_kept_once_as_it_came_last() {
    let mut conn = crate::db::testing::connection();
    keep(&mut conn, 0, None, &arrived(vec![span(1, None, &[]), span(2, Some(1), &[])])).unwrap();
    keep(&mut conn, 0, None, &arrived(vec![span(2, Some(1), &[("a", "1")]), span(3, Some(1), &[])])).unwrap();
    let row = trace(&mut conn).row;
    let spans = chunks::of_trace(&mut conn, row).unwrap();
    assert_eq!(spans.len(), 3);
    assert_eq!(spans.iter().find(|span| span.id == 2).unwrap().attributes.len(), 1);
    assert_eq!(trace(&mut conn).span_count, 3);
}

#[test]
fn what_is_nested_deeper_than_clients_read_is_kept_as_a_text() {
    let mut conn = crate::db::testing::connection();
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let one = deep(120);
    // As clients send it: JSON in a text, which is unwrapped.
    let quoted = Value::Text(one.clone()).to_json();
    keep(&mut conn, 0, None, &arrived(vec![span(1, None, &[(key::INPUTS, &quoted), ("a", &deep(20))])])).unwrap();
    let row = trace(&mut conn).row;
    let kept = chunks::of_trace(&mut conn, row).unwrap();
    assert_eq!(kept[0].attribute(key::INPUTS), Some(&Value::Text(one)));
    assert!(matches!(kept[0].attribute("a"), Some(Value::List(_))));
}

#[test]
fn a_chunk_that_cannot_be_read_takes_no_other_with_it() {
    use crate::db::schema::traces::span_chunks;
    use diesel::prelude::*;
    let mut conn = crate::db::testing::connection();
    keep(&mut conn, 0, None, &arrived(vec![span(1, None, &[])])).unwrap();
    diesel::update(span_chunks::table).set(span_chunks::data.eq(vec![1_u8, 2])).execute(&mut conn).unwrap();
    keep(&mut conn, 0, None, &arrived(vec![span(1, None, &[("a", "1")]), span(2, Some(1), &[])])).unwrap();
    let row = trace(&mut conn).row;
    assert_eq!(chunks::of_trace(&mut conn, row).unwrap().len(), 2);
}

#[test]
fn a_span_that_comes_again_rewrites_its_own_chunk_only() {
    use crate::db::schema::traces::span_chunks;
    use diesel::prelude::*;
    let mut conn = crate::db::testing::connection();
    let large = format!("\"{}\"", "x".repeat(700_000));
    let all: Vec<Span> = (1..=6).map(|id| span(id, (id > 1).then_some(1), &[("a", &large)])).collect();
    keep(&mut conn, 0, None, &arrived(all)).unwrap();
    let ids = |conn: &mut Conn| -> Vec<i64> {
        span_chunks::table.order(span_chunks::id).select(span_chunks::id).load(conn).unwrap()
    };
    let before = ids(&mut conn);
    keep(&mut conn, 0, None, &arrived(vec![span(3, Some(1), &[])])).unwrap();
    let after = ids(&mut conn);
    assert_eq!((before.len(), after.iter().filter(|id| before.contains(id)).count()), (3, 2));
    let row = trace(&mut conn).row;
    let spans = chunks::of_trace(&mut conn, row).unwrap();
    assert_eq!(spans.len(), 6);
    assert!(spans.iter().find(|span| span.id == 3).unwrap().attributes.is_empty());
    // Both of a chunk's spans, one after the other.
    keep(&mut conn, 0, None, &arrived(vec![span(4, Some(1), &[])])).unwrap();
    assert_eq!(chunks::of_trace(&mut conn, row).unwrap().len(), 6);
    assert!(chunks::size(&mut conn, &[row]).unwrap() < 4 * 710_000);
}

#[test]
fn spans_that_were_kept_before_they_knew_their_chunk_count_as_before() {
    use crate::db::schema::traces::spans::dsl;
    use diesel::prelude::*;
    let mut conn = crate::db::testing::connection();
    let used = |tokens: i64| format!(r#"{{"input_tokens": {tokens}, "output_tokens": 0, "total_tokens": {tokens}}}"#);
    let (one, two) = (used(1), used(2));
    keep(&mut conn, 0, None, &arrived(vec![span(1, None, &[]), span(2, Some(1), &[(key::USAGE, &one)])])).unwrap();
    let older = (dsl::chunk.eq(None::<i64>), dsl::token_usage.eq(None::<String>));
    diesel::update(dsl::spans).set(older).execute(&mut conn).unwrap();
    keep(&mut conn, 0, None, &arrived(vec![span(3, Some(1), &[(key::USAGE, &two)])])).unwrap();
    assert_eq!(trace(&mut conn).total_tokens, Some(3));
    keep(&mut conn, 0, None, &arrived(vec![span(2, Some(1), &[(key::USAGE, &two)])])).unwrap();
    let whole = trace(&mut conn);
    assert_eq!((whole.total_tokens, chunks::of_trace(&mut conn, whole.row).unwrap().len()), (Some(4), 3));
}

#[test]
fn a_trace_that_outgrows_its_limit_is_refused_and_stays_as_it_was() {
    let mut conn = crate::db::testing::connection();
    let large = format!("\"{}\"", "x".repeat(20 << 20));
    for id in 1..=3 {
        keep(&mut conn, 0, None, &arrived(vec![span(id, Some(1), &[("a", &large)])])).unwrap();
    }
    let error = keep(&mut conn, 0, None, &arrived(vec![span(4, Some(1), &[("a", &large)])])).unwrap_err();
    assert_eq!(error.code, drydock_wire::ErrorCode::TooLarge);
    assert!(error.message.starts_with("tr-0707") && error.message.contains("at most 64 MiB"), "{}", error.message);
}

#[test]
fn many_small_exports_become_one_chunk() {
    let mut conn = crate::db::testing::connection();
    for id in 1..=70 {
        keep(&mut conn, 0, None, &arrived(vec![span(id, Some(1), &[])])).unwrap();
    }
    let row = trace(&mut conn).row;
    use diesel::prelude::*;
    let chunks: i64 = crate::db::schema::traces::span_chunks::table.count().get_result(&mut conn).unwrap();
    assert!(chunks < 10, "{chunks}");
    assert_eq!(super::chunks::of_trace(&mut conn, row).unwrap().len(), 70);
}

#[test]
fn what_the_client_said_is_not_changed_by_spans() {
    let mut conn = crate::db::testing::connection();
    let id = rules::trace_id_of(&[7; 16]);
    let new = NewTrace {
        trace_id: Some(id.clone()),
        experiment_id: 0,
        started_at: 5,
        duration_ms: Some(1),
        state: State::Ok,
        client_request_id: None,
        request_preview: Some("said".into()),
        response_preview: None,
        tags: vec![(names::NAME_TAG.into(), "mine".into())],
        metadata: vec![
            (names::RUN.into(), "r".into()),
            (names::USAGE.into(), r#"{"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}"#.into()),
        ],
        assessments: vec![],
        finalized: true,
    };
    let row = head(&mut conn, &id, &new).unwrap();
    complete(&mut conn, row, &new).unwrap();
    let used = r#"{"input_tokens": 9, "output_tokens": 9, "total_tokens": 18}"#;
    keep(&mut conn, 0, None, &arrived(vec![span(1, None, &[(key::INPUTS, "1"), (key::USAGE, used)])])).unwrap();
    let kept = trace(&mut conn);
    assert_eq!((kept.started_at, kept.duration_ms, kept.total_tokens), (5, Some(1), Some(2)));
    assert_eq!((kept.name.as_deref(), kept.request_preview.as_deref()), (Some("mine"), Some("said")));
    assert!(kept.has_spans());
}
