//! What a submission may ask for. Malformed is `invalid`; well-formed but not granted is `refused`.

use std::collections::BTreeSet;

use drydock_wire::{jobs::SubmitJob, validate};

use super::Capacity;
use crate::{
    accounts,
    error::{Error, Result},
};

const MOST_FILES: usize = 2000;
const MOST_DATASETS: usize = 32;
const MOST_WORDS: usize = 1024;
/// Of all arguments, and of all variables: Linux would refuse more.
const MOST_TEXT_BYTES: usize = 512 << 10;
const LEAST_CPUS: f64 = 0.1;
const LEAST_MEMORY_BYTES: u64 = 16 << 20;
const LONGEST_S: u64 = 30 * 24 * 3600;

/// Variables that Drydock sets. A job that sets one of them itself would reach another server, as somebody else, or be
/// let loose on other GPUs.
const RESERVED: [&str; 17] = [
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_DISABLE_TELEMETRY",
    "DO_NOT_TRACK",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "FSSPEC_S3_ENDPOINT_URL",
    "MLFLOW_S3_ENDPOINT_URL",
    "HOME",
    "LD_PRELOAD",
    "NVIDIA_VISIBLE_DEVICES",
];

/// Whether this job can be queued on this box.
pub fn check(wish: &SubmitJob, capacity: &Capacity) -> Result<()> {
    validate::slug(&wish.name).map_err(|text| Error::invalid(format!("name: {text}")))?;
    check_command(wish)?;
    check_image(wish)?;
    check_env(wish)?;
    check_code(wish)?;
    check_datasets(wish)?;
    if wish.timeout_s.is_some_and(|seconds| !(1..=LONGEST_S).contains(&seconds)) {
        return Err(Error::invalid(format!("timeout_s: use 1 to {LONGEST_S} seconds.")));
    }
    if let Some(experiment) = &wish.experiment {
        validate::label(experiment).map_err(|text| Error::invalid(format!("experiment: {text}")))?;
    }
    accounts::check_scopes(&wish.buckets)?;
    super::parts::check(wish)?;
    check_resources(wish, capacity)
}

fn check_command(wish: &SubmitJob) -> Result<()> {
    if wish.command.first().is_none_or(|program| program.is_empty()) {
        return Err(Error::invalid(
            "command: name the program to run, for example [\"python3\", \"/workspace/train.py\"].",
        ));
    }
    let bytes: usize = wish.command.iter().map(String::len).sum();
    if wish.command.len() > MOST_WORDS || bytes > MOST_TEXT_BYTES || wish.command.iter().any(|word| word.contains('\0'))
    {
        return Err(Error::invalid(format!("command: use at most {MOST_WORDS} words, without NUL bytes.")));
    }
    Ok(())
}

fn check_image(wish: &SubmitJob) -> Result<()> {
    let Some(image) = &wish.image else { return Ok(()) };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let good = (1..=255).contains(&image.len())
        && image.starts_with(|c: char| c.is_ascii_alphanumeric())
        && image.chars().all(plain);
    good.then_some(()).ok_or_else(|| Error::invalid("image: use the name of an image, such as drydock/runtime:1."))
}

fn check_env(wish: &SubmitJob) -> Result<()> {
    let bytes: usize = wish.env.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MOST_TEXT_BYTES {
        return Err(Error::invalid("env: too much text; put it into a file."));
    }
    for (name, value) in &wish.env {
        let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !good || value.contains('\0') {
            return Err(Error::invalid(format!(
                "env: {name:?} cannot be a variable; use letters, digits, underscores."
            )));
        }
        if RESERVED.contains(&name.as_str()) || name.starts_with("DRYDOCK_") {
            return Err(Error::refused(format!("env: {name} is set by Drydock alone; leave it out.")));
        }
    }
    Ok(())
}

fn check_code(wish: &SubmitJob) -> Result<()> {
    if wish.code.len() > MOST_FILES {
        return Err(Error::invalid(format!("code: use at most {MOST_FILES} files; put data into a dataset.")));
    }
    let paths: BTreeSet<&str> = wish.code.iter().map(|file| file.path.as_str()).collect();
    if paths.len() != wish.code.len() {
        return Err(Error::invalid("code: the same path is there twice."));
    }
    for file in &wish.code {
        validate::relative_path(&file.path).map_err(|text| Error::invalid(format!("code: {}: {text}", file.path)))?;
        validate::digest(&file.digest).map_err(|text| Error::invalid(format!("code: {}: {text}", file.path)))?;
        let parents = file.path.char_indices().filter(|(_, c)| *c == '/').map(|(at, _)| &file.path[..at]);
        if let Some(parent) = parents.into_iter().find(|parent| paths.contains(parent)) {
            return Err(Error::invalid(format!("code: {parent} cannot be a file and a folder.")));
        }
    }
    Ok(())
}

fn check_datasets(wish: &SubmitJob) -> Result<()> {
    // `wine@prod` is the dataset `wine`; which version that is, the dataset says
    let name = |text: &'_ str| text.split_once('@').map_or(text.len(), |(name, _)| name.len());
    let names: BTreeSet<&str> = wish.datasets.iter().map(|one| &one.name[..name(&one.name)]).collect();
    if names.len() != wish.datasets.len() || names.len() > MOST_DATASETS {
        return Err(Error::invalid(format!("datasets: name each once, at most {MOST_DATASETS}.")));
    }
    names.iter().try_for_each(|name| validate::slug(name).map_err(|text| Error::invalid(format!("datasets: {text}"))))
}

fn check_resources(wish: &SubmitJob, capacity: &Capacity) -> Result<()> {
    let asked = &wish.resources;
    if !asked.cpus.is_finite() || asked.cpus < LEAST_CPUS {
        return Err(Error::invalid(format!("resources.cpus: use {LEAST_CPUS} or more.")));
    }
    if asked.memory_bytes < LEAST_MEMORY_BYTES {
        return Err(Error::invalid(format!("resources.memory_bytes: use {LEAST_MEMORY_BYTES} (16 MiB) or more.")));
    }
    if asked.cpus > capacity.cpus {
        return Err(Error::refused(format!("This box has {} CPUs; {} were asked for.", capacity.cpus, asked.cpus)));
    }
    if asked.memory_bytes > capacity.memory_bytes {
        let (has, wants) = (capacity.memory_bytes >> 20, asked.memory_bytes >> 20);
        return Err(Error::refused(format!("This box has {has} MiB of memory; {wants} MiB were asked for.")));
    }
    match capacity.gpu_uuids.len() {
        0 if asked.gpus > 0 => Err(Error::refused("This box has no GPU that Drydock can use; ask for 0 GPUs.")),
        has if asked.gpus as usize > has => {
            Err(Error::refused(format!("This box has {has} GPUs; {} were asked for.", asked.gpus)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use drydock_wire::ErrorCode;

    use super::*;

    fn capacity() -> Capacity {
        Capacity { cpus: 4.0, memory_bytes: 8 << 30, gpu_uuids: Vec::new() }
    }

    fn wish(change: serde_json::Value) -> SubmitJob {
        let mut base = serde_json::json!({ "name": "train", "command": ["python", "a.py"] });
        for (key, value) in change.as_object().unwrap() {
            base[key] = value.clone();
        }
        serde_json::from_value(base).unwrap()
    }

    fn code_of(change: serde_json::Value) -> Option<ErrorCode> {
        check(&wish(change), &capacity()).err().map(|error| error.code)
    }

    #[test]
    fn a_plain_wish_is_granted() {
        let digest = "a".repeat(64);
        let full = serde_json::json!({
            "env": { "SEED": "1" }, "code": [{ "path": "a.py", "digest": digest }, { "path": "lib/b.py", "digest": digest }],
            "datasets": [{ "name": "wine" }], "timeout_s": 60, "experiment": "Wine", "image": "host:5000/a/b:1"
        });
        assert_eq!(code_of(full), None);
    }

    #[test]
    fn malformed_wishes_are_invalid() {
        let digest = "a".repeat(64);
        for bad in [
            serde_json::json!({ "name": "Train!" }),
            serde_json::json!({ "command": [] }),
            serde_json::json!({ "command": [""] }),
            serde_json::json!({ "image": "--privileged" }),
            serde_json::json!({ "env": { "A B": "" } }),
            serde_json::json!({ "code": [{ "path": "../a", "digest": digest }] }),
            serde_json::json!({ "code": [{ "path": "a", "digest": digest }, { "path": "a/b", "digest": digest }] }),
            serde_json::json!({ "code": [{ "path": "a", "digest": "sha256:../../x" }] }),
            serde_json::json!({ "datasets": [{ "name": "wine" }, { "name": "wine" }] }),
            serde_json::json!({ "resources": { "cpus": 0.0 } }),
            serde_json::json!({ "resources": { "memory_bytes": 1 } }),
            serde_json::json!({ "timeout_s": 0 }),
            serde_json::json!({ "buckets": [{ "bucket": "A" }] }),
        ] {
            assert_eq!(code_of(bad.clone()), Some(ErrorCode::InvalidRequest), "{bad}");
        }
    }

    #[test]
    fn what_the_box_or_the_sandbox_does_not_grant_is_refused() {
        for bad in [
            serde_json::json!({ "env": { "MLFLOW_TRACKING_TOKEN": "x" } }),
            serde_json::json!({ "env": { "DRYDOCK_URL": "x" } }),
            serde_json::json!({ "env": { "AWS_SECRET_ACCESS_KEY": "x" } }),
            serde_json::json!({ "env": { "NVIDIA_VISIBLE_DEVICES": "all" } }),
            serde_json::json!({ "resources": { "cpus": 64.0 } }),
            serde_json::json!({ "resources": { "memory_bytes": 1u64 << 50 } }),
            serde_json::json!({ "resources": { "gpus": 1 } }),
        ] {
            assert_eq!(code_of(bad.clone()), Some(ErrorCode::Refused), "{bad}");
        }
    }

    #[test]
    fn a_wish_for_privileges_does_not_even_parse() {
        for field in ["privileged", "cap_add", "network_mode", "mounts", "devices", "volumes", "host_config"] {
            let text = format!(r#"{{ "name": "a", "command": ["a"], "{field}": true }}"#);
            let error = serde_json::from_str::<SubmitJob>(&text).unwrap_err();
            assert!(error.is_data() && error.to_string().contains(field), "{error}");
        }
    }
}
