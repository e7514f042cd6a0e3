//! What may be logged: names, lengths, batch sizes, with the texts MLflow's clients match. Pure.

use crate::{
    error::{Error, Result},
    percent,
};

pub const MAX_KEY_CHARS: usize = 250;
pub const MAX_PARAM_CHARS: usize = 6000;
pub const MAX_TAG_CHARS: usize = 8000;
pub const MAX_EXPERIMENT_NAME_CHARS: usize = 500;
pub const MAX_EXPERIMENT_TAG_CHARS: usize = 20_000;
pub const MAX_METRICS_PER_BATCH: usize = 1000;
pub const MAX_PARAMS_PER_BATCH: usize = 100;
pub const MAX_TAGS_PER_BATCH: usize = 100;

const BAD_CHARACTERS: &str = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), \
                              colon(:) and slashes (/).";

/// "Invalid value "x" for parameter 'path' supplied: why".
pub fn invalid_value(path: &str, value: &str, why: &str) -> Error {
    let shown = serde_json::Value::from(value);
    Error::invalid(format!("Invalid value {shown} for parameter '{path}' supplied: {why}"))
}

/// Names of metrics, params and tags. `path` is where the name stood in the request.
pub fn key_name(name: &str, path: &str) -> Result<()> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '-' | ' ' | ':');
    if !name.chars().all(good) {
        return Err(invalid_value(path, name, BAD_CHARACTERS));
    }
    let norm = normalized(name);
    if norm != name || norm == "." || norm.starts_with("..") || norm.starts_with('/') {
        let why = format!(
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. \
             This name would resolve to '{norm}'"
        );
        return Err(invalid_value(path, name, &why));
    }
    Ok(())
}

/// The path without empty, `.` and resolvable `..` parts, as POSIX normalises it.
fn normalized(path: &str) -> String {
    let root = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, parts.last()) {
            ("..", None) if root => {}
            ("..", Some(last)) if *last != ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (root, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

/// At most `limit` characters.
pub fn at_most(what: &str, limit: usize, text: &str) -> Result<()> {
    if text.len() <= limit || text.chars().count() <= limit {
        return Ok(());
    }
    Err(Error::invalid(format!("'{what}' exceeds the maximum length of {limit} characters")))
}

/// The first `limit` characters: MLflow shortens long params and tags rather than refuse them.
pub fn truncated(mut text: String, limit: usize) -> String {
    if text.len() > limit
        && let Some((cut, _)) = text.char_indices().nth(limit)
    {
        text.truncate(cut);
    }
    text
}

/// A joined path inside a request: `metrics[3].name`.
pub fn json_path(parent: &str, child: &str) -> String {
    if parent.is_empty() { child.to_owned() } else { format!("{parent}.{child}") }
}

/// A metric point's key and time.
pub fn metric(key: &str, at: i64, value: f64, path: &str) -> Result<()> {
    key_name(key, &json_path(path, "name"))?;
    if at < 0 {
        let path = json_path(path, "timestamp");
        return Err(Error::invalid(format!(
            "Invalid value {at} for parameter '{path}' supplied: metric '{key}' (value={value:?}). Timestamp must be a \
             nonnegative long (64-bit integer) "
        )));
    }
    at_most("Metric name", MAX_KEY_CHARS, key)
}

/// A param as it is kept.
pub fn param(key: String, value: String, path: &str) -> Result<(String, String)> {
    key_name(&key, &json_path(path, "key"))?;
    at_most("Param key", MAX_KEY_CHARS, &key)?;
    Ok((key, truncated(value, MAX_PARAM_CHARS)))
}

/// A run's tag as it is kept.
pub fn tag(key: String, value: String, path: &str) -> Result<(String, String)> {
    let key_path = json_path(path, "key");
    key_name(&key, &key_path)?;
    at_most(&key_path, MAX_KEY_CHARS, &key)?;
    Ok((key, truncated(value, MAX_TAG_CHARS)))
}

/// An experiment's tag.
pub fn experiment_tag(key: &str, value: &str) -> Result<()> {
    key_name(key, "key")?;
    at_most("key", MAX_KEY_CHARS, key)?;
    at_most("value", MAX_EXPERIMENT_TAG_CHARS, value)
}

/// An experiment's name.
pub fn experiment_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid("Invalid experiment name: ''"));
    }
    at_most("name", MAX_EXPERIMENT_NAME_CHARS, name)
}

/// The number behind an experiment's id.
pub fn experiment_id(text: &str) -> Result<i64> {
    text.parse()
        .map_err(|_| Error::invalid(format!("Invalid experiment ID '{text}'. Experiment ID must be a valid integer.")))
}

/// A run's id, before it is looked up.
pub fn run_id(text: &str) -> Result<()> {
    let good = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 256
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if good { Ok(()) } else { Err(Error::invalid(format!("Invalid value {text:?} for parameter 'run_id' supplied."))) }
}

/// Folders that an experiment has beside its runs'.
pub const RESERVED_FOLDERS: [&str; 2] = ["models", "traces"];

/// The id of a run to be, chosen elsewhere: its artifacts go into a folder of that name.
pub fn new_run_id(text: &str) -> Result<()> {
    run_id(text)?;
    if RESERVED_FOLDERS.contains(&text) {
        return Err(Error::refused(format!(
            "A run cannot have the id {text:?}: experiments keep other things in that folder."
        )));
    }
    Ok(())
}

/// Sizes of one log-batch.
pub fn batch(metrics: usize, params: usize, tags: usize) -> Result<()> {
    let within = |what: &str, limit: usize, count: usize| {
        if count <= limit {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "A batch logging request can contain at most {limit} {what}. Got {count} {what}. Please split up {what} across \
             multiple requests and try again."
        )))
    };
    within("metrics", MAX_METRICS_PER_BATCH, metrics)?;
    within("params", MAX_PARAMS_PER_BATCH, params)?;
    within("tags", MAX_TAGS_PER_BATCH, tags)?;
    within("metrics, params, and tags", MAX_METRICS_PER_BATCH, metrics + params + tags)
}

/// No param twice in one batch.
pub fn unique_params(params: &[(String, String)]) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    let doubled: Vec<String> =
        params.iter().filter(|(key, _)| !seen.insert(key)).map(|(key, _)| format!("'{key}'")).collect();
    if doubled.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one param value per \
         param key.",
        doubled.join(", ")
    )))
}

/// How many results a search may be asked for.
pub fn max_results(asked: i64, most: i64) -> Result<i64> {
    if asked < 1 {
        return Err(Error::invalid(format!(
            "Invalid value {asked} for parameter 'max_results' supplied. It must be a positive integer"
        )));
    }
    if asked > most {
        return Err(Error::invalid(format!(
            "Invalid value {asked} for parameter 'max_results' supplied. It must be at most {most}"
        )));
    }
    Ok(asked)
}

/// A logged model's name.
pub fn logged_model_name(name: &str) -> Result<()> {
    if !name.is_empty() && !name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid model name ('{name}') provided. Model name must be a non-empty string and cannot contain the following \
         characters: ('/', ':', '.', '%', '\"', \"'\")"
    )))
}

/// A path below an artifact root, once percent-decoded, ready to be a key.
///
/// Decodes on until nothing changes to judge it, so that no number of encodings smuggles `..` through; the key itself is
/// the path as it came.
///
/// # Errors
/// `invalid` "Invalid path" for anything that is absolute, leaves its folder, or names another kind of place.
pub fn artifact_path(path: &str) -> Result<&str> {
    let invalid = || Error::invalid("Invalid path");
    drydock_wire::validate::relative_path(path).map_err(|_| invalid())?;
    let mut plain = path.to_owned();
    loop {
        if !stays_inside(&plain) {
            return Err(invalid());
        }
        let decoded = percent::decoded(&plain);
        if decoded == plain {
            return Ok(path);
        }
        plain = decoded;
    }
}

/// Whether no reader of the path, however it decodes, ends up elsewhere. Other control characters are let through here:
/// clients of 2.x name images `live%step%1%timestamp%1795…`, where `%17` is no escape.
fn stays_inside(path: &str) -> bool {
    let lower = path.get(..5).unwrap_or(path).to_ascii_lowercase();
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    let climbs = path.starts_with('/') || path.contains(['\\', '\0']) || path.split('/').any(|part| part == "..");
    !climbs && lower != "file:" && !drive
}

/// `base` with more parts after it, as MLflow joins URIs and paths.
pub fn join_uri(base: &str, parts: &[&str]) -> String {
    let mut joined = base.trim_end_matches('/').to_owned();
    for part in parts {
        joined.push('/');
        joined.push_str(part);
    }
    joined
}

/// Where a `mlflow-artifacts:` URI points below the artifact root; `None` for places that are not ours.
pub fn artifact_key(uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("mlflow-artifacts:")?;
    let path = match rest.strip_prefix("//") {
        Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
        None => rest,
    };
    let path = path.trim_matches('/');
    artifact_path(path).ok().map(str::to_owned)
}

/// A name for a run or model that was given none.
pub fn random_name() -> String {
    use rand::Rng;
    let mut rng = rand::rng();
    let mut pick = |words: &[&'static str]| words[rng.random_range(0..words.len())];
    let (first, second) = (pick(&ADJECTIVES), pick(&NOUNS));
    format!("{first}-{second}-{}", rand::rng().random_range(0..1000))
}

const ADJECTIVES: [&str; 32] = [
    "able", "amber", "bold", "brave", "bright", "brisk", "calm", "clear", "clever", "crisp", "eager", "fair", "fleet",
    "gentle", "golden", "grand", "keen", "kind", "lively", "lucky", "merry", "mellow", "nimble", "noble", "proud",
    "quick", "quiet", "rapid", "sleek", "steady", "swift", "wise",
];
const NOUNS: [&str; 32] = [
    "auk", "bass", "bear", "bee", "boar", "carp", "cod", "crane", "crow", "deer", "dove", "eel", "elk", "finch", "fox",
    "gnu", "goose", "hare", "hawk", "heron", "jay", "kit", "lark", "lynx", "mole", "newt", "otter", "owl", "seal",
    "stork", "swan", "wren",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn malicious_artifact_paths_are_refused_however_encoded() {
        let bad = [
            "../x",
            "a/../../x",
            "a/..",
            "/etc/passwd",
            "%2e%2e/x",
            "%2E%2E%2Fx",
            "%252e%252e%252fx",
            "a\\..\\x",
            "a%5c..%5cx",
            "a\0b",
            "a%00b",
            "a%2500b",
            "file:///etc",
            "FILE:/etc",
            "file%3A///etc",
            "C:/x",
            "c:\\x",
            "%2Fetc",
            "a//b",
            "./a",
            "",
            "a/%2e%2e",
        ];
        for path in bad {
            assert_eq!(artifact_path(path).unwrap_err().message, "Invalid path", "{path}");
        }
        for path in [
            "1/abc/artifacts/d/x y.txt",
            "a/100%.txt",
            "a/b%20c",
            "im+step+1.png",
            "a#b",
            "é/ü",
            "..a/b..",
            "a/...b",
            "live%step%1%timestamp%1795.png",
        ] {
            assert_eq!(artifact_path(path).unwrap(), path);
        }
    }

    #[test]
    fn keys_that_are_other_files_are_refused_with_mlflows_text() {
        let error = key_name("../x", "name").unwrap_err().message;
        assert_eq!(
            error,
            "Invalid value \"../x\" for parameter 'name' supplied: Names may be treated as files in certain cases, and must not \
             resolve to other names when treated as such. This name would resolve to '../x'"
        );
        for bad in ["a/../b", "/a", "a//b", "a/", ".", "./a", "a\nb", "a$b", "", "a,b"] {
            assert!(key_name(bad, "key").is_err(), "{bad:?}");
        }
        for good in ["a", "a/b", "val.loss", "top-5 acc", "a:b", "größe"] {
            assert!(key_name(good, "key").is_ok(), "{good}");
        }
    }

    #[test]
    fn long_values_are_cut_and_long_keys_refused() {
        let (_, value) = param("k".into(), "é".repeat(6001), "").unwrap();
        assert_eq!(value.chars().count(), 6000);
        let error = metric(&"a".repeat(251), 1, 0.0, "").unwrap_err().message;
        assert_eq!(error, "'Metric name' exceeds the maximum length of 250 characters");
    }

    #[test]
    fn batches_have_their_limits() {
        assert!(batch(800, 100, 100).is_ok());
        assert!(batch(1001, 0, 0).unwrap_err().message.contains("at most 1000 metrics. Got 1001 metrics."));
        assert!(batch(0, 101, 0).unwrap_err().message.contains("100 params"));
        assert!(batch(1000, 1, 0).unwrap_err().message.contains("metrics, params, and tags"));
        let twice = [("p".to_owned(), "1".to_owned()), ("p".to_owned(), "1".to_owned())];
        assert!(unique_params(&twice).unwrap_err().message.contains("['p']"));
    }

    #[test]
    fn artifact_uris_lead_to_keys_only_inside_the_store() {
        assert_eq!(artifact_key("mlflow-artifacts:/1/r/artifacts").as_deref(), Some("1/r/artifacts"));
        assert_eq!(artifact_key("mlflow-artifacts://host:80/1/r").as_deref(), Some("1/r"));
        assert_eq!(artifact_key("mlflow-artifacts:/../x"), None);
        assert_eq!(artifact_key("s3://b/x"), None);
        assert_eq!(join_uri("mlflow-artifacts:/1/", &["r", "artifacts"]), "mlflow-artifacts:/1/r/artifacts");
    }
}
