//! Sizes and times as people write them, the same in the form, in YAML files and on the command line: `4GiB`, `512 MB`, `2h`, `1h30m`.

use serde_json::{Map, Value};

const SIZES: [(&str, u64); 14] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("ki", 1 << 10),
    ("mi", 1 << 20),
    ("gi", 1 << 30),
    ("ti", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
    ("", 1),
];

const TIMES: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Bytes of `4GiB`, `1.5 GB`, `64Mi` (as Kubernetes has it) or `1048576`. `4G` is refused, since people mean different things by it.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no size; write it as 4GiB, 512MiB or 20GB.");
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim());
    let (_, unit) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(*unit).ok_or_else(wrong);
    }
    let bytes = number.parse::<f64>().map_err(|_| wrong())? * *unit as f64;
    if (0.0..9e18).contains(&bytes) { Ok(bytes.round() as u64) } else { Err(wrong()) }
}

/// Seconds of `2h`, `90m`, `1h30m`, `45s`, `1d` or `3600`.
pub fn parse_seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no time; write it as 2h, 90m, 1h30m or 45s.");
    let lower = text.trim().to_ascii_lowercase();
    if let Ok(seconds) = lower.parse() {
        return Ok(seconds);
    }
    let (mut rest, mut total, mut least) = (lower.as_str(), 0_u64, u64::MAX);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..end].parse().map_err(|_| wrong())?;
        let (name, unit) = TIMES.iter().find(|(name, _)| rest[end..].starts_with(name)).ok_or_else(wrong)?;
        // 30m1h is a slip of the finger rather than a time
        if *unit >= least {
            return Err(wrong());
        }
        least = *unit;
        total = number.checked_mul(*unit).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = rest[end + name.len()..].trim_start();
    }
    if least == u64::MAX { Err(wrong()) } else { Ok(total) }
}

/// The size in the largest unit that says it exactly: `4GiB`, `1500MB`, `1000001`.
pub fn bytes(amount: u64) -> String {
    let exact = |(_, unit): &(&str, u64)| amount != 0 && amount.is_multiple_of(*unit);
    const BINARY: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    const DECIMAL: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match BINARY.iter().chain(&DECIMAL).find(|unit| exact(unit)) {
        Some((name, unit)) => format!("{}{name}", amount / unit),
        None => amount.to_string(),
    }
}

/// The time in the fewest parts: `2h`, `1h30m`, `45s`.
pub fn seconds(amount: u64) -> String {
    let mut rest = amount;
    let mut text = String::new();
    for (name, unit) in TIMES {
        if rest >= unit {
            text += &format!("{}{name}", rest / unit);
            rest %= unit;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// The short names that a file may use, each with the field that it stands for.
const SHORT: [(&str, &str); 6] = [
    ("memory", "memory_bytes"),
    ("gpu_memory", "gpu_memory_bytes"),
    ("disk", "disk_bytes"),
    ("time", "timeout_s"),
    ("backoff", "backoff_s"),
    ("grace", "grace_s"),
];

/// A wish as a person wrote it in YAML, turned into what the API takes: `memory: 4GiB` is `memory_bytes: 4294967296`, `time: 2h` is
/// `timeout_s: 7200`, `datasets: [wine:3]` names a version, `secrets: [token]` a secret. Values of `env`, `params` and `grid` are texts
/// there, so numbers and booleans below them become texts; what stands below them is the writer's own and is left as it is.
pub fn to_wire(wish: Value) -> Result<Value, String> {
    match wish {
        Value::Object(fields) => {
            let mut made = Map::new();
            for (name, value) in fields {
                let full = SHORT.iter().find(|(short, _)| *short == name).map_or(name.as_str(), |(_, full)| full);
                let value = field(full, value)?;
                if made.insert(full.to_owned(), value).is_some() {
                    return Err(format!("'{full}' is given twice."));
                }
            }
            Ok(Value::Object(made))
        }
        Value::Array(items) => items.into_iter().map(to_wire).collect::<Result<_, _>>().map(Value::Array),
        plain => Ok(plain),
    }
}

fn field(name: &str, value: Value) -> Result<Value, String> {
    let said = |error: String| format!("{name}: {error}");
    match (name, value) {
        ("env" | "params" | "grid", value) => Ok(texts(value)),
        ("random", value) => Ok(random(value)),
        ("datasets", Value::Array(items)) => Ok(items.into_iter().map(|item| named(item, dataset)).collect()),
        ("secrets", Value::Array(items)) => Ok(items.into_iter().map(|item| named(item, str::to_owned)).collect()),
        (_, Value::String(text)) if name.ends_with("_bytes") => parse_bytes(&text).map(Value::from).map_err(said),
        (_, Value::String(text)) if name.ends_with("_s") => parse_seconds(&text).map(Value::from).map_err(said),
        (_, value) => to_wire(value),
    }
}

/// A list's `name` in the place of `{ name: … }`.
fn named(item: Value, name: fn(&str) -> String) -> Value {
    match item {
        Value::String(text) => Value::Object(Map::from_iter([("name".to_owned(), Value::String(name(&text)))])),
        given => given,
    }
}

/// `wine:3` means what `wine@3` does.
pub fn dataset(text: &str) -> String {
    text.replacen(':', "@", 1)
}

/// What is plain becomes text, at any depth.
fn texts(value: Value) -> Value {
    match value {
        Value::Object(own) => Value::Object(own.into_iter().map(|(name, value)| (name, texts(value))).collect()),
        Value::Array(items) => items.into_iter().map(texts).collect(),
        Value::Null => Value::String(String::new()),
        Value::String(text) => Value::String(text),
        plain => Value::String(plain.to_string()),
    }
}

/// Of a random search, only the choices are texts; bounds are numbers.
fn random(value: Value) -> Value {
    match value {
        Value::Object(own) => {
            let field = |(name, value): (String, Value)| match name.as_str() {
                "choice" => (name, texts(value)),
                _ => (name, random(value)),
            };
            Value::Object(own.into_iter().map(field).collect())
        }
        plain => plain,
    }
}

/// The other way, for a file that people read: sizes and times in words, and nothing where nothing is said.
pub fn to_people(wish: Value) -> Value {
    let Value::Object(fields) = wish else { return wish };
    let shown = fields.into_iter().filter(|(_, value)| !is_nothing(value)).map(|(name, value)| {
        let short = SHORT.iter().find(|(_, full)| *full == name).map_or(name.clone(), |(short, _)| (*short).to_owned());
        let value = match value.as_u64() {
            Some(amount) if name.ends_with("_bytes") => Value::from(bytes(amount)),
            Some(amount) if name.ends_with("_s") => Value::from(seconds(amount)),
            _ if ["env", "params", "grid", "random"].contains(&name.as_str()) => value,
            _ => to_people(value),
        };
        (short, value)
    });
    Value::Object(shown.collect())
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        let known = [("4GiB", 4 << 30), ("64Mi", 64 << 20), ("1.5 gb", 1_500_000_000), ("1048576", 1 << 20), ("0", 0)];
        for (text, bytes) in known {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "4G", "GiB", "-1GiB", "1e3", "4 GiB GiB", "99999999999TiB", "1.2.3MB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, seconds) in [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("1d 2h", 93_600), ("7", 7)]
        {
            assert_eq!(parse_seconds(text), Ok(seconds), "{text}");
        }
        for text in ["", "h", "2x", "30m1h", "1h1h", "-5s", "1.5h"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for amount in [0, 1, 1000, 1500, 1 << 10, 3 << 20, 4 << 30, 1_500_000_000, 5_000_000_001] {
            assert_eq!(parse_bytes(&bytes(amount)), Ok(amount));
            assert_eq!(parse_seconds(&seconds(amount)), Ok(amount));
        }
    }

    #[test]
    fn a_file_with_words_becomes_what_the_api_takes() {
        let file = json!({
            "name": "a", "time": "2h", "resources": { "cpus": 2, "memory": "4GiB", "disk_bytes": "20GB" },
            "retries": { "limit": 2, "backoff": "30s" }, "resume": { "grace_s": 60 },
            "env": { "N": 3, "memory": "4GiB", "ON": true }, "params": { "lr": 0.1 },
        });
        let wire = to_wire(file).unwrap();
        assert_eq!(
            wire,
            json!({
                "name": "a", "timeout_s": 7200,
                "resources": { "cpus": 2, "memory_bytes": 4_294_967_296_u64, "disk_bytes": 20_000_000_000_u64 },
                "retries": { "limit": 2, "backoff_s": 30 }, "resume": { "grace_s": 60 },
                "env": { "N": "3", "memory": "4GiB", "ON": "true" }, "params": { "lr": "0.1" },
            })
        );
        assert_eq!(to_wire(to_people(wire.clone())).unwrap(), wire);
    }

    #[test]
    fn names_stand_for_what_they_name_and_values_of_a_sweep_are_texts() {
        let file = json!({
            "job": { "datasets": ["wine:3", "rice", { "name": "a", "version": 2 }], "secrets": ["token"] },
            "grid": { "lr": [0.1, 1], "on": [true] },
            "random": { "params": { "lr": { "log_uniform": [0.001, 1] }, "kind": { "choice": [1, "b"] } }, "count": 5 },
        });
        let wire = json!({
            "job": {
                "datasets": [{ "name": "wine@3" }, { "name": "rice" }, { "name": "a", "version": 2 }],
                "secrets": [{ "name": "token" }],
            },
            "grid": { "lr": ["0.1", "1"], "on": ["true"] },
            "random": { "params": { "lr": { "log_uniform": [0.001, 1] }, "kind": { "choice": ["1", "b"] } }, "count": 5 },
        });
        assert_eq!(to_wire(file).unwrap(), wire);
    }

    #[test]
    fn a_wrong_size_names_its_field() {
        let error = to_wire(json!({ "resources": { "memory": "4 apples" } })).unwrap_err();
        assert!(error.starts_with("memory_bytes: '4 apples'"), "{error}");
        assert!(to_wire(json!({ "memory": 1, "memory_bytes": 2 })).is_err());
    }
}
