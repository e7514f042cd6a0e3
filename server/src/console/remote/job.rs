//! `drydock job`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use drydock_wire::{
    Page,
    jobs::{JobDetail, JobState, JobSummary, LogLine, Rerun},
    logs::{LogHits, LogPage, NOTE},
};

use super::{At, outputs, run, say, segment, show, sweep, tell};
use crate::{
    client::{Client, LogTail},
    console::Ended,
    error::{Error, Result},
};

#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Queue a job; prints its id. With --follow also its log, and exits with its exit code.
    Run(Box<run::RunFlags>),
    /// Jobs, newest first.
    List {
        #[command(flatten)]
        at: At,
        /// One state or several, separated by commas: queued, running, succeeded, failed, cancelled, …
        #[arg(long)]
        state: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Part of their name.
        search: Option<String>,
    },
    /// One job: its state and why, its attempts, its spec as YAML.
    Show(OneJob),
    /// What a job wrote.
    Logs(LogFlags),
    /// Ask a job to end.
    Cancel(OneJob),
    /// Run a job again, as a new one; prints the new id.
    Rerun {
        #[command(flatten)]
        one: OneJob,
        /// With the same code, data, image, environment and seed.
        #[arg(long)]
        exactly: bool,
        /// Print its log, and exit with its exit code.
        #[arg(long, short)]
        follow: bool,
    },
    /// Fetch what a job left in /outputs.
    Outputs(outputs::OutputFlags),
    /// Queue a job many times over, with other values of its parameters; prints the id of the sweep.
    Sweep(sweep::SweepFlags),
}

#[derive(Debug, Clone, Args)]
pub struct OneJob {
    #[command(flatten)]
    at: At,
    /// Its id, or its name (then the latest of that name).
    job: String,
}

#[derive(Debug, Clone, Args)]
pub struct LogFlags {
    #[command(flatten)]
    one: OneJob,
    /// Go on as it is written, and exit with the job's exit code.
    #[arg(long, short)]
    follow: bool,
    /// Of this attempt rather than of the latest.
    #[arg(long)]
    attempt: Option<i64>,
    /// Only the last so many lines.
    #[arg(long, conflicts_with = "follow")]
    tail: Option<u64>,
    /// Only lines that contain this (large and small letters alike), each with its number.
    #[arg(long, conflicts_with_all = ["follow", "tail"])]
    search: Option<String>,
    /// The text to search is a regular expression.
    #[arg(long, requires = "search")]
    regex: bool,
    /// Into this file.
    #[arg(long, short, conflicts_with_all = ["follow", "search"])]
    output: Option<PathBuf>,
}

/// Runs one of them.
pub async fn job(command: JobCommand) -> Result<Ended> {
    match command {
        JobCommand::Run(flags) => return run::run(*flags).await,
        JobCommand::List { at, state, limit, search } => list(&at.connect()?, state, limit, search).await?,
        JobCommand::Show(one) => {
            let client = one.at.connect()?;
            say(&show::detail(&find(&client, &one.job).await?)?)?;
        }
        JobCommand::Logs(flags) => return logs(flags).await,
        JobCommand::Cancel(one) => {
            let client = one.at.connect()?;
            let id = find(&client, &one.job).await?.summary.id;
            let now: JobDetail = client.post(&format!("/jobs/{id}/cancel"), &()).await?;
            say(now.summary.state.as_str())?;
        }
        JobCommand::Rerun { one, exactly, follow } => {
            let client = one.at.connect()?;
            let id = find(&client, &one.job).await?.summary.id;
            let made: JobDetail = client.post(&format!("/jobs/{id}/rerun"), &Rerun { exactly }).await?;
            say(&made.summary.id)?;
            if follow {
                return follow_job(&client, &made.summary.id).await;
            }
        }
        JobCommand::Outputs(flags) => outputs::fetch(flags).await?,
        JobCommand::Sweep(flags) => sweep::submit(flags).await?,
    }
    Ok(Ended::Well)
}

impl OneJob {
    pub async fn find(&self) -> Result<(Client, JobDetail)> {
        let client = self.at.connect()?;
        let job = find(&client, &self.job).await?;
        Ok((client, job))
    }
}

/// The job of that id, else the latest of that name.
async fn find(client: &Client, text: &str) -> Result<JobDetail> {
    if let Some(job) = client.find::<JobDetail>(&format!("/jobs/{}", segment(text))).await? {
        return Ok(job);
    }
    let page: Page<JobSummary> = client.get(&format!("/jobs?limit=200&search={}", segment(text))).await?;
    match page.items.into_iter().find(|job| job.name == text) {
        Some(job) => client.get(&format!("/jobs/{}", job.id)).await,
        None => Err(Error::not_found(format!("There is no job with the id or the name {text}."))),
    }
}

async fn list(client: &Client, state: Option<String>, limit: u32, search: Option<String>) -> Result<()> {
    let mut path = format!("/jobs?limit={}", limit.clamp(1, 200));
    for (name, value) in [("state", state), ("search", search)] {
        if let Some(value) = value {
            path += &format!("&{name}={}", segment(&value));
        }
    }
    let page: Page<JobSummary> = client.get(&path).await?;
    say(&show::list(&page.items))?;
    let more = page.total.saturating_sub(page.items.len() as u64);
    if more > 0 {
        tell(&format!("and {more} more; --limit shows up to 200"));
    }
    Ok(())
}

async fn logs(flags: LogFlags) -> Result<Ended> {
    let (client, job) = flags.one.find().await?;
    let id = job.summary.id;
    let latest = job.attempts.last().map_or(1, |attempt| attempt.number);
    let number = flags.attempt.unwrap_or(latest);
    if let Some(text) = &flags.search {
        search(&client, &id, number, text, flags.regex).await?;
    } else if flags.follow && flags.attempt.is_none() {
        return follow_job(&client, &id).await;
    } else if flags.follow {
        follow_attempt(&client, &id, number).await?;
    } else {
        copy(&client, &id, number, flags.tail, flags.output).await?;
    }
    Ok(Ended::Well)
}

async fn search(client: &Client, id: &str, number: i64, text: &str, regex: bool) -> Result<()> {
    let asked = format!("/jobs/{id}/log/search?attempt={number}&q={}&regex={regex}&limit=1000", segment(text));
    let mut from = 0;
    loop {
        let found: LogHits = client.get(&format!("{asked}&from={from}")).await?;
        for hit in &found.hits {
            say(&format!("{}: {}", hit.seq + 1, hit.text))?;
        }
        match found.next {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

async fn copy(client: &Client, id: &str, number: i64, tail: Option<u64>, output: Option<PathBuf>) -> Result<()> {
    let mut path = format!("/jobs/{id}/log?attempt={number}");
    if let Some(lines) = tail {
        let page: LogPage = client.get(&format!("/jobs/{id}/log/lines?attempt={number}&limit=1")).await?;
        path += &format!("&from={}", page.total.saturating_sub(lines));
    }
    let body = client.bytes(&path).await?;
    match output {
        Some(path) => {
            let file = std::fs::File::create(&path);
            let file = file.map_err(|cause| Error::invalid(format!("{} cannot be made: {cause}.", path.display())))?;
            outputs::copy(body, file).await
        }
        None => outputs::copy(body, std::io::stdout()).await,
    }
}

/// Tells how it waits and prints what it writes, over all its attempts, until it has ended.
pub async fn follow_job(client: &Client, id: &str) -> Result<Ended> {
    let following = follow_to_the_end(client, id);
    tokio::select! {
        end = following => end,
        _ = tokio::signal::ctrl_c() => {
            tell(&format!("\nThe job goes on. To see it again: drydock job logs -f {id}; to end it: drydock job cancel {id}"));
            Ok(Ended::Code(130))
        }
    }
}

async fn follow_to_the_end(client: &Client, id: &str) -> Result<Ended> {
    let mut told = None;
    let mut shown = 0;
    loop {
        let job = patient(client, id).await?;
        let now = show::state(&job.summary);
        let waits = job.summary.state == JobState::Queued;
        if waits && told.as_ref() != Some(&now) {
            tell(&now);
            told = Some(now);
        }
        let next = job.attempts.iter().map(|attempt| attempt.number).find(|number| *number > shown);
        if let Some(number) = next {
            if number > 1 {
                tell(&format!("attempt {number}"));
            }
            follow_attempt(client, id, number).await?;
            shown = number;
        } else if job.summary.state.is_final() {
            tell(&show::state(&job.summary));
            return Ok(Ended::Code(exit_code(&job.summary)));
        } else {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
}

/// The job now. A server that is away for a moment, or starting anew, is waited for.
async fn patient(client: &Client, id: &str) -> Result<JobDetail> {
    let mut tries = 0;
    loop {
        match client.get(&format!("/jobs/{id}")).await {
            Err(error) if error.code == drydock_wire::ErrorCode::Unavailable && tries < 60 => {
                if tries == 0 {
                    tell(&error.message);
                }
                tries += 1;
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            answer => return answer,
        }
    }
}

async fn follow_attempt(client: &Client, id: &str, number: i64) -> Result<()> {
    let mut tail = LogTail::new(client, &format!("/jobs/{id}/log/stream?attempt={number}"));
    while let Some(line) = tail.next().await {
        print(&line)?;
    }
    Ok(())
}

/// To the stream that it was written to.
fn print(line: &LogLine) -> Result<()> {
    match line.stream.as_str() {
        "stderr" | NOTE => tell(&line.text),
        _ => say(&line.text)?,
    }
    Ok(())
}

/// That of the job's program; 1 where it failed without one.
fn exit_code(job: &JobSummary) -> u8 {
    let known = job.exit_code.and_then(|code| u8::try_from(code).ok());
    match job.state {
        JobState::Succeeded => 0,
        _ => known.filter(|code| *code != 0).unwrap_or(1),
    }
}
