//! The fuzz targets with the bytes of a seeded generator: valid texts put together at random, then damaged. A failure prints the
//! seed; `DRYDOCK_FUZZ_SEED` runs it again, `DRYDOCK_FUZZ_CASES` runs more.

use drydock_tests::fuzz::{TARGETS, Target};

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

fn made(dice: &mut Dice, name: &str) -> Vec<u8> {
    let (words, between): (&[&str], &str) = match name {
        "bodies" => (&JSON, ""),
        "graphql_documents" => (&GRAPHQL, " "),
        _ => (&WORDS, " "),
    };
    let mut text = String::new();
    if name == "bodies" && dice.roll(2) == 0 {
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
    let mut bytes = text.into_bytes();
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

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn strangers_texts_are_read_or_refused_and_mean_what_they_say() {
    let seed = number("DRYDOCK_FUZZ_SEED").unwrap_or_else(|| drydock::clock::now_ms().unsigned_abs() | 1);
    let cases = number("DRYDOCK_FUZZ_CASES").unwrap_or(60_000);
    println!("DRYDOCK_FUZZ_SEED={seed} DRYDOCK_FUZZ_CASES={cases}");
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
