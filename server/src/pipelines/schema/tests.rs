//! Promises of the reader: what it accepts, and the line and the words of what it does not.
#![allow(clippy::unwrap_used)]

use super::*;

pub const FULL: &str = r#"
name: breast-cancer
description: weekly, and when the data drift
parameters: { dataset: breast-cancer, least_accuracy: 0.95, ask: "no" }
concurrency: { most: 1, when_busy: wait }
timeout: 2h
tasks:
  check: { validate: { dataset: "${params.dataset}" } }
  train:
    needs: [check]
    job:
      command: [python3, /workspace/train.py]
      data: ["${params.dataset}:${tasks.check.version}"]
      files: { train.py: "print('x')" }
      resources: { cpus: 1, memory: 1GiB }
    retries: { limit: 2, delay: 30s }
    timeout: 30m
    cache: true
  good:
    needs: [train]
    gate:
      run: "${tasks.train.run}"
      all:
        - { metric: holdout_accuracy, at_least: "${params.least_accuracy}" }
        - { metric: holdout_recall, better_than: { model: m, alias: champion }, by: 0.0, first: pass }
  register: { needs: [good], register: { run: "${tasks.train.run}", path: model, model: m } }
  deploy: { needs: [register], deploy: { deployment: d, model: m, version: "${tasks.register.version}" } }
  approve: { needs: [deploy], approval: { role: engineer }, timeout: 3d, when: "${params.ask} == 'yes'" }
  promote: { needs: [approve], start_when: none_failed, promote: { model: m, version: "${tasks.register.version}", alias: champion } }
  each: { needs: [check], for_each: [0.1, 0.01], as: lr, most_at_once: 2, job: { command: [python3, t.py, "${lr}"] } }
  tell: { needs: [promote], start_when: any_failed, notify: { webhook: ops, text: "run ${run.number} failed" } }
schedules: [ { cron: "0 3 * * 1", zone: Europe/Berlin, catch_up: none } ]
triggers:
  - { dataset_version: breast-cancer }
  - { drift: breast-cancer }
  - { alert: errors }
  - { pipeline: other, state: succeeded }
  - { webhook: true, parameters: { ask: "yes" } }
"#;

#[test]
fn everything_that_there_is_is_read() {
    let (spec, problems) = read(FULL);
    assert_eq!(problems, []);
    let spec = spec.unwrap();
    let names: Vec<&str> = spec.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["check", "train", "good", "register", "deploy", "approve", "promote", "each", "tell"]);
    let train = spec.task("train").unwrap();
    assert_eq!(
        (train.retries, train.delay_s, train.timeout_s, train.cache, train.line),
        (2, 30, Some(1800), true, Some(9))
    );
    assert_eq!(spec.downstream("good"), ["good", "register", "deploy", "approve", "promote", "tell"]);
    assert_eq!((spec.schedules.len(), spec.triggers.len()), (1, 5));
    let shapes: Vec<String> = spec.shapes().into_iter().map(|shape| shape.what).collect();
    assert_eq!(shapes[1], "python3 /workspace/train.py");
    assert_eq!(shapes[2], "holdout_accuracy, holdout_recall");
    // What is kept is what was read.
    let kept: Spec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
    assert_eq!(kept, spec);
}

/// The problems of FULL with one piece of text replaced by another, as `line: message`.
fn with(from: &str, to: &str) -> Vec<String> {
    assert!(FULL.contains(from), "{from}");
    let (_, problems) = read(&FULL.replacen(from, to, 1));
    problems
        .into_iter()
        .map(|one| format!("{}: {}", one.line.map_or("?".into(), |line| line.to_string()), one.message))
        .collect()
}

#[test]
fn a_fault_has_its_line_and_says_what_to_do() {
    for (from, to, wanted) in [
        ("name: breast", "name: Breast", "2: Use 1 to 63"),
        ("timeout: 2h", "timeout: soon", "6: 'soon' is no time"),
        ("timeout: 30m", "timeout: 30w", "17: '30w' is no time"),
        ("needs: [check]\n", "needs: [chekc]\n", "10: train: there is no task chekc"),
        (
            "\"${params.dataset}\" } }",
            "\"${params.datset}\" } }",
            "8: check: ${params.datset}: there is no parameter datset.",
        ),
        (
            "${tasks.check.version}",
            "${tasks.chekc.version}",
            "11: train: ${tasks.chekc.version}: there is no task chekc.",
        ),
        ("${tasks.check.version}", "${tasks.check.run}", "11: train: ${tasks.check.run}: a validate has the outputs"),
        (
            "run: \"${tasks.train.run}\"\n",
            "run: \"${tasks.deploy.run}\"\n",
            "21: good: ${tasks.deploy.run}: put deploy into its needs",
        ),
        ("== 'yes'", "= 'yes'", "28: approve: Compare with =="),
        ("at_least:", "at_lest:", "24: good: gate: unknown field `at_lest`"),
        ("memory: 1GiB", "memory: lots", "11: train: job: 'lots' is no size"),
        ("    retries: { limit: 2", "    retry: { limit: 2", "16: tasks.train: unknown field `retry`"),
        (", catch_up: none", "", "32: Say what becomes of runs that were missed"),
        ("Europe/Berlin", "Europe/Bonn", "32: There is no time zone"),
        ("0 3 * * 1", "0 3 * *", "32: cron"),
        ("{ drift: breast-cancer }", "{ drift: a, alert: b }", "35: A trigger has one of"),
        ("{ pipeline: other,", "{ pipeline: breast-cancer,", "37: A pipeline that its own end starts"),
        ("parameters: { ask: \"yes\" } }", "parameters: { aks: \"yes\" } }", "38: There is no parameter aks."),
        ("ask: \"no\" }", "ask: null }", "32: The parameter ask has no default"),
        (
            "approval: { role: engineer }",
            "approval: { role: engineer }, retries: { limit: 1 }",
            "28: approve: asked again",
        ),
        ("notify: {", "cache: true, notify: {", "31: tell: only job and validate"),
        ("validate: {", "gate: {}, validate: {", "8: check: say what it does"),
        ("for_each: [0.1, 0.01], as: lr", "as: lr", "30: each: as and most_at_once go with for_each."),
        ("as: lr", "as: params", "30: each: params cannot be the name of an item."),
        ("\"${lr}\"", "\"${item}\"", "30: each: ${item} is only there"),
        ("most: 1", "most: 0", "5: most: use 1 to 100."),
    ] {
        let found = with(from, to);
        assert!(found.iter().any(|one| one.starts_with(wanted)), "{to}: {found:#?}");
    }
}

#[test]
fn tasks_that_wait_for_each_other_are_named() {
    let found = with("train:\n    needs: [check]", "train:\n    needs: [check, promote]");
    assert!(
        found.iter().any(|one| one.contains("train → promote → approve → deploy → register → good → train")),
        "{found:#?}"
    );
    let itself = with("train:\n    needs: [check]", "train:\n    needs: [train]");
    assert!(itself.iter().any(|one| one.contains("train → train")), "{itself:#?}");
}

#[test]
fn what_is_no_yaml_says_where() {
    for (text, line) in [("name: x\ntasks: [", 2), ("name: x\ntasks: 3\n", 2), ("a: b: c", 1)] {
        let (spec, problems) = read(text);
        assert!(spec.is_none());
        assert!(problems[0].line.is_some_and(|found| found >= line), "{text:?}: {problems:?}");
    }
    // only a line feed ends a line for an editor, whatever YAML's reader makes of it
    for text in ["\r ", "a:\u{2028}\u{85}\r\r"] {
        assert_eq!(read(text).1[0].line, Some(1), "{text:?}");
    }
    let (_, problems) = read("name: x\ntasks:\n  a: { approval: {} }\n  a: { approval: {} }\n");
    assert!(problems[0].message.contains("a is there twice"), "{problems:?}");
    assert!(!read(&"x".repeat(2 << 20)).1.is_empty());
}

#[test]
fn any_cut_of_the_text_is_read_without_a_panic() {
    for end in (0..FULL.len()).filter(|end| FULL.is_char_boundary(*end)) {
        let _ = read(&FULL[..end]);
    }
}
