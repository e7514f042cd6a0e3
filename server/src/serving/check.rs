//! Whether a wish can be served on this box: everything that is known before it is a row. Pure.

use drydock_wire::jobs::Resources;
use drydock_wire::serving::{
    CallLimits, ImageRuntime, Probe, PutDeployment, Runtime, Scale, ServedBy, ServingSettings,
};
use drydock_wire::validate;

use super::capture;
use crate::error::{Error, Result};

/// As many replicas as a deployment may have.
pub const MOST_REPLICAS: u32 = 16;
const LEAST_MEMORY_BYTES: u64 = 256 << 20;
/// A small server of an image may do with less than MLflow's.
const LEAST_IMAGE_MEMORY_BYTES: u64 = 32 << 20;
const MOST_TEXT_BYTES: usize = 64 << 10;
/// A day, in seconds.
const DAY_S: u32 = 24 * 3600;
/// Only Drydock sets these, and everything that begins with `DRYDOCK_`.
pub const RESERVED: [&str; 5] =
    ["NVIDIA_VISIBLE_DEVICES", "LD_PRELOAD", "PORT", "__pyfunc_model_path__", "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT"];

/// What this machine has.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    pub cpus: u32,
    pub gpus: u32,
}

/// Name, resources, and what runs; `served_by` is what the revision would have.
///
/// # Errors
/// `invalid` or `refused`, saying what to change.
pub fn wish(name: &str, wish: &PutDeployment, served_by: &ServedBy, of: Machine) -> Result<()> {
    validate::slug(name).map_err(Error::invalid)?;
    let is_image = matches!(served_by.runtime, Runtime::Image(_));
    if wish.model.is_empty() {
        if !is_image {
            return Err(Error::invalid("model: name the registered model to serve; only an image can do without."));
        }
        if !wish.version.is_empty() {
            return Err(Error::invalid("version: without a model there is none; leave it out or name the model."));
        }
    }
    resources(&wish.resources, is_image, of)?;
    runtime(served_by)?;
    wish.settings.iter().try_for_each(|settings| self::settings(settings, &wish.version))
}

/// What can be asked for at all, of whatever box.
pub fn amounts(asked: &Resources) -> Result<()> {
    if !asked.cpus.is_finite() || asked.cpus < 0.1 {
        return Err(Error::invalid("resources.cpus: ask for 0.1 cores or more."));
    }
    if asked.disk_bytes.is_some() {
        return Err(Error::invalid("resources.disk_bytes: a deployment writes to memory only; leave it out."));
    }
    if asked.gpu_memory_bytes.is_some_and(|share| share == 0 || asked.gpus != 1) {
        return Err(Error::invalid("resources.gpu_memory_bytes: a share is of one GPU; say gpus: 1 with it."));
    }
    Ok(())
}

fn resources(asked: &Resources, is_image: bool, of: Machine) -> Result<()> {
    amounts(asked)?;
    let most = f64::from(of.cpus.max(1));
    if asked.cpus > most {
        return Err(Error::invalid(format!("Ask for 0.1 to {most} cores; this box has no more.")));
    }
    if !is_image && asked.memory_bytes < LEAST_MEMORY_BYTES {
        return Err(Error::invalid("A model server needs at least 256 MiB of memory."));
    }
    if asked.memory_bytes < LEAST_IMAGE_MEMORY_BYTES {
        return Err(Error::invalid("resources.memory_bytes: a server needs at least 32 MiB of memory."));
    }
    if asked.gpus > 0 && of.gpus == 0 {
        return Err(Error::refused("This box has no GPU that Drydock can use; ask for 0 GPUs."));
    }
    if asked.gpus > of.gpus {
        return Err(Error::refused(format!("This box has {} GPUs; {} were asked for.", of.gpus, asked.gpus)));
    }
    Ok(())
}

fn runtime(served_by: &ServedBy) -> Result<()> {
    if let Runtime::Image(image) = &served_by.runtime {
        self::image(image)?;
    }
    environment(served_by)?;
    let probes = &served_by.probes;
    let named = [("startup", &probes.startup), ("readiness", &probes.readiness), ("liveness", &probes.liveness)];
    named.into_iter().try_for_each(|(name, probe)| probe.iter().try_for_each(|probe| self::probe(name, probe)))
}

fn image(wish: &ImageRuntime) -> Result<()> {
    let image = &wish.image;
    let is_name = !image.is_empty()
        && image.len() <= 512
        && image.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && image.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@[]".contains(c));
    if !is_name {
        let text = format!("image: {image:?} is no name of an image; give one as `name:tag`.");
        return Err(Error::invalid(text));
    }
    if wish.port == 0 {
        return Err(Error::invalid("port: say on which port the server in the image listens, 1 to 65535."));
    }
    let bytes: usize = wish.command.iter().map(String::len).sum();
    if bytes > MOST_TEXT_BYTES || wish.command.iter().any(|word| word.contains('\0')) {
        return Err(Error::invalid("command: too long, or with a NUL byte; put it into a script of the image."));
    }
    Ok(())
}

fn environment(served_by: &ServedBy) -> Result<()> {
    let bytes: usize = served_by.env.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MOST_TEXT_BYTES {
        return Err(Error::invalid("env: too much text; put it into a file."));
    }
    for (name, value) in &served_by.env {
        let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !good || value.contains('\0') {
            let text = format!("env: {name:?} cannot be a variable; use letters, digits, underscores.");
            return Err(Error::invalid(text));
        }
        if RESERVED.contains(&name.as_str()) || name.starts_with("DRYDOCK_") {
            return Err(Error::refused(format!("env: {name} is set by Drydock alone; leave it out.")));
        }
    }
    Ok(())
}

fn probe(name: &str, probe: &Probe) -> Result<()> {
    let at = format!("probes.{name}");
    let is_path = |path: &String| {
        path.starts_with('/') && path.len() <= 1024 && path.chars().all(|c| c.is_ascii_graphic() && c != '#')
    };
    if probe.path.as_ref().is_some_and(|path| !is_path(path)) {
        return Err(Error::invalid(format!("{at}.path: begin with a slash and use no spaces, as in /healthz.")));
    }
    between(&format!("{at}.period_s"), probe.period_s, 1, 3600)?;
    between(&format!("{at}.timeout_s"), probe.timeout_s, 1, 60)?;
    between(&format!("{at}.failures"), probe.failures, 1, 1000)
}

fn between(what: &str, value: u32, least: u32, most: u32) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(format!("{what}: {value} is not between {least} and {most}.")))
}

/// What is known of settings without the rows; that the callers exist is checked with these.
pub fn settings(settings: &ServingSettings, version: &str) -> Result<()> {
    if settings.follow && !version.starts_with('@') {
        return Err(Error::invalid("settings.follow: only an alias can be followed; give the version as @alias."));
    }
    between("settings.replicas", settings.replicas, 1, MOST_REPLICAS)?;
    settings.scale.iter().try_for_each(scale)?;
    limits(&settings.limits)?;
    settings.capture.iter().try_for_each(capture::check)
}

fn scale(scale: &Scale) -> Result<()> {
    between("settings.scale.max", scale.max, 1, MOST_REPLICAS)?;
    if scale.min > scale.max {
        let text = format!("settings.scale: min ({}) is more than max ({}).", scale.min, scale.max);
        return Err(Error::invalid(text));
    }
    let targets = [("in_flight", scale.in_flight), ("p95_ms", scale.p95_ms), ("cpu_percent", scale.cpu_percent)];
    for (name, target) in targets {
        positive(&format!("settings.scale.{name}"), target)?;
    }
    if scale.max > scale.min.max(1) && targets.iter().all(|(_, target)| target.is_none()) {
        let text = "settings.scale: say by what it is to grow: in_flight, p95_ms or cpu_percent.";
        return Err(Error::invalid(text));
    }
    between("settings.scale.up_window_s", scale.up_window_s, 0, DAY_S)?;
    between("settings.scale.down_window_s", scale.down_window_s, 0, DAY_S)?;
    between("settings.scale.idle_s", scale.idle_s, 1, DAY_S)
}

fn positive(what: &str, value: Option<f64>) -> Result<()> {
    match value {
        Some(value) if !value.is_finite() || value <= 0.0 => {
            Err(Error::invalid(format!("{what}: {value} is not more than 0.")))
        }
        _ => Ok(()),
    }
}

fn limits(limits: &CallLimits) -> Result<()> {
    let zero = |what: &str| Error::invalid(format!("settings.limits.{what}: 0 would refuse everything; leave it out."));
    if limits.body_bytes == Some(0) {
        return Err(zero("body_bytes"));
    }
    if limits.timeout_s == Some(0) {
        return Err(zero("timeout_s"));
    }
    if limits.concurrency == Some(0) {
        return Err(zero("concurrency"));
    }
    between("settings.limits.queue", limits.queue, 0, 100_000)?;
    let Some(rate) = &limits.rate else { return Ok(()) };
    positive("settings.limits.rate.per_second", Some(rate.per_second))?;
    between("settings.limits.rate.burst", rate.burst, 1, 1_000_000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use drydock_wire::ErrorCode;
    use serde_json::{Value, json};

    use super::*;

    const BOX: Machine = Machine { cpus: 2, gpus: 0 };

    fn merge(into: &mut Value, change: Value) {
        match (into, change) {
            (Value::Object(into), Value::Object(change)) => {
                change.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
            }
            (into, change) => *into = change,
        }
    }

    fn checked(change: Value, of: Machine) -> Result<()> {
        let mut wished = json!({ "model": "wine", "version": "1" });
        merge(&mut wished, change);
        let wished: PutDeployment = serde_json::from_value(wished).unwrap();
        let served_by = wished.served_by.clone().unwrap_or_default();
        wish("wine", &wished, &served_by, of)
    }

    fn image(change: Value) -> Value {
        let mut image = json!({ "kind": "image", "image": "echo:1", "port": 80 });
        merge(&mut image, change);
        json!({ "served_by": { "runtime": image } })
    }

    #[test]
    fn what_can_be_served_passes() {
        for good in [
            json!({}),
            json!({ "model": "", "version": "", "served_by": { "runtime": { "kind": "image", "image": "127.0.0.1:5000/a/b:1@sha256:ab", "port": 8000 } } }),
            image(json!({ "protocol": "openai", "command": ["serve", "--port", "80"] })),
            json!({ "served_by": { "env": { "A": "b" }, "probes": { "readiness": { "path": "/ready?a=b" } } } }),
            json!({ "version": "@champion", "settings": { "follow": true, "replicas": 16 } }),
            json!({ "settings": { "scale": { "min": 0, "max": 4, "in_flight": 2.5 } } }),
            json!({ "settings": { "scale": { "min": 0 } } }),
        ] {
            checked(good.clone(), BOX).unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        let shares = json!({ "resources": { "gpus": 1, "gpu_memory_bytes": 1 << 30 } });
        assert!(checked(shares, Machine { gpus: 1, ..BOX }).is_ok());
    }

    #[test]
    fn each_bad_part_is_named() {
        for (word, bad) in [
            ("model", json!({ "model": "" })),
            ("version", json!({ "model": "", "served_by": image(json!({}))["served_by"] })),
            ("cores", json!({ "resources": { "cpus": 3.0 } })),
            ("256 MiB", json!({ "resources": { "memory_bytes": 1 } })),
            ("32 MiB", {
                let mut tiny = image(json!({}));
                merge(&mut tiny, json!({ "resources": { "memory_bytes": 1 } }));
                tiny
            }),
            ("gpu_memory_bytes", json!({ "resources": { "gpu_memory_bytes": 1 } })),
            ("image", image(json!({ "image": "-a b" }))),
            ("port", image(json!({ "port": 0 }))),
            ("env", json!({ "served_by": { "env": { "a-b": "" } } })),
            ("probes.liveness.period_s", json!({ "served_by": { "probes": { "liveness": { "period_s": 0 } } } })),
            ("probes.startup.path", json!({ "served_by": { "probes": { "startup": { "path": "a" } } } })),
            ("follow", json!({ "settings": { "follow": true } })),
            ("replicas", json!({ "settings": { "replicas": 0 } })),
            ("replicas", json!({ "settings": { "replicas": 17 } })),
            ("min (3)", json!({ "settings": { "scale": { "min": 3, "max": 2 } } })),
            ("say by what", json!({ "settings": { "scale": { "max": 2 } } })),
            ("cpu_percent", json!({ "settings": { "scale": { "cpu_percent": 0.0 } } })),
            ("concurrency", json!({ "settings": { "limits": { "concurrency": 0 } } })),
            ("per_second", json!({ "settings": { "limits": { "rate": { "per_second": -1.0, "burst": 1 } } } })),
            ("sample_percent", json!({ "settings": { "capture": { "sample_percent": 101.0 } } })),
        ] {
            let error = checked(bad.clone(), BOX).unwrap_err();
            assert!(error.code == ErrorCode::InvalidRequest && error.message.contains(word), "{bad}: {error}");
        }
        for bad in [
            json!({ "resources": { "gpus": 1 } }),
            json!({ "served_by": { "env": { "DRYDOCK_X": "" } } }),
            json!({ "served_by": { "env": { "LD_PRELOAD": "/x" } } }),
        ] {
            assert_eq!(checked(bad.clone(), BOX).unwrap_err().code, ErrorCode::Refused, "{bad}");
        }
    }
}
