//! What a submission may say about code, parameters, secrets, retries and the like: pure checks, and how parameters are filled in.

use std::collections::{BTreeMap, BTreeSet};

use drydock_wire::{jobs::SubmitJob, validate};

use crate::error::{Error, Result};

const MOST_PARAMS: usize = 256;
const MOST_PARAM_NAME_CHARS: usize = 100;
/// As MLflow has it for params of runs.
const MOST_PARAM_CHARS: usize = 6000;
const MOST_SECRETS: usize = 32;
const MOST_RETRIES: u32 = 100;
const LONGEST_BACKOFF_S: u32 = 360;
const LONGEST_GRACE_S: u32 = 600;
const LEAST_PRIORITY: i32 = -100;
const MOST_PRIORITY: i32 = 100;
const LEAST_DISK_BYTES: u64 = 16 << 20;
const MOST_GIT_CHARS: usize = 1000;

/// The parts of a job that `wishes` has not looked at.
pub fn check(wish: &SubmitJob) -> Result<()> {
    check_snapshot(wish)?;
    check_image_id(wish)?;
    check_params(&wish.params)?;
    check_secrets(wish)?;
    check_tries(wish)?;
    check_amounts(wish)
}

fn check_snapshot(wish: &SubmitJob) -> Result<()> {
    let Some(snapshot) = &wish.snapshot else { return Ok(()) };
    if !wish.code.is_empty() {
        return Err(Error::invalid("snapshot: it brings all the code; leave out 'code'."));
    }
    validate::digest(&snapshot.digest).map_err(|text| Error::invalid(format!("snapshot: {text}")))?;
    let Some(git) = &snapshot.git else { return Ok(()) };
    let hex = git.commit.chars().all(|c| c.is_ascii_hexdigit());
    if !hex || !(7..=64).contains(&git.commit.len()) {
        return Err(Error::invalid("snapshot: git.commit is 7 to 64 hex digits."));
    }
    let texts = [&git.branch, &git.remote];
    let bad = |text: &String| text.chars().count() > MOST_GIT_CHARS || text.chars().any(char::is_control);
    if texts.into_iter().flatten().any(bad) {
        return Err(Error::invalid("snapshot: git.branch and git.remote have at most 1000 characters."));
    }
    Ok(())
}

fn check_image_id(wish: &SubmitJob) -> Result<()> {
    let Some(id) = &wish.image_id else { return Ok(()) };
    let good = id.strip_prefix("sha256:").is_some_and(|hex| validate::digest(hex).is_ok());
    good.then_some(()).ok_or_else(|| Error::invalid("image_id: use 'sha256:' and 64 hex digits, or leave it out."))
}

/// Parameters of one job.
pub fn check_params(params: &BTreeMap<String, String>) -> Result<()> {
    if params.len() > MOST_PARAMS {
        return Err(Error::invalid(format!("params: use at most {MOST_PARAMS}.")));
    }
    let mut variables = BTreeSet::new();
    for (name, value) in params {
        check_param_name(name)?;
        if value.chars().count() > MOST_PARAM_CHARS || value.contains('\0') {
            return Err(Error::invalid(format!("params: {name} has more than {MOST_PARAM_CHARS} characters.")));
        }
        if !variables.insert(param_variable(name)) {
            return Err(Error::invalid(format!("params: {name} and another one become the same variable.")));
        }
    }
    Ok(())
}

/// Names that can stand in a command, a variable and a run.
pub fn check_param_name(name: &str) -> Result<()> {
    let good = (1..=MOST_PARAM_NAME_CHARS).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    good.then_some(()).ok_or_else(|| {
        Error::invalid(format!("params: {name:?} cannot be a parameter; use letters, digits, '_', '.', '-'."))
    })
}

fn check_secrets(wish: &SubmitJob) -> Result<()> {
    let mut files = BTreeSet::new();
    for secret in &wish.secrets {
        crate::jobs::secrets::check_name(&secret.name)?;
        let file = secret.file.as_deref().unwrap_or(&secret.name);
        crate::jobs::secrets::check_name(file)?;
        if !files.insert(file) {
            return Err(Error::invalid(format!("secrets: two of them are to be the file {file}.")));
        }
    }
    if wish.secrets.len() > MOST_SECRETS {
        return Err(Error::invalid(format!("secrets: use at most {MOST_SECRETS}.")));
    }
    Ok(())
}

fn check_tries(wish: &SubmitJob) -> Result<()> {
    if wish.retries.limit > MOST_RETRIES {
        return Err(Error::invalid(format!("retries.limit: use 0 to {MOST_RETRIES}.")));
    }
    if !(1..=LONGEST_BACKOFF_S).contains(&wish.retries.backoff_s) {
        return Err(Error::invalid(format!("retries.backoff_s: use 1 to {LONGEST_BACKOFF_S} seconds.")));
    }
    if wish.resume.is_some_and(|resume| !(1..=LONGEST_GRACE_S).contains(&resume.grace_s)) {
        return Err(Error::invalid(format!("resume.grace_s: use 1 to {LONGEST_GRACE_S} seconds.")));
    }
    if !(LEAST_PRIORITY..=MOST_PRIORITY).contains(&wish.priority) {
        return Err(Error::invalid(format!("priority: use {LEAST_PRIORITY} to {MOST_PRIORITY}.")));
    }
    if wish.seed.is_some_and(|seed| u32::try_from(seed).is_err()) {
        return Err(Error::invalid("seed: use 0 to 4294967295, as PYTHONHASHSEED."));
    }
    Ok(())
}

fn check_amounts(wish: &SubmitJob) -> Result<()> {
    let asked = &wish.resources;
    if asked.disk_bytes.is_some_and(|bytes| bytes < LEAST_DISK_BYTES || i64::try_from(bytes).is_err()) {
        return Err(Error::invalid(format!("resources.disk_bytes: use at least {} MiB.", LEAST_DISK_BYTES >> 20)));
    }
    let Some(share) = asked.gpu_memory_bytes else { return Ok(()) };
    if asked.gpus != 1 || share == 0 || i64::try_from(share).is_err() {
        return Err(Error::invalid("resources.gpu_memory_bytes: a share is of one GPU; say gpus: 1 with it."));
    }
    Ok(())
}

/// A word of the command with `{name}` replaced for each parameter; other braces stay.
pub fn filled(word: &str, params: &BTreeMap<String, String>) -> String {
    let (mut filled, mut rest) = (String::with_capacity(word.len()), word);
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let named = rest[1..].split_once('}').and_then(|(name, after)| Some((params.get(name)?, after)));
        match named {
            Some((value, after)) => {
                filled.push_str(value);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// The variable that has a parameter's value: `DRYDOCK_PARAM_LEARNING_RATE` of `learning-rate`.
pub fn param_variable(name: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("DRYDOCK_PARAM_{}", name.chars().map(word).collect::<String>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn problem(change: serde_json::Value) -> Option<String> {
        let mut wish = serde_json::json!({ "name": "a", "command": ["a"] });
        wish.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        check(&serde_json::from_value(wish).unwrap()).err().map(|error| error.message)
    }

    #[test]
    fn good_parts_pass() {
        let digest = "a".repeat(64);
        let git = serde_json::json!({ "commit": "0123abc", "branch": "main", "dirty": true });
        assert_eq!(
            problem(serde_json::json!({
                "snapshot": { "digest": digest, "git": git }, "image_id": format!("sha256:{digest}"),
                "params": { "lr": "0.1", "net.depth": "3" }, "secrets": [{ "name": "KEY" }, { "name": "KEY", "file": "other" }],
                "retries": { "limit": 3 }, "resume": {}, "seed": 4_294_967_295_u64, "priority": -3,
                "resources": { "gpus": 1, "gpu_memory_bytes": 1 << 30, "disk_bytes": 20_u64 << 30 },
            })),
            None
        );
    }

    #[test]
    fn each_bad_part_is_named() {
        let digest = "a".repeat(64);
        let bad = [
            ("snapshot", serde_json::json!({ "snapshot": { "digest": "x" } })),
            (
                "snapshot",
                serde_json::json!({ "snapshot": { "digest": digest }, "code": [{ "path": "a", "digest": digest }] }),
            ),
            ("git.commit", serde_json::json!({ "snapshot": { "digest": digest, "git": { "commit": "main" } } })),
            (
                "git.branch",
                serde_json::json!({ "snapshot": { "digest": digest, "git": { "commit": "0123abc", "branch": "a\nb" } } }),
            ),
            ("image_id", serde_json::json!({ "image_id": "latest" })),
            ("params", serde_json::json!({ "params": { "1a": "x" } })),
            ("same variable", serde_json::json!({ "params": { "a.b": "x", "a-b": "y" } })),
            ("params", serde_json::json!({ "params": { "a": "x".repeat(6001) } })),
            ("secret's name", serde_json::json!({ "secrets": [{ "name": "../x" }] })),
            ("secret's name", serde_json::json!({ "secrets": [{ "name": "x", "file": "a/b" }] })),
            ("the file x", serde_json::json!({ "secrets": [{ "name": "x" }, { "name": "y", "file": "x" }] })),
            ("retries.limit", serde_json::json!({ "retries": { "limit": 101 } })),
            ("retries.backoff_s", serde_json::json!({ "retries": { "backoff_s": 0 } })),
            ("resume.grace_s", serde_json::json!({ "resume": { "grace_s": 601 } })),
            ("priority", serde_json::json!({ "priority": 101 })),
            ("seed", serde_json::json!({ "seed": 4_294_967_296_u64 })),
            ("disk_bytes", serde_json::json!({ "resources": { "disk_bytes": 1 } })),
            ("gpu_memory_bytes", serde_json::json!({ "resources": { "gpu_memory_bytes": 1 } })),
            ("gpu_memory_bytes", serde_json::json!({ "resources": { "gpus": 2, "gpu_memory_bytes": 1 } })),
        ];
        for (word, change) in bad {
            let message = problem(change.clone()).unwrap_or_default();
            assert!(message.contains(word), "{change}: {message}");
        }
    }

    #[test]
    fn params_fill_their_own_braces_alone() {
        let params = BTreeMap::from([("lr".to_owned(), "{lr}".to_owned()), ("n".to_owned(), "3".to_owned())]);
        assert_eq!(filled("--lr={lr} -n{n} {other} {", &params), "--lr={lr} -n3 {other} {");
        assert_eq!(filled("{{n}}", &params), "{3}");
        assert_eq!(filled("awk '{print $1}'", &params), "awk '{print $1}'");
        assert_eq!(param_variable("net.depth-2"), "DRYDOCK_PARAM_NET_DEPTH_2");
    }
}
