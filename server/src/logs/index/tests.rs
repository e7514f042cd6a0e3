#![allow(clippy::unwrap_used)]
use drydock_wire::logs::{LogKind, LogLevel};

use super::*;
use crate::logs::rules::{parse, query};

const ALL: Sight = Sight { own: true, projects: None };

fn incoming(source: &str, kind: LogKind, project: &str, seq: u64, at: i64, text: &str) -> Incoming {
    let parse::Parsed { message, level, labels } = parse::line(text);
    let entry = LogEntry {
        id: 0,
        at,
        kind,
        owner: source.into(),
        name: format!("Name of {source}"),
        part: String::new(),
        project: project.into(),
        seq,
        level,
        stream: "stdout".into(),
        message,
        labels,
    };
    Incoming { source: source.into(), entry }
}

fn ask(sight: Sight, text: &str) -> Question {
    let query = query::parse(text).unwrap();
    Question { sight, query, kinds: vec![], levels: vec![], owner: None, from: None, to: None }
}

fn found(index: &Index, question: &Question) -> Vec<u64> {
    let (lines, next) = index.newest(question, Window::of(question), 100).unwrap();
    assert_eq!(next, None);
    lines.into_iter().map(|line| line.at as u64).collect()
}

fn filled(folder: &Path) -> Index {
    let (index, said) = Index::open(folder).unwrap();
    assert!(said.is_empty());
    let lines = vec![
        incoming("j", LogKind::Job, "default", 0, 1_000, "Epoch 1: val_loss=0.5"),
        incoming("j", LogKind::Job, "default", 1, 2_000, r#"{"level":"warning","msg":"slow step","gpu":{"id":3}}"#),
        incoming("j", LogKind::Job, "default", 2, 3_000, "ERROR out of memory"),
        incoming("d", LogKind::Deployment, "other", 0, 2_500, "step forward of memory out"),
        incoming("own", LogKind::Drydock, "", 0, 2_600, "started"),
    ];
    index.append(lines).unwrap();
    index.commit("{}", u64::MAX).unwrap();
    index
}

#[test]
fn words_phrases_levels_fields_and_owners_find_their_lines_and_nobody_sees_more_than_is_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path());
    for (text, want) in [
        ("", vec![3_000, 2_600, 2_500, 2_000, 1_000]),
        ("memory", vec![3_000, 2_500]),
        ("MEMORY out", vec![3_000, 2_500]),
        ("\"out of memory\"", vec![3_000]),
        ("val_loss=0.5", vec![1_000]),
        ("ste*", vec![2_500, 2_000]),
        ("step -slow", vec![2_500]),
        ("-memory -started", vec![2_000, 1_000]),
        ("level:>=warn", vec![3_000, 2_000]),
        ("gpu.id:3", vec![2_000]),
        ("gpu.id:*", vec![2_000]),
        ("gpu.id:4", vec![]),
        ("job:j step", vec![2_000]),
        ("job:\"name OF j\" epoch", vec![1_000]),
        ("kind:deployment OR kind:drydock", vec![2_600, 2_500]),
        ("project:other", vec![2_500]),
    ] {
        assert_eq!(found(&index, &ask(ALL, text)), want, "{text}");
    }
    let viewer = Sight { own: false, projects: Some(vec!["default".into()]) };
    for text in ["", "kind:drydock OR -x", "project:other OR epoch OR slow OR error"] {
        assert_eq!(found(&index, &ask(viewer.clone(), text)), [3_000, 2_000, 1_000], "{text}");
    }
    let stranger = Sight { own: false, projects: Some(vec![]) };
    assert!(found(&index, &ask(stranger.clone(), "")).is_empty());
    let own = index.newest(&ask(ALL, "started"), Window { from: 0, to: u64::MAX }, 1).unwrap().0.remove(0);
    assert!(index.line(&viewer, own.id).unwrap().is_none() && index.line(&ALL, own.id).unwrap().is_some());
    assert!(index.around(&viewer, "own", 0, false, 5).unwrap().is_empty());
}

#[test]
fn pages_follow_one_another_both_ways_and_over_partitions() {
    let dir = tempfile::tempdir().unwrap();
    let (index, _) = Index::open(dir.path()).unwrap();
    // each commit is the last of its partition; the instants of neighbours overlap, and some are the same
    for part in 0..4i64 {
        let line = |n: i64| incoming("j", LogKind::Job, "default", (part * 50 + n) as u64, part * 20 + n / 2, "word");
        index.append((0..50).map(line).collect()).unwrap();
        index.commit(&format!("{part}"), 0).unwrap();
    }
    assert_eq!(index.partitions().len(), 4, "each commit was more than a part may have");
    let question = ask(ALL, "word");
    let (mut seen, mut window) = (vec![], Window::of(&question));
    loop {
        let (lines, next) = index.newest(&question, window, 7).unwrap();
        seen.extend(lines.iter().map(|line| (line.at, line.id)));
        match next {
            Some(next) => window.to = next,
            None => break,
        }
    }
    assert_eq!(seen.len(), 200);
    assert!(seen.windows(2).all(|two| two[0] > two[1]), "newest first, none twice");
    let (mut again, mut window) = (vec![], Window::of(&question));
    loop {
        let (lines, next) = index.oldest(&question, window, 7).unwrap();
        again.extend(lines.iter().map(|line| (line.at, line.id)));
        match next {
            Some(next) => window.from = next,
            None => break,
        }
    }
    again.reverse();
    assert_eq!(again, seen);
    let since = index.since(&question, 151, 100).unwrap();
    assert_eq!(since.iter().map(|line| line.id).collect::<Vec<_>>(), (151..=200).collect::<Vec<_>>());
    let around = index.around(&ALL, "j", 50, true, 3).unwrap();
    assert_eq!(around.iter().map(|line| line.seq).collect::<Vec<_>>(), [47, 48, 49]);
    let counts = index.histogram(&question, Histogram { from: 0, step_ms: 40, buckets: 4 }).unwrap();
    assert_eq!(counts.iter().map(|count| count[0]).sum::<u64>(), 200);
    let bounded = Question { from: Some(10), to: Some(12), ..question };
    assert_eq!(index.newest(&bounded, Window::of(&bounded), 100).unwrap().0.len(), 4);
    drop(index);
    // opened again, all is there, with what each commit said
    let (index, said) = Index::open(dir.path()).unwrap();
    assert_eq!((index.extent().0, said), (200, vec!["0".into(), "1".into(), "2".into(), "3".into()]));
    assert_eq!(*index.committed().borrow(), 201);
    // the oldest partitions go, as a whole
    assert_eq!(index.retain(0, index.extent().1 - 1).unwrap(), 1);
    assert_eq!(index.extent().0, 150);
    assert_eq!(index.retain(clock::now_ms(), u64::MAX).unwrap(), 3);
    assert_eq!(index.extent().0, 0);
}

#[test]
fn what_was_not_committed_is_not_there_after_a_kill_and_can_be_taken_in_again() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path());
    index.append(vec![incoming("j", LogKind::Job, "default", 3, 4_000, "lost")]).unwrap();
    // as if killed: no commit, no merge
    let copy = tempfile::tempdir().unwrap();
    let from = index.partitions()[0].folder.clone();
    let to = copy.path().join(VERSION).join(from.file_name().unwrap());
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(&from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    let (index, said) = Index::open(copy.path()).unwrap();
    assert_eq!((index.extent().0, said.len()), (5, 1));
    index.append(vec![incoming("j", LogKind::Job, "default", 3, 4_000, "lost")]).unwrap();
    index.commit("{}", u64::MAX).unwrap();
    assert_eq!(found(&index, &ask(ALL, "lost")), [4_000]);
    let level = index.newest(&ask(ALL, "slow"), Window { from: 0, to: u64::MAX }, 1).unwrap().0[0].level;
    assert_eq!(level, Some(LogLevel::Warn));
}

#[test]
fn a_partition_that_cannot_be_read_is_put_aside_and_the_others_serve() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path());
    let folder = index.partitions()[0].folder.clone();
    drop(index);
    std::fs::write(folder.join("meta.json"), b"{").unwrap();
    let (index, _) = Index::open(dir.path()).unwrap();
    assert_eq!(index.extent().0, 0);
    index.append(vec![incoming("j", LogKind::Job, "default", 0, 9, "anew")]).unwrap();
    index.commit("{}", u64::MAX).unwrap();
    assert_eq!(found(&index, &ask(ALL, "anew")), [9]);
}
