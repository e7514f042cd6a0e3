//! `drydock pipeline`: apply, run, look, and what people do with runs.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use drydock_wire::{
    Page,
    pipelines::{
        AppliedPipeline, ApplyPipeline, ClearTask, PipelineDetail, PipelineRun, PipelineRunDetail, PipelineSummary,
        Rerun, RunState, StartRun, TaskRun, UpdatePipeline,
    },
};
use serde_json::Value;

use super::{At, say, segment, show, table, tell};
use crate::{
    client::Client,
    error::{Error, Result},
};

/// Between two looks at a run that is followed.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub enum PipelineCommand {
    /// Make a YAML file the newest version of the pipeline that it names.
    Apply {
        #[command(flatten)]
        at: At,
        file: PathBuf,
    },
    /// The pipelines, each with its last run and its next one.
    List {
        #[command(flatten)]
        at: At,
    },
    /// Run one now.
    Run(RunFlags),
    /// The last runs of one.
    Runs {
        #[command(flatten)]
        at: At,
        name: String,
    },
    /// A run with its tasks, and why each is as it is.
    Show {
        #[command(flatten)]
        at: At,
        run: String,
    },
    /// Have a task of a run run again, and what follows it.
    Clear {
        #[command(flatten)]
        at: At,
        run: String,
        task: String,
        /// The task alone.
        #[arg(long)]
        alone: bool,
    },
    /// Have what failed of a run run again.
    Rerun {
        #[command(flatten)]
        at: At,
        run: String,
        /// All of it, as a new run.
        #[arg(long)]
        all: bool,
    },
    /// End a run and what it started.
    Cancel {
        #[command(flatten)]
        at: At,
        run: String,
    },
    /// Neither schedules nor triggers start it; what falls into a pause is not made up for.
    Pause {
        #[command(flatten)]
        at: At,
        name: String,
    },
    /// They start it again.
    Resume {
        #[command(flatten)]
        at: At,
        name: String,
    },
}

#[derive(Debug, Clone, Args)]
pub struct RunFlags {
    #[command(flatten)]
    at: At,
    name: String,
    /// A parameter, name=value; the value may be JSON. May be given more than once.
    #[arg(short, long = "param", value_parser = parameter)]
    params: Vec<(String, Value)>,
    /// Tell of its tasks until it ended; the command fails with it.
    #[arg(short, long)]
    follow: bool,
}

fn parameter(text: &str) -> std::result::Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("'{text}': write it as name=value"))?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))))
}

/// Runs one of them.
pub async fn pipeline(command: PipelineCommand) -> Result<()> {
    match command {
        PipelineCommand::Apply { at, file } => apply(&at, &file).await,
        PipelineCommand::List { at } => list(&at).await,
        PipelineCommand::Run(flags) => run(flags).await,
        PipelineCommand::Runs { at, name } => runs(&at, &name).await,
        PipelineCommand::Show { at, run } => {
            let found: PipelineRunDetail = at.connect()?.get(&place(&run, "")).await?;
            say(&detail(&found))
        }
        PipelineCommand::Clear { at, run, task, alone } => {
            change(&at, &run, "/clear", &ClearTask { task, downstream: !alone }).await
        }
        PipelineCommand::Rerun { at, run, all } => change(&at, &run, "/rerun", &Rerun { all }).await,
        PipelineCommand::Cancel { at, run } => change(&at, &run, "/cancel", &()).await,
        PipelineCommand::Pause { at, name } => pause(&at, &name, true).await,
        PipelineCommand::Resume { at, name } => pause(&at, &name, false).await,
    }
}

fn place(run: &str, verb: &str) -> String {
    format!("/pipeline-runs/{}{verb}", segment(run))
}

async fn apply(at: &At, file: &std::path::Path) -> Result<()> {
    let yaml = std::fs::read_to_string(file)
        .map_err(|cause| Error::invalid(format!("{} cannot be read: {cause}.", file.display())))?;
    let applied: AppliedPipeline = at.connect()?.post("/pipelines", &ApplyPipeline { yaml }).await?;
    let news = if applied.created { "" } else { " (unchanged)" };
    say(&format!("{} version {}{news}", applied.pipeline.summary.name, applied.pipeline.version))?;
    for trigger in applied.pipeline.triggers {
        if let (Some(hook), Some(token)) = (trigger.hook, trigger.token) {
            tell(&format!("webhook {hook}: its token, told this once, is {token}"));
        }
    }
    Ok(())
}

async fn list(at: &At) -> Result<()> {
    let all: Page<PipelineSummary> = at.connect()?.get("/pipelines?limit=200").await?;
    let row = |one: &PipelineSummary| {
        let last = one.last_runs.first();
        let next = match (one.paused, one.next_due_at) {
            (true, _) => "paused".to_owned(),
            (false, Some(at)) => {
                jiff::Timestamp::from_millisecond(at).map_or_else(|_| String::new(), |at| at.to_string())
            }
            (false, None) => String::new(),
        };
        vec![
            one.name.clone(),
            one.version.to_string(),
            one.task_count.to_string(),
            last.map(|run| format!("{} {}", run.number, run.state.as_str())).unwrap_or_default(),
            next,
        ]
    };
    let rows: Vec<Vec<String>> = all.items.iter().map(row).collect();
    say(&table(&["NAME", "VERSION", "TASKS", "LAST RUN", "NEXT"], &rows))
}

async fn runs(at: &At, name: &str) -> Result<()> {
    let all: Page<PipelineRun> = at.connect()?.get(&format!("/pipelines/{}/runs", segment(name))).await?;
    let row = |run: &PipelineRun| {
        vec![
            run.id.clone(),
            run.number.to_string(),
            run.state.as_str().to_owned(),
            run.person.clone(),
            show::ago(run.created_at),
            run.reason.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = all.items.iter().map(row).collect();
    say(&table(&["ID", "RUN", "STATE", "BY", "MADE", "WHY"], &rows))
}

async fn run(flags: RunFlags) -> Result<()> {
    let client = flags.at.connect()?;
    let wish = StartRun { parameters: flags.params.into_iter().collect(), version: None };
    let made: PipelineRunDetail = client.post(&format!("/pipelines/{}/runs", segment(&flags.name)), &wish).await?;
    say(&made.run.id)?;
    if flags.follow { follow(&client, made).await } else { Ok(()) }
}

/// Tells of each change of a task until the run ended.
async fn follow(client: &Client, mut known: PipelineRunDetail) -> Result<()> {
    let id = known.run.id.clone();
    let whole = |detail: &PipelineRunDetail| -> Vec<TaskRun> {
        detail.tasks.iter().filter(|task| !task.is_past && task.item.is_none()).cloned().collect()
    };
    loop {
        let now: PipelineRunDetail = client.get(&place(&id, "")).await?;
        let before = whole(&known);
        for task in whole(&now) {
            let same = |old: &&TaskRun| (&old.task, old.number, old.state) == (&task.task, task.number, task.state);
            if !before.iter().any(|old| same(&old)) {
                tell(&line(&task));
            }
        }
        let (state, reason) = (now.run.state, now.run.reason.clone());
        if state == RunState::Succeeded {
            return Ok(());
        }
        if state.is_final() {
            let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            return Err(Error::conflict(format!("The run {}{why}.", state.as_str())));
        }
        known = now;
        tokio::time::sleep(LOOK).await;
    }
}

fn line(task: &TaskRun) -> String {
    let why = task.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} {}{why}", task.task, task.state.as_str())
}

fn detail(found: &PipelineRunDetail) -> String {
    let run = &found.run;
    let why = run.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let head = format!("{} run {} (version {}) {}{why}", run.pipeline, run.number, run.version, run.state.as_str());
    let current = found.tasks.iter().filter(|task| !task.is_past);
    let rows: Vec<Vec<String>> = current
        .map(|task| {
            let item = task.item.map(|item| format!("[{}]", item + 1)).unwrap_or_default();
            vec![
                format!("{}{item}", task.task),
                task.state.as_str().to_owned(),
                task.number.to_string(),
                task.job_id.clone().unwrap_or_default(),
                task.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    format!("{head}\n{}", table(&["TASK", "STATE", "TRY", "JOB", "WHY"], &rows))
}

async fn change<B: serde::Serialize>(at: &At, run: &str, verb: &str, wish: &B) -> Result<()> {
    let now: PipelineRunDetail = at.connect()?.post(&place(run, verb), wish).await?;
    say(&format!("{} {}", now.run.id, now.run.state.as_str()))
}

async fn pause(at: &At, name: &str, paused: bool) -> Result<()> {
    let wish = UpdatePipeline { paused: Some(paused) };
    let now: PipelineDetail = at.connect()?.patch(&format!("/pipelines/{}", segment(name)), &wish).await?;
    say(&format!("{} {}", now.summary.name, if now.summary.paused { "is paused" } else { "goes on" }))
}
