//! What stands in the fields of the job form, and what it asks for: read from a wish, written as one.

use super::{
    fields::{join_words, split_words},
    sweep::{Params, SweepForm},
};
use crate::{
    pages::parts::{Pair, Uploads, read_pairs},
    wish::Wish,
};
use drydock_wire::{
    jobs::{CodeFile, DatasetRef, Resources, Resume, Retries, SecretRef, Snapshot, SubmitJob},
    storage::KeyScope,
    sweeps::SubmitSweep,
    units, validate,
};
use leptos::prelude::*;

type Text = RwSignal<String>;

/// The fields' contents.
#[derive(Clone, Copy)]
pub struct Form {
    pub name: Text,
    pub image: Text,
    pub command: Text,
    pub experiment: Text,
    pub tracked: RwSignal<bool>,
    pub env: RwSignal<Vec<Pair>>,
    pub data: RwSignal<Vec<DatasetRef>>,
    /// Files of the job that this one repeats.
    pub kept: RwSignal<Vec<CodeFile>>,
    /// The folder that came with it, from the command line.
    pub snapshot: RwSignal<Option<Snapshot>>,
    pub uploads: Uploads,
    pub uses: Uses,
    pub again: Again,
    pub secrets: RwSignal<Vec<SecretRef>>,
    pub queue: Text,
    pub priority: Text,
    pub seed: Text,
    pub params: Params,
    pub sweep: SweepForm,
    /// Signals of rows live as long as the form, whenever they are made.
    owner: StoredValue<Owner>,
    /// Of the job that this one repeats: what its S3 key opens, and the image that no registry has.
    rest: StoredValue<(Vec<KeyScope>, Option<String>)>,
}

/// What it may use.
#[derive(Clone, Copy)]
pub struct Uses {
    pub cpus: Text,
    pub memory: Text,
    /// Nothing, `whole` or `share`.
    pub gpu: Text,
    pub gpus: Text,
    pub gpu_memory: Text,
    pub disk: Text,
    pub time: Text,
}

/// What happens after it failed or was stopped.
#[derive(Clone, Copy)]
pub struct Again {
    pub limit: Text,
    pub backoff: Text,
    pub resumable: RwSignal<bool>,
    pub grace: Text,
}

fn text() -> Text {
    RwSignal::new(String::new())
}

impl Form {
    pub fn new() -> Self {
        let form = Self {
            name: text(),
            image: text(),
            command: text(),
            experiment: text(),
            tracked: RwSignal::new(true),
            env: RwSignal::new(vec![]),
            data: RwSignal::new(vec![]),
            kept: RwSignal::new(vec![]),
            snapshot: RwSignal::new(None),
            uploads: Uploads::of("job/code".to_owned()).of_this_page(),
            uses: Uses {
                cpus: text(),
                memory: text(),
                gpu: text(),
                gpus: text(),
                gpu_memory: text(),
                disk: text(),
                time: text(),
            },
            again: Again { limit: text(), backoff: text(), resumable: RwSignal::new(false), grace: text() },
            secrets: RwSignal::new(vec![]),
            queue: text(),
            priority: text(),
            seed: text(),
            params: Params::new(),
            sweep: SweepForm::new(),
            owner: StoredValue::new(Owner::current().unwrap_or_default()),
            rest: StoredValue::new((vec![], None)),
        };
        let command = vec!["python3".to_owned(), "/workspace/train.py".to_owned()];
        form.load(&Wish::Job(SubmitJob { command, ..SubmitJob::default() }));
        form
    }

    /// Fills the fields.
    pub fn load(&self, wish: &Wish) {
        self.owner.with_value(|owner| owner.with(|| self.fill(wish)));
    }

    fn fill(&self, wish: &Wish) {
        match wish {
            Wish::Job(job) => {
                self.load_job(job);
                self.params.load(job, None);
                self.sweep.clear();
            }
            Wish::Sweep(sweep) => {
                self.load_job(&sweep.job);
                self.name.set(sweep.name.clone());
                self.params.load(&sweep.job, Some(sweep));
                self.sweep.load(sweep);
            }
        }
    }

    fn load_job(&self, job: &SubmitJob) {
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        self.name.set(job.name.clone());
        self.image.set(or_empty(&job.image));
        self.command.set(join_words(&job.command));
        self.experiment.set(or_empty(&job.experiment));
        self.tracked.set(job.tracked != Some(false));
        self.env.set(job.env.iter().map(|(k, v)| Pair::new(k, v)).collect());
        self.data.set(job.datasets.clone());
        let new: Vec<String> = self.uploads.files().into_iter().map(|f| f.digest).collect();
        self.kept.set(job.code.iter().filter(|f| !new.contains(&f.digest)).cloned().collect());
        self.snapshot.set(job.snapshot.clone());
        self.uses.load(&job.resources, job.timeout_s);
        self.again.load(job);
        self.secrets.set(job.secrets.clone());
        self.queue.set(or_empty(&job.queue));
        self.priority.set(if job.priority == 0 { String::new() } else { job.priority.to_string() });
        self.seed.set(job.seed.map(|seed| seed.to_string()).unwrap_or_default());
        self.rest.set_value((job.buckets.clone(), job.image_id.clone()));
    }

    /// What the fields ask for, as far as they can be read; reactive.
    pub fn wish(&self) -> Wish {
        let job = self.job();
        match self.sweep.mode.get().as_str() {
            "" => Wish::Job(job),
            mode => {
                let (grid, random) = self.params.spread(mode == "random", &self.sweep);
                let name = job.name.clone();
                Wish::Sweep(SubmitSweep { name, job, grid, random, ..self.sweep.read() })
            }
        }
    }

    fn job(&self) -> SubmitJob {
        let filled = |s: Text| Some(s.get().trim().to_owned()).filter(|t| !t.is_empty());
        // what has arrived is not tracked by itself; what is still on its way is
        self.uploads.why_not();
        let new = self.uploads.files().into_iter().map(|f| CodeFile { path: f.path, digest: f.digest });
        let new: Vec<CodeFile> = new.collect();
        let kept = self.kept.get().into_iter().filter(|k| !new.iter().any(|n| n.path == k.path));
        let (buckets, image_id) = self.rest.get_value();
        SubmitJob {
            name: self.name.get().trim().to_owned(),
            image: filled(self.image),
            image_id,
            command: split_words(&self.command.get()).unwrap_or_default(),
            env: read_pairs(&self.env.get()).unwrap_or_default(),
            code: kept.chain(new.clone()).collect(),
            datasets: self.data.get(),
            resources: self.uses.read(),
            timeout_s: units::parse_seconds(&self.uses.time.get()).ok(),
            experiment: filled(self.experiment),
            buckets,
            queue: filled(self.queue),
            priority: self.priority.get().trim().parse().unwrap_or(0),
            retries: self.again.retries(),
            resume: self.again.resume(),
            secrets: self.secrets.get(),
            snapshot: self.snapshot.get(),
            params: self.params.fixed(self.sweep.is_on()),
            seed: self.seed.get().trim().parse().ok(),
            tracked: (!self.tracked.get()).then_some(false),
        }
    }

    /// The first thing that is wrong, if anything; the field says so itself.
    pub fn wrong(&self) -> Result<(), String> {
        check_name(&self.name.get())?;
        check_command(&self.command.get())?;
        read_pairs(&self.env.get())?;
        self.uses.check()?;
        self.again.check()?;
        check_priority(&self.priority.get())?;
        check_seed(&self.seed.get())?;
        if self.uploads.files().iter().any(|f| validate::relative_path(&f.path).is_err()) {
            return Err("The path of a file is wrong.".to_owned());
        }
        if self.snapshot.with(Option::is_some) && !(self.uploads.is_empty() && self.kept.with(Vec::is_empty)) {
            return Err("A job has either a folder of code or single files; take one of them out.".to_owned());
        }
        self.params.check(&self.sweep.mode.get())?;
        self.sweep.check()
    }
}

impl Uses {
    fn load(&self, r: &Resources, timeout_s: Option<u64>) {
        self.cpus.set(r.cpus.to_string());
        self.memory.set(units::bytes(r.memory_bytes));
        self.gpu.set(match (r.gpus, r.gpu_memory_bytes) {
            (0, _) => String::new(),
            (_, None) => "whole".to_owned(),
            (_, Some(_)) => "share".to_owned(),
        });
        self.gpus.set(r.gpus.max(1).to_string());
        self.gpu_memory.set(r.gpu_memory_bytes.map(units::bytes).unwrap_or_else(|| "8GiB".to_owned()));
        self.disk.set(r.disk_bytes.map(units::bytes).unwrap_or_default());
        self.time.set(timeout_s.map(units::seconds).unwrap_or_default());
    }

    fn read(&self) -> Resources {
        let usual = Resources::default();
        let gpu = self.gpu.get();
        Resources {
            cpus: self.cpus.get().trim().parse().unwrap_or(usual.cpus),
            memory_bytes: units::parse_bytes(&self.memory.get()).unwrap_or(usual.memory_bytes),
            gpus: match gpu.as_str() {
                "" => 0,
                "share" => 1,
                _ => self.gpus.get().trim().parse().unwrap_or(1),
            },
            gpu_memory_bytes: if gpu == "share" { units::parse_bytes(&self.gpu_memory.get()).ok() } else { None },
            disk_bytes: units::parse_bytes(&self.disk.get()).ok(),
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        check_cpus(&self.cpus.get())?;
        check_memory(&self.memory.get())?;
        match self.gpu.get().as_str() {
            "" => {}
            "share" => check_memory(&self.gpu_memory.get())?,
            _ => check_gpus(&self.gpus.get())?,
        }
        check_disk(&self.disk.get())?;
        check_time(&self.time.get())
    }
}

impl Again {
    fn load(&self, job: &SubmitJob) {
        self.limit.set(job.retries.limit.to_string());
        self.backoff.set(units::seconds(u64::from(job.retries.backoff_s)));
        self.resumable.set(job.resume.is_some());
        self.grace.set(units::seconds(u64::from(job.resume.unwrap_or_default().grace_s)));
    }

    fn retries(&self) -> Retries {
        let usual = Retries::default();
        Retries {
            limit: self.limit.get().trim().parse().unwrap_or(0),
            backoff_s: seconds(&self.backoff.get()).unwrap_or(usual.backoff_s),
        }
    }

    fn resume(&self) -> Option<Resume> {
        self.resumable.get().then(|| Resume { grace_s: seconds(&self.grace.get()).unwrap_or(60) })
    }

    fn check(&self) -> Result<(), &'static str> {
        check_retries(&self.limit.get())?;
        check_backoff(&self.backoff.get())?;
        if self.resumable.get() { check_grace(&self.grace.get()) } else { Ok(()) }
    }
}

fn seconds(text: &str) -> Option<u32> {
    units::parse_seconds(text).ok().and_then(|s| u32::try_from(s).ok())
}

pub fn check_name(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() { Err("Give the job a name.") } else { validate::slug(text.trim()) }
}

pub fn check_command(text: &str) -> Result<(), &'static str> {
    match split_words(text) {
        Ok(words) if words.is_empty() => Err("Say which program to run, such as python3 /workspace/train.py."),
        Ok(_) => Ok(()),
        Err(text) => Err(text),
    }
}

pub fn check_cpus(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<f64>() {
        Ok(n) if (0.1..=1024.0).contains(&n) => Ok(()),
        _ => Err("A number of cores from 0.1, such as 1 or 0.5."),
    }
}

pub fn check_memory(text: &str) -> Result<(), &'static str> {
    match units::parse_bytes(text) {
        Ok(bytes) if bytes >= 16 << 20 => Ok(()),
        Ok(_) => Err("16MiB at least."),
        Err(_) => Err("A size, such as 4GiB or 512MiB."),
    }
}

pub fn check_gpus(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<u32>() {
        Ok(1..=64) => Ok(()),
        _ => Err("A whole number from 1."),
    }
}

pub fn check_disk(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() { Ok(()) } else { check_memory(text) }
}

pub fn check_time(text: &str) -> Result<(), &'static str> {
    match text.trim() {
        "" => Ok(()),
        text => match units::parse_seconds(text) {
            Ok(1..) => Ok(()),
            _ => Err("A time, such as 2h, 90m or 1h30m; or nothing."),
        },
    }
}

pub fn check_retries(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<u32>() {
        Ok(0..=100) => Ok(()),
        _ => Err("A whole number from 0 to 100."),
    }
}

pub fn check_backoff(text: &str) -> Result<(), &'static str> {
    match seconds(text) {
        Some(1..=360) => Ok(()),
        _ => Err("A time from 1s to 6m."),
    }
}

pub fn check_grace(text: &str) -> Result<(), &'static str> {
    match seconds(text) {
        Some(1..=600) => Ok(()),
        _ => Err("A time from 1s to 10m."),
    }
}

pub fn check_priority(text: &str) -> Result<(), &'static str> {
    match text.trim() {
        "" => Ok(()),
        text => text.parse::<i32>().map(drop).map_err(|_| "A whole number; 0 is usual."),
    }
}

pub fn check_seed(text: &str) -> Result<(), &'static str> {
    match text.trim() {
        "" => Ok(()),
        text => text.parse::<u64>().map(drop).map_err(|_| "A whole number from 0, or nothing: then one is drawn."),
    }
}
