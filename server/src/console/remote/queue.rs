//! `drydock queue`: what waits and why, and the queues themselves.

use clap::{Args, Subcommand};
use drydock_wire::{
    Page,
    queues::{BoxUse, Caps, Queue, QueueOrder, QueueSettings},
    units,
};

use super::{At, say, segment, show, table, tell};
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// What waits, in its order, each with why.
    Show {
        #[command(flatten)]
        at: At,
        /// Of one queue; of all if not said.
        queue: Option<String>,
    },
    /// The queues with their shares and what runs in them.
    List {
        #[command(flatten)]
        at: At,
    },
    /// Make a queue, or change what is said of one (for admins).
    Set(Box<SetFlags>),
}

#[derive(Debug, Clone, Args)]
pub struct SetFlags {
    #[command(flatten)]
    at: At,
    name: String,
    /// 1 to 1000: of two queues that both have jobs, one of weight 3 gets three times as much of the box as one of weight 1.
    #[arg(long)]
    weight: Option<u32>,
    /// Jobs that may run at once.
    #[arg(long)]
    jobs: Option<u32>,
    /// GPUs that may be in use at once.
    #[arg(long)]
    gpus: Option<f64>,
    /// The same two of each person in it.
    #[arg(long)]
    person_jobs: Option<u32>,
    #[arg(long)]
    person_gpus: Option<f64>,
    /// The highest priority that its jobs may have.
    #[arg(long)]
    highest_priority: Option<i32>,
    /// The time limit of a job that names none, such as 12h.
    #[arg(long, value_parser = units::parse_seconds)]
    longest: Option<u64>,
    /// Nothing of it starts; what runs goes on.
    #[arg(long, conflicts_with = "resume")]
    pause: bool,
    /// It goes on.
    #[arg(long)]
    resume: bool,
}

/// Runs one of them.
pub async fn queue(command: QueueCommand) -> Result<()> {
    match command {
        QueueCommand::Show { at, queue } => order(&at, queue).await,
        QueueCommand::List { at } => list(&at).await,
        QueueCommand::Set(flags) => set(*flags).await,
    }
}

async fn order(at: &At, queue: Option<String>) -> Result<()> {
    let mut path = "/queue?limit=200".to_owned();
    if let Some(queue) = queue {
        path += &format!("&queue={}", segment(&queue));
    }
    let found: QueueOrder = at.connect()?.get(&path).await?;
    let rows: Vec<Vec<String>> = (found.jobs.items.iter())
        .map(|job| {
            let whose = vec![job.position.to_string(), job.id.clone(), job.name.clone(), job.submitted_by.clone()];
            let why = vec![job.queue.clone(), job.priority.to_string(), show::ago(job.since), job.reason.clone()];
            [whose, why].concat()
        })
        .collect();
    say(&table(&["", "ID", "NAME", "BY", "QUEUE", "PRIORITY", "SINCE", "WHY"], &rows))?;
    tell(&format!("in use: {}", used(&found.using, &found.total)));
    Ok(())
}

/// "3 of 8 cores, 12 of 64 GiB, 1 of 2 GPUs".
fn used(using: &BoxUse, total: &BoxUse) -> String {
    let gib = |bytes: u64| bytes >> 30;
    let mut words = format!(
        "{} of {} cores, {} of {} GiB",
        using.cpus,
        total.cpus,
        gib(using.memory_bytes),
        gib(total.memory_bytes)
    );
    if total.gpus > 0.0 {
        words += &format!(", {} of {} GPUs", using.gpus, total.gpus);
    }
    words
}

async fn list(at: &At) -> Result<()> {
    let found: Page<Queue> = at.connect()?.get("/queues").await?;
    let row = |queue: &Queue| {
        let settings = &queue.settings;
        vec![
            queue.name.clone(),
            settings.weight.to_string(),
            queue.running.to_string(),
            queue.waiting.to_string(),
            caps(&settings.caps),
            caps(&settings.person_caps),
            if settings.paused { "paused".to_owned() } else { String::new() },
        ]
    };
    let rows: Vec<Vec<String>> = found.items.iter().map(row).collect();
    say(&table(&["NAME", "WEIGHT", "RUN", "WAIT", "AT MOST", "PER PERSON", ""], &rows))
}

fn caps(caps: &Caps) -> String {
    let parts = [
        caps.jobs.map(|jobs| format!("{jobs} jobs")),
        caps.cpus.map(|cpus| format!("{cpus} cores")),
        caps.memory_bytes.map(units::bytes),
        caps.disk_bytes.map(|bytes| format!("{} disk", units::bytes(bytes))),
        caps.gpus.map(|gpus| format!("{gpus} GPUs")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

async fn set(flags: SetFlags) -> Result<()> {
    let client = flags.at.connect()?;
    let path = format!("/queues/{}", segment(&flags.name));
    let mut now = match client.find::<Queue>(&path).await? {
        Some(queue) => queue.settings,
        None => QueueSettings::default(),
    };
    now.weight = flags.weight.unwrap_or(now.weight);
    now.caps.jobs = flags.jobs.or(now.caps.jobs);
    now.caps.gpus = flags.gpus.or(now.caps.gpus);
    now.person_caps.jobs = flags.person_jobs.or(now.person_caps.jobs);
    now.person_caps.gpus = flags.person_gpus.or(now.person_caps.gpus);
    now.highest_priority = flags.highest_priority.unwrap_or(now.highest_priority);
    now.longest_s = flags.longest.unwrap_or(now.longest_s);
    now.paused = (now.paused || flags.pause) && !flags.resume;
    client.put_quietly(&path, &now).await
}
