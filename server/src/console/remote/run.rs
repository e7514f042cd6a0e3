//! `drydock job run`: a job from a file, from flags, or from a file with some of it said otherwise by flags.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use drydock_wire::{
    datasets::Upload,
    jobs::{DatasetRef, JobDetail, Resume, SecretRef, Snapshot, SubmitJob},
    units,
};
use serde_json::Value;

use super::{At, job, say, snapshot, tell};
use crate::{
    client::Client,
    console::Ended,
    error::{Error, Result},
};

#[derive(Debug, Clone, Args)]
pub struct RunFlags {
    #[command(flatten)]
    at: At,
    /// A job as YAML; flags given beside it count instead of what it says.
    #[arg(long)]
    file: Option<PathBuf>,
    /// 1 to 63 lower-case letters, digits and dashes; made from the command if not said.
    #[arg(long)]
    name: Option<String>,
    /// An image of the box; the runtime image (Python with the usual libraries) if not said.
    #[arg(long)]
    image: Option<String>,
    /// Cores, such as 2 or 0.5.
    #[arg(long)]
    cpus: Option<f64>,
    /// Memory, such as 4GiB.
    #[arg(long, value_parser = units::parse_bytes)]
    memory: Option<u64>,
    /// Whole GPUs.
    #[arg(long, conflicts_with = "gpu_memory")]
    gpus: Option<u32>,
    /// A share of one GPU: so much of its memory, such as 12GiB.
    #[arg(long, value_parser = units::parse_bytes)]
    gpu_memory: Option<u64>,
    /// For /scratch, /outputs and /checkpoints, such as 20GiB.
    #[arg(long, value_parser = units::parse_bytes)]
    disk: Option<u64>,
    /// It is stopped after so long, such as 2h.
    #[arg(long, value_parser = units::parse_seconds)]
    time: Option<u64>,
    /// The queue that it waits in.
    #[arg(long)]
    queue: Option<String>,
    /// The higher, the sooner among the jobs of its queue.
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// How often it is tried again after a failure.
    #[arg(long)]
    retries: Option<u32>,
    /// It may be stopped at any time (SIGTERM, then so long until SIGKILL; 60s if not said) and goes on from /checkpoints.
    #[arg(long, value_name = "GRACE", num_args = 0..=1, default_missing_value = "60s", require_equals = true,
        value_parser = units::parse_seconds)]
    resumable: Option<u64>,
    /// NAME=VALUE for its environment; may be given several times, as the four below.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// A secret, at /run/secrets/NAME or, as NAME=FILE, at /run/secrets/FILE.
    #[arg(long, value_name = "NAME[=FILE]")]
    secret: Vec<String>,
    /// A dataset, at /data/NAME: wine (the latest), wine:3, wine:prod.
    #[arg(long, value_name = "NAME[:VERSION]")]
    data: Vec<String>,
    /// NAME=VALUE: {NAME} in the command, DRYDOCK_PARAM_NAME in the environment, a parameter of its run.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    param: Vec<(String, String)>,
    /// Experiment of its run.
    #[arg(long)]
    experiment: Option<String>,
    /// For programs that draw: DRYDOCK_SEED and PYTHONHASHSEED.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    code: CodeFlags,
    /// Print its log as it is written, and exit with its exit code.
    #[arg(long, short)]
    follow: bool,
    /// Print the job as YAML, and do not queue it.
    #[arg(long)]
    dry_run: bool,
    /// Program and arguments, after --.
    #[arg(last = true)]
    command: Vec<String>,
}

/// What is sent as the job's code.
#[derive(Debug, Clone, Args)]
pub struct CodeFlags {
    /// Folder that is sent and lies at /workspace: of a git checkout what git would take, else all but what .drydockignore names. In a
    /// git checkout, this folder if not said.
    #[arg(long, conflicts_with = "no_code")]
    code: Option<PathBuf>,
    /// Send no code.
    #[arg(long)]
    no_code: bool,
}

pub async fn run(flags: RunFlags) -> Result<Ended> {
    let mut wish = match &flags.file {
        Some(path) => serde_json::from_value(read_wish(path)?)
            .map_err(|cause| Error::invalid(format!("{}: {cause}.", path.display())))?,
        None => SubmitJob::default(),
    };
    apply(&flags, &mut wish);
    if wish.command.is_empty() {
        return Err(Error::invalid("Say what to run, after --: drydock job run -- python3 train.py"));
    }
    if flags.dry_run {
        let shown = units::to_people(serde_json::to_value(&wish).map_err(Error::internal)?);
        say(serde_yaml_ng::to_string(&shown).map_err(Error::internal)?.trim_end())?;
        return Ok(Ended::Well);
    }
    let client = flags.at.connect()?;
    add_code(&client, &flags.code, &mut wish).await?;
    let made: JobDetail = client.post("/jobs", &wish).await?;
    let id = made.summary.id;
    if flags.follow {
        tell(&format!("job {id}"));
        return job::follow_job(&client, &id).await;
    }
    say(&id)?;
    Ok(Ended::Well)
}

/// A file of YAML (or JSON) as the API takes it: with `4GiB` and `2h` turned into numbers.
pub fn read_wish(path: &Path) -> Result<Value> {
    let wrong = |cause: String| Error::invalid(format!("{}: {cause}", path.display()));
    let text = match path.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(path),
    };
    let text = text.map_err(|cause| wrong(format!("it cannot be read: {cause}.")))?;
    let yaml: Value = serde_yaml_ng::from_str(&text).map_err(|cause| wrong(format!("{cause}.")))?;
    units::to_wire(yaml).map_err(wrong)
}

fn apply(flags: &RunFlags, wish: &mut SubmitJob) {
    fn set<T: Clone>(to: &mut T, from: Option<&T>) {
        if let Some(from) = from {
            *to = from.clone();
        }
    }
    set(&mut wish.name, flags.name.as_ref());
    set(&mut wish.resources.cpus, flags.cpus.as_ref());
    set(&mut wish.resources.memory_bytes, flags.memory.as_ref());
    set(&mut wish.resources.gpus, flags.gpus.as_ref());
    set(&mut wish.priority, flags.priority.as_ref());
    set(&mut wish.retries.limit, flags.retries.as_ref());
    wish.image = flags.image.clone().or(wish.image.take());
    wish.queue = flags.queue.clone().or(wish.queue.take());
    wish.experiment = flags.experiment.clone().or(wish.experiment.take());
    wish.seed = flags.seed.or(wish.seed);
    wish.timeout_s = flags.time.or(wish.timeout_s);
    wish.resources.disk_bytes = flags.disk.or(wish.resources.disk_bytes);
    if let Some(bytes) = flags.gpu_memory {
        (wish.resources.gpus, wish.resources.gpu_memory_bytes) = (1, Some(bytes));
    }
    if let Some(grace) = flags.resumable {
        wish.resume = Some(Resume { grace_s: u32::try_from(grace).unwrap_or(u32::MAX) });
    }
    wish.env.extend(flags.env.iter().cloned());
    wish.params.extend(flags.param.iter().cloned().collect::<BTreeMap<_, _>>());
    wish.datasets.extend(flags.data.iter().map(|text| DatasetRef { name: units::dataset(text), version: None }));
    wish.secrets.extend(flags.secret.iter().map(|text| secret(text)));
    if !flags.command.is_empty() {
        wish.command.clone_from(&flags.command);
    }
    if wish.name.is_empty() {
        wish.name = name_of(&wish.command);
    }
}

fn secret(text: &str) -> SecretRef {
    match text.split_once('=') {
        Some((name, file)) => SecretRef { name: name.to_owned(), file: Some(file.to_owned()) },
        None => SecretRef { name: text.to_owned(), file: None },
    }
}

/// `python3 src/train_all.py` is `train-all`: what tells jobs apart at a glance.
fn name_of(command: &[String]) -> String {
    let telling = command.iter().find(|word| word.ends_with(".py") || word.ends_with(".sh")).or(command.first());
    let file = telling.and_then(|word| Path::new(word).file_stem()).map(|stem| stem.to_string_lossy().to_lowercase());
    let plain: String = file
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(63)
        .collect();
    let name = plain.trim_matches('-');
    if name.is_empty() { "job".to_owned() } else { name.to_owned() }
}

pub fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is no NAME=VALUE."))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Packs, sends and names the code, unless the wish names some.
pub async fn add_code(client: &Client, flags: &CodeFlags, wish: &mut SubmitJob) -> Result<()> {
    if flags.no_code || !wish.code.is_empty() || (wish.snapshot.is_some() && flags.code.is_none()) {
        return Ok(());
    }
    let here = Path::new(".");
    let folder = match &flags.code {
        Some(folder) => folder.clone(),
        None if snapshot::is_checkout(here) => here.to_owned(),
        None => {
            tell(
                "No code is sent, since this folder is no git checkout; --code . sends it, --no-code says that none is meant.",
            );
            return Ok(());
        }
    };
    let packed = tokio::task::spawn_blocking(move || snapshot::pack(&folder)).await.map_err(Error::internal)??;
    tell(&format!("{} files of code, {} KiB", packed.files, packed.bytes.div_ceil(1024)));
    let kept: Upload = client.put_file("/uploads", packed.archive.path()).await?;
    wish.snapshot = Some(Snapshot { digest: kept.digest, git: packed.git });
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: RunFlags,
    }

    fn flags(words: &[&str]) -> RunFlags {
        Line::try_parse_from([&["run"], words].concat()).unwrap().flags
    }

    #[test]
    fn flags_make_a_job() {
        let flags = flags(&[
            "--gpu-memory",
            "12GiB",
            "--memory",
            "4GiB",
            "--time",
            "2h",
            "--data",
            "wine:3",
            "--data",
            "rice",
            "--secret",
            "hf=token",
            "--env",
            "A=b=c",
            "--param",
            "lr=0.1",
            "--resumable",
            "--retries",
            "2",
            "--",
            "python3",
            "src/Train_all.py",
            "--fast",
        ]);
        let mut wish = SubmitJob::default();
        apply(&flags, &mut wish);
        assert_eq!((wish.name.as_str(), wish.command.len()), ("train-all", 3));
        assert_eq!((wish.resources.gpus, wish.resources.gpu_memory_bytes), (1, Some(12 << 30)));
        assert_eq!((wish.resources.memory_bytes, wish.timeout_s), (4 << 30, Some(7200)));
        assert_eq!(wish.datasets.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["wine@3", "rice"]);
        assert_eq!((wish.secrets[0].name.as_str(), wish.secrets[0].file.as_deref()), ("hf", Some("token")));
        assert_eq!((wish.env["A"].as_str(), wish.params["lr"].as_str()), ("b=c", "0.1"));
        assert_eq!((wish.resume, wish.retries.limit), (Some(Resume { grace_s: 60 }), 2));
    }

    #[test]
    fn what_is_wrong_is_refused_where_it_is_written() {
        for words in [["--memory", "4G"], ["--time", "soon"], ["--env", "A"]] {
            assert!(Line::try_parse_from([&["run"], &words[..]].concat()).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_file_is_read_and_flags_count_instead_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("job.yaml");
        std::fs::write(&path, "name: a\ncommand: [python3, a.py]\nresources: {memory: 4GiB}\ntime: 2h\nenv: {N: 1}\n")
            .unwrap();
        let mut wish: SubmitJob = serde_json::from_value(read_wish(&path).unwrap()).unwrap();
        apply(&flags(&["--name", "b", "--env", "N=2"]), &mut wish);
        assert_eq!((wish.name.as_str(), wish.timeout_s, wish.env["N"].as_str()), ("b", Some(7200), "2"));
        assert_eq!(wish.command, ["python3", "a.py"]);
        std::fs::write(&path, "resources: {memory: 4 apples}\n").unwrap();
        assert!(read_wish(&path).unwrap_err().message.contains("memory_bytes: '4 apples'"));
    }
}
