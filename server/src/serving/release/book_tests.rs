//! Promises of a book: what it counts, and that nothing is lost when it is opened again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use drydock_wire::serving::{Ab, DifferentPlace};

use super::*;

fn title(plan: ReleasePlan) -> Title {
    Title { release_id: "r".into(), deployment_id: "d".into(), plan, candidate: 2, live: 1 }
}

fn ab(assign: Assign) -> ReleasePlan {
    ReleasePlan::Ab(Ab { weight: 50, assign, end: None, analysis: None, keep_old_s: 600 })
}

fn running(plan: ReleasePlan) -> Book {
    let book = Book::open(title(plan), Kept::default());
    book.set_running(true);
    book
}

fn answered(status: u16) -> Outcome {
    Outcome { status: Some(status), took: Some(Duration::from_millis(5)) }
}

fn example() -> Disagreement {
    let places = vec![DifferentPlace { at: "/0".into(), live: "1".into(), candidate: "2".into() }];
    Disagreement {
        at: 1,
        request_id: "q".into(),
        path: "/invocations".into(),
        how: "different".into(),
        live_status: 200,
        candidate_status: Some(200),
        places,
    }
}

#[test]
fn a_book_that_is_opened_again_goes_on_where_it_was_written() {
    let book = running(ab(Assign::Caller));
    book.record(Side::Live, answered(200), false);
    book.record(Side::Candidate, answered(500), false);
    book.report("conversion", Side::Candidate, 1.0).unwrap();
    book.note_unit(book.unit("ann"));
    book.note_unit(book.unit("ann"));
    let written = book.to_write().unwrap();
    assert_eq!(written.units.len(), 1);
    assert_eq!(book.to_write(), None, "nothing changed since");
    let again = Book::open(title(ab(Assign::Caller)), written);
    again.record(Side::Candidate, answered(200), false);
    let counts = again.counts(Side::Candidate);
    assert_eq!((counts.requests, counts.failed, counts.latency.total(), again.counted()), (2, 1, 2, 3));
    assert_eq!(again.metric("conversion", Side::Candidate).count, 1);
    again.note_unit(again.unit("ann"));
    assert_eq!(again.to_write().unwrap().units, [], "ann is known");
}

#[test]
fn what_could_not_be_written_is_due_again() {
    let book = running(ab(Assign::Caller));
    book.note_unit(book.unit("ann"));
    let failed = book.to_write().unwrap();
    book.unwritten(failed.clone());
    assert_eq!(book.to_write(), Some(failed));
}

#[test]
fn the_newest_requests_are_known_by_their_id() {
    let book = running(ab(Assign::Caller));
    (0..=RECENT).for_each(|n| book.note_request(&n.to_string(), Side::of(n % 2 == 0)));
    assert_eq!(book.side_of_request("0"), None, "too long ago");
    assert_eq!((book.side_of_request("1"), book.side_of_request("2")), (Some(Side::Live), Some(Side::Candidate)));
    // where the id decides, none is forgotten
    let book = running(ab(Assign::Request));
    assert_eq!(book.side_of_request("x"), Some(book.unit("x").side(50)));
}

#[test]
fn a_report_that_is_none_says_so() {
    let book = running(ab(Assign::Caller));
    for (metric, value) in [("", 1.0), (" spaced", 1.0), ("fine", f64::NAN)] {
        assert!(book.report(metric, Side::Live, value).is_err(), "{metric} {value}");
    }
    for n in 0..MOST_METRICS {
        book.report(&format!("m{n}"), Side::Live, 1.0).unwrap();
    }
    assert!(book.report("one more", Side::Live, 1.0).is_err());
    assert_eq!(book.report("m0", Side::Live, 1.0).unwrap(), 2);
}

#[test]
fn copies_are_bounded_and_verdicts_counted() {
    let book = running(ReleasePlan::Shadow(Shadow::default()));
    let (first, second) = (book.copying(2), book.copying(2));
    assert!(first.is_some() && second.is_some() && book.copying(2).is_none());
    drop(first);
    assert!(book.copying(2).is_some());
    book.note_verdict(&Verdict::Equal, example());
    book.note_verdict(&Verdict::Near(0.5), example());
    (0..30).for_each(|_| book.note_verdict(&Verdict::Different(vec![], Some(2.0)), example()));
    book.note_failed(example());
    book.note_skipped();
    let all = book.kept().agreements;
    assert_eq!((all.equal, all.near, all.different, all.failed, all.dropped, all.skipped), (1, 1, 30, 1, 1, 1));
    assert_eq!((all.largest, all.examples.len(), book.counted()), (Some(2.0), MOST_EXAMPLES, 33));
    let copied = (0..1000).filter(|_| book.is_turn(30)).count();
    assert_eq!(copied, 300);
}

#[test]
fn what_reached_its_end_shares_and_copies_nothing() {
    let (test, shadow) = (running(ab(Assign::Caller)), running(ReleasePlan::Shadow(Shadow::default())));
    assert!(test.shares().is_some() && shadow.shadow().is_some() && test.shadow().is_none());
    test.set_running(false);
    shadow.close();
    assert!(test.shares().is_none() && shadow.shadow().is_none() && shadow.is_closed());
}
