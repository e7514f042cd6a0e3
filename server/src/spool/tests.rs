#![allow(clippy::unwrap_used)]
use super::*;

fn spools() -> (tempfile::TempDir, Spools) {
    let dir = tempfile::tempdir().unwrap();
    let spools = Spools::new(dir.path().join("logs"));
    (dir, spools)
}

fn line(at_ns: i64, text: &str) -> Line {
    Line { at_ns, kind: Kind::Out, text: text.into() }
}

const SMALL: Bounds = Bounds { whole_bytes: 4_000, tail_bytes: 1_000, segment_bytes: 500 };

async fn all(reader: &mut Reader) -> Vec<Numbered> {
    let mut found = vec![];
    loop {
        let batch = reader.batch().await.unwrap();
        if batch.is_empty() {
            return found;
        }
        found.extend(batch);
    }
}

async fn fill(spool: &mut Spool, numbers: std::ops::Range<i64>) {
    for n in numbers {
        spool.push(&line(n + 1, &format!("line {n}")));
        spool.flush().await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_gets_each_line_once_while_it_is_written() {
    let (_dir, spools) = spools();
    let mut spool = spools.write("a-1", SMALL).await.unwrap();
    spool.begin("c").await.unwrap();
    let mut reader = spools.read("a-1", 0).await.unwrap();
    let mut seen = vec![];
    for n in 0..60 {
        fill(&mut spool, n..n + 1).await;
        seen.extend(all(&mut reader).await);
    }
    let numbers: Vec<u64> = seen.iter().map(|it| it.seq).collect();
    assert_eq!(numbers, (0..60).collect::<Vec<_>>());
    assert!(seen.iter().all(|it| it.line.text == format!("line {}", it.seq)));
    assert_eq!(spools.progress("a-1").unwrap().borrow().lines, 60);
}

#[tokio::test]
async fn of_a_log_that_grows_too_large_the_beginning_and_the_end_stay_under_their_numbers() {
    let (_dir, spools) = spools();
    let mut spool = spools.write("a-1", SMALL).await.unwrap();
    spool.begin("c").await.unwrap();
    fill(&mut spool, 0..2_000).await;
    let found = all(&mut spools.read("a-1", 0).await.unwrap()).await;
    let marks: Vec<&Numbered> = found.iter().filter(|it| matches!(it.line.kind, Kind::Note { .. })).collect();
    assert_eq!(marks.len(), 1);
    let Kind::Note { lines } = marks[0].line.kind else { panic!() };
    assert_eq!(found.len() as u64 + lines - 1, 2_000);
    assert!(marks[0].line.text.contains(&format!("{lines} lines are left out")), "{}", marks[0].line.text);
    let texts = found.iter().filter(|it| it.line.kind == Kind::Out);
    assert!(texts.clone().all(|it| it.line.text == format!("line {}", it.seq)));
    assert_eq!((found[0].seq, found.last().unwrap().seq), (0, 1_999));
    let bytes: u64 = segments(&spools.folder("a-1")).unwrap().iter().map(|(_, bytes)| bytes).sum();
    assert!(bytes <= SMALL.whole_bytes + SMALL.segment_bytes, "{bytes}");
    // from the middle of what is gone, and from behind it
    let from_gap = all(&mut spools.read("a-1", marks[0].seq - 5).await.unwrap()).await;
    assert_eq!((from_gap[0].seq, &from_gap[0].line.text), (marks[0].seq, &marks[0].line.text));
    let behind = all(&mut spools.read("a-1", 1_990).await.unwrap()).await;
    assert_eq!(behind.iter().map(|it| it.seq).collect::<Vec<_>>(), (1_990..2_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_that_was_overtaken_is_told_what_it_missed() {
    let (_dir, spools) = spools();
    let mut spool = spools.write("a-1", SMALL).await.unwrap();
    spool.begin("c").await.unwrap();
    fill(&mut spool, 0..10).await;
    let mut reader = spools.read("a-1", 0).await.unwrap();
    let mut seen = all(&mut reader).await;
    fill(&mut spool, 10..3_000).await;
    seen.extend(all(&mut reader).await);
    let mut next = 0;
    for it in &seen {
        match it.line.kind {
            Kind::Note { lines } => assert_eq!(it.seq + 1, next + lines),
            _ => assert_eq!(it.seq, next),
        }
        next = it.seq + 1;
    }
    assert_eq!(next, 3_000);
}

#[tokio::test]
async fn a_writer_that_was_killed_leaves_whole_lines_and_is_gone_on_with() {
    let (_dir, spools) = spools();
    let mut spool = spools.write("a-1", SMALL).await.unwrap();
    spool.begin("c").await.unwrap();
    fill(&mut spool, 0..3).await;
    spool.push(&Line { at_ns: 3, kind: Kind::Out, text: "the same instant".into() });
    spool.push(&Line { at_ns: 9, kind: Kind::Note { lines: 1 }, text: "ours".into() });
    spool.flush().await.unwrap();
    assert!(spools.write("a-1", SMALL).await.is_err(), "one writer");
    drop(spool);
    let path = segment(&spools.folder("a-1"), 0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"12.000000 o half a li");
    std::fs::write(&path, bytes).unwrap();

    let mut spool = spools.write("a-1", SMALL).await.unwrap();
    assert_eq!(spool.last(), Some(Last { at_ns: 3, is_error: false, same: 1 }));
    spool.begin("c").await.unwrap();
    fill(&mut spool, 5..6).await;
    let texts: Vec<String> =
        all(&mut spools.read("a-1", 0).await.unwrap()).await.into_iter().map(|it| it.line.text).collect();
    assert_eq!(texts, ["line 0", "line 1", "line 2", "the same instant", "ours", "line 5"]);
    spool.begin("another").await.unwrap();
    assert_eq!((spool.last(), spool.source().first), (None, 6));
    spool.complete().await.unwrap();
    drop(spool);
    assert_eq!(spools.source("a-1").await, Some(Source { container: "another".into(), first: 6, complete: true }));
    assert_eq!(spools.lines("a-1").await.unwrap(), 6);
}
