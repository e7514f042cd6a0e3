//! The fuzz targets with the bytes of a seeded generator: valid texts put together at random, then damaged. 60,000 cases of the same seed
//! at each run, so that a change is let in or not by what it is; `make faults` draws another seed. A failure prints the seed;
//! `DRYDOCK_FUZZ_SEED` runs it again, or draws one where it is `random`; `DRYDOCK_FUZZ_CASES` runs more.

use drydock_tests::{
    dice::seed_of,
    fuzz::{TARGETS, Target},
};

/// xorshift64*: enough for throwing things.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides.max(1)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const WORDS: [&str; 58] = [
    "metrics.acc",
    "params.lr",
    "tags.`my tag`",
    "tag.\"a b\"",
    "attributes.run_name",
    "attr.status",
    "name",
    "run_id",
    "status",
    "start_time",
    "creation_time",
    "dataset.name",
    "datasets.context",
    "version_number",
    "source_path",
    "experiment_id",
    "model_type",
    "metrics.`a.b`",
    "params.'x y'",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "<>",
    "LIKE",
    "ilike",
    "IN",
    "NOT IN",
    "IS NULL",
    "IS NOT NULL",
    "AND",
    "and",
    "OR",
    "'x'",
    "'it''s'",
    "\"y\"",
    "'%a_'",
    "1",
    "-2.5e-3",
    ".5",
    "9223372036854775807",
    "1e999",
    "(",
    ")",
    ",",
    "('a', 'b')",
    "('a',)",
    "()",
    "DESC",
    "asc",
    "'",
    "`",
    "\u{e9}",
    "\u{0}",
    "\u{1F600}",
    ";",
];
const JSON: [&str; 26] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"run_id\"",
    "\"runId\"",
    "\"metrics\"",
    "\"key\"",
    "\"value\"",
    "\"timestamp\"",
    "\"step\"",
    "\"tags\"",
    "\"max_results\"",
    "\"NaN\"",
    "\"12\"",
    "1",
    "-1",
    "1e400",
    "9223372036854775808",
    "1.5",
    "null",
    "true",
    "\"\\ud800\"",
    "\"{}\"",
];
const GRAPHQL: [&str; 24] = [
    "query",
    "mutation",
    "{",
    "}",
    "(",
    ")",
    "mlflowGetRun",
    "test",
    "output",
    "run",
    "info",
    "runId",
    "input:",
    "$d",
    ":",
    "MlflowGetRunInput!",
    "...",
    "fragment F on Test",
    "F",
    "@include(if: true)",
    "\"x\"",
    "{runId: \"r\"}",
    "a:",
    "__typename",
];

const CONDITION: [&str; 20] = [
    "${params.n}",
    "${params.",
    "${tasks.t.x}",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "=",
    "and",
    "or",
    "not",
    "(",
    ")",
    "'x'",
    "1",
    "-2.5e9",
    "null",
    "true",
];
const PIPELINE: [&str; 24] = [
    "name: x\n",
    "tasks:\n",
    "  a:",
    "  b:\n",
    " { job: { command: [a] } }\n",
    "    needs: [a]\n",
    "    needs: [b, a]\n",
    "    gate: { run: x }\n",
    "    when: \"${params.n} > 1\"\n",
    "parameters: { n: 1 }\n",
    "    for_each: [1]\n",
    "    as: i\n",
    "    job: { command: [\"${i}\"] }\n",
    "schedules:\n",
    "  - { cron: \"0 3 * * *\", zone: UTC, catch_up: all }\n",
    "triggers:\n",
    "  - { drift: x }\n",
    "timeout: 1h\n",
    "- ",
    "{",
    "}",
    "\n",
    "  ",
    ": ",
];
const TENSORS: [&str; 36] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"inputs\":[",
    "{\"name\":\"a\",",
    "{\"name\":\"b\",",
    "{\"name\":\"c\",",
    "\"shape\":[1],",
    "\"shape\":[2,1],",
    "\"shape\":[4294967296,4294967296],",
    "\"datatype\":\"FP64\",",
    "\"datatype\":\"BYTES\",",
    "\"datatype\":\"INT64\",",
    "\"data\":[1]}",
    "\"data\":[[1],[2]]}",
    "\"data\":[\"x\"]}",
    "\"parameters\":{\"binary_data_size\":8}}",
    "]}",
    "\n",
    "\u{4}\u{0}\u{0}\u{0}abcd",
    "NaN",
    "-Infinity",
    "1e999",
    "null",
    "true",
    "0.5",
    "\"x\"",
    "{\"predictions\":[",
    "{\"a\":1}",
    "\"dataframe_split\":{\"columns\":[\"a\"],\"data\":[[1]]}",
    "\"instances\":[",
    "\"outputs\":[{\"name\":\"a\"}],",
    "\"id\":\"x\",",
];

fn made(dice: &mut Dice, name: &str) -> Vec<u8> {
    let (words, between): (&[&str], &str) = match name {
        "bodies" => (&JSON, ""),
        "graphql_documents" => (&GRAPHQL, " "),
        "pipeline_conditions" => (&CONDITION, " "),
        "pipeline_documents" => (&PIPELINE, ""),
        name if name.starts_with("v2_") => (&TENSORS, ""),
        _ => (&WORDS, " "),
    };
    let mut text = String::new();
    if name == "v2_requests" && dice.roll(2) == 0 {
        text = tensors(dice);
    } else if name == "otlp_protobuf" {
        let bytes = message(dice, 9);
        return damaged(dice, bytes);
    } else if name == "otlp_json" {
        text = export(dice);
    } else if name == "bodies" && dice.roll(2) == 0 {
        // A well-formed object, whose values are of every kind.
        let fields: Vec<String> = (0..dice.roll(6))
            .map(|_| {
                format!(
                    "{}:{}",
                    dice.pick(&JSON[6..15]),
                    dice.pick(&["1", "\"x\"", "[]", "[{}]", "null", "{\"key\":1}", "2.5", "\"7\""])
                )
            })
            .collect();
        text = format!("{{{}}}", fields.join(","));
    } else if name.ends_with("filters") && dice.roll(2) == 0 {
        // Conditions in the right order, each of any of these words.
        let conditions: Vec<String> = (0..1 + dice.roll(3))
            .map(|_| format!("{} {} {}", dice.pick(&WORDS[..19]), dice.pick(&WORDS[19..32]), dice.pick(&WORDS[35..50])))
            .collect();
        text = conditions.join(" AND ");
    } else {
        for _ in 0..dice.roll(14) {
            text.push_str(dice.pick(words));
            if dice.roll(4) > 0 {
                text.push_str(between);
            }
        }
    }
    damaged(dice, text.into_bytes())
}

/// A request with its parts in the right order.
fn tensors(dice: &mut Dice) -> String {
    let inputs: Vec<String> = (0..1 + dice.roll(3))
        .map(|_| {
            let (name, shape) = (dice.pick(&TENSORS[7..10]), dice.pick(&TENSORS[10..13]));
            format!("{name}{shape}{}{}", dice.pick(&TENSORS[13..16]), dice.pick(&TENSORS[16..20]))
        })
        .collect();
    let rest = dice.pick(&["", "\n\u{4}\u{0}\u{0}\u{0}abcd", "\n12345678", "\n"]);
    format!("{{{}\"inputs\":[{}]}}{rest}", dice.pick(&TENSORS[34..36]), inputs.join(","))
}

fn damaged(dice: &mut Dice, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..dice.roll(3) {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(3) {
            0 if at < bytes.len() => bytes[at] = dice.roll(256) as u8,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, dice.roll(128) as u8),
        }
    }
    bytes
}

/// Messages within messages, of the tags that OTLP has.
fn message(dice: &mut Dice, depth: usize) -> Vec<u8> {
    let mut bytes = vec![];
    for _ in 0..dice.roll(4) {
        let tag = [1, 1, 2, 2, 4, 5, 6, 7, 8, 9, 11, 13, 15][dice.roll(13)];
        let wire = if depth == 0 { [0, 1, 5][dice.roll(3)] } else { [2, 2, 2, 2, 0, 1][dice.roll(6)] };
        bytes.push(tag << 3 | wire);
        match wire {
            0 => bytes.push(dice.roll(128) as u8),
            1 => bytes.extend((dice.roll(usize::MAX) as u64).to_le_bytes()),
            5 => bytes.extend([7; 4]),
            _ => {
                let within = match dice.roll(5) {
                    0 => vec![1; [8, 16, 3, 0][dice.roll(4)]],
                    1 => dice.pick(&["mlflow.spanInputs", "{\"a\": [1]}", "[[[[]]]]", "mlflow.chat.tokenUsage"]).into(),
                    _ => message(dice, depth - 1),
                };
                // Of one byte; a longer message is cut off, which makes it a broken one.
                bytes.push(within.len().min(127) as u8);
                bytes.extend(&within[..within.len().min(127)]);
            }
        }
    }
    bytes
}

/// One span as OpenTelemetry's JSON has it.
fn export(dice: &mut Dice) -> String {
    let value = |dice: &mut Dice| {
        let deep = dice.roll(140);
        match dice.roll(4) {
            0 => format!(r#"{{"stringValue": "{}{}"}}"#, "[".repeat(deep), "]".repeat(deep)),
            1 => dice
                .pick(&[r#"{"intValue": "7"}"#, r#"{"doubleValue": "NaN"}"#, "{}", "null", r#"{"x": 1}"#])
                .to_owned(),
            2 => {
                let levels = deep / 3;
                let (open, close) = (r#"{"arrayValue": {"values": ["#, "]}}");
                format!("{}{}", open.repeat(levels), close.repeat(levels))
            }
            _ => r#"{"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": true}}]}}"#.to_owned(),
        }
    };
    let attributes = |dice: &mut Dice| {
        let all: Vec<String> = (0..dice.roll(4))
            .map(|_| {
                let key =
                    dice.pick(&["mlflow.spanInputs", "mlflow.spanOutputs", "a", "mlflow.llm.cost", "input.value"]);
                format!(r#"{{"key": "{key}", "value": {}}}"#, value(dice))
            })
            .collect();
        format!("[{}]", all.join(", "))
    };
    let (of_resource, of_span, of_event) = (attributes(dice), attributes(dice), attributes(dice));
    let at = dice.pick(&["1", "\"2\"", "-1", "1e300", "null", "\"x\""]);
    format!(
        r#"{{"resourceSpans": [{{"resource": {{"attributes": {of_resource}}}, "scopeSpans": [{{"spans": [{{"traceId":
        "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "n", "startTimeUnixNano": {at}, "attributes":
        {of_span}, "events": [{{"name": "e", "timeUnixNano": "1", "attributes": {of_event}}}]}}]}}]}}]}}"#
    )
}

/// Of each target.
const CASES: u64 = 60_000;

#[test]
fn strangers_texts_are_read_or_refused_and_mean_what_they_say() {
    let seed = seed_of("DRYDOCK_FUZZ_SEED");
    let cases = std::env::var("DRYDOCK_FUZZ_CASES")
        .map_or(CASES, |asked| asked.parse().expect("DRYDOCK_FUZZ_CASES is no number"));
    for (name, target) in TARGETS {
        throw((name, target), seed, cases);
    }
}

fn throw((name, target): Target, seed: u64, cases: u64) {
    let mut dice = Dice(seed);
    for case in 0..cases {
        let bytes = made(&mut dice, name);
        let outcome = std::panic::catch_unwind(|| target(&bytes));
        assert!(outcome.is_ok(), "{name}, case {case} of seed {seed}: {:?}", String::from_utf8_lossy(&bytes));
    }
}
