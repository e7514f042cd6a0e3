//! `drydock deploy`: deployments of a box, from anywhere.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use drydock_wire::{
    Page,
    serving::{
        DeploymentDetail, DeploymentSummary, Fit, FitVerdict, PutDeployment, ReleasePage, ReleasePlan, Revision,
        RollBack,
    },
};
use serde_json::Value;

use super::{At, outputs, run, say, segment, table, tell};
use crate::{
    client::Client,
    console::Ended,
    error::{Error, Result},
};

const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub enum DeployCommand {
    /// Make a deployment, or roll it to something else, and wait until that answers. Printed is the revision's number.
    Put(Box<PutFlags>),
    /// All deployments.
    List {
        #[command(flatten)]
        at: At,
        /// Part of the name or model.
        search: Option<String>,
    },
    /// One deployment with its revisions.
    Show(OneDeployment),
    /// What its model server said.
    Logs {
        #[command(flatten)]
        one: OneDeployment,
        /// Of that revision; of the live one if not said.
        #[arg(long)]
        revision: Option<i64>,
    },
    /// Let the release's candidate take over.
    Promote(OneDeployment),
    /// Hold the release where it is.
    Pause(OneDeployment),
    /// Let a paused release go on.
    Resume(OneDeployment),
    /// Take the release's candidate back.
    Abort(OneDeployment),
    /// Go back to a former revision: at once while it is kept warm.
    Rollback {
        #[command(flatten)]
        one: OneDeployment,
        /// The one before the live one if not said.
        #[arg(long)]
        revision: Option<i64>,
    },
    /// Take it away.
    Delete(OneDeployment),
}

#[derive(Debug, Clone, Args)]
pub struct OneDeployment {
    #[command(flatten)]
    at: At,
    name: String,
}

#[derive(Debug, Clone, Args)]
pub struct PutFlags {
    #[command(flatten)]
    one: OneDeployment,
    /// A registered model; of the file, if not said.
    #[arg(long, short)]
    model: Option<String>,
    /// Its version: a number, or @alias.
    #[arg(long, short)]
    version: Option<String>,
    /// YAML or JSON with what `PUT /api/v1/deployments/NAME` takes: served_by, settings, release, resources; sizes as 4GiB.
    #[arg(long, short)]
    file: Option<PathBuf>,
    /// How it takes over: rolling, recreate (the old one ends first), blue_green, canary or shadow, as usual; in detail in the file.
    #[arg(long, short)]
    release: Option<String>,
    /// Change nothing; say whether it would fit on the box, beside what runs or after it.
    #[arg(long)]
    fit: bool,
    /// Print the revision's number and do not wait.
    #[arg(long, short)]
    detach: bool,
}

/// Runs one of them.
pub async fn deploy(command: DeployCommand) -> Result<Ended> {
    match command {
        DeployCommand::Put(flags) => return put(*flags).await,
        DeployCommand::List { at, search } => list(&at.connect()?, search).await?,
        DeployCommand::Show(one) => show(&one.detail(&one.at.connect()?).await?)?,
        DeployCommand::Logs { one, revision } => {
            let of = revision.map_or_else(String::new, |number| format!("?revision={number}"));
            let body = one.at.connect()?.bytes(&format!("{}/log{of}", one.path())).await?;
            outputs::copy(body, std::io::stdout()).await?;
        }
        DeployCommand::Promote(one) => order(&one, "promote").await?,
        DeployCommand::Pause(one) => order(&one, "pause").await?,
        DeployCommand::Resume(one) => order(&one, "resume").await?,
        DeployCommand::Abort(one) => order(&one, "abort").await?,
        DeployCommand::Rollback { one, revision } => {
            let client = one.at.connect()?;
            let now: DeploymentDetail =
                client.post(&format!("{}/rollback", one.path()), &RollBack { revision }).await?;
            show(&now)?;
        }
        DeployCommand::Delete(one) => one.at.connect()?.delete(&one.path()).await?,
    }
    Ok(Ended::Well)
}

impl OneDeployment {
    fn path(&self) -> String {
        format!("/deployments/{}", segment(&self.name))
    }

    async fn detail(&self, client: &Client) -> Result<DeploymentDetail> {
        client.get(&self.path()).await
    }
}

async fn put(flags: PutFlags) -> Result<Ended> {
    let client = flags.one.at.connect()?;
    let mut wish = match &flags.file {
        Some(path) => read(path)?,
        None => PutDeployment::default(),
    };
    wish.model = flags.model.unwrap_or(wish.model);
    wish.version = flags.version.unwrap_or(wish.version);
    if let Some(word) = &flags.release {
        wish.release = Some(plan(word)?);
    }
    if flags.fit {
        return fit(&client, &flags.one, &wish).await;
    }
    let made: DeploymentDetail = client.put(&flags.one.path(), &wish).await?;
    // the newest, or one that serves this already
    let of_wish = |it: &&Revision| {
        it.state == "live" && !made.revisions.iter().any(|other| other.number > it.number && is_coming(other))
    };
    let chosen = made.revisions.iter().find(of_wish).or(made.revisions.first());
    let number = chosen.map_or(0, |revision| revision.number);
    say(&number.to_string())?;
    if flags.detach {
        return Ok(Ended::Well);
    }
    wait(&client, &flags.one, number).await
}

/// A plan with everything as usual.
fn plan(word: &str) -> Result<ReleasePlan> {
    if word == "canary" {
        return Ok(ReleasePlan::usual_canary());
    }
    let plan = serde_json::json!({ "strategy": word.replace('-', "_") });
    serde_json::from_value(plan).map_err(|_| {
        let text = format!(
            "--release: '{word}' is none of rolling, recreate, blue_green, canary, shadow; others go by --file."
        );
        Error::invalid(text)
    })
}

/// Prints the answer; fails where `put` would be refused.
async fn fit(client: &Client, one: &OneDeployment, wish: &PutDeployment) -> Result<Ended> {
    let found: Fit = client.post(&format!("{}/fit", one.path()), wish).await?;
    let is_swapped = wish.release == Some(ReleasePlan::Recreate);
    match found.verdict {
        FitVerdict::Beside | FitVerdict::Waits => {}
        FitVerdict::After if is_swapped => {}
        FitVerdict::After | FitVerdict::Never => {
            return Err(Error::conflict(format!("{} {}", found.words, found.way_out.unwrap_or_default())));
        }
    }
    say(&found.words)?;
    found.way_out.filter(|_| !is_swapped).iter().for_each(|way_out| tell(way_out));
    Ok(Ended::Well)
}

fn is_coming(revision: &Revision) -> bool {
    matches!(revision.state.as_str(), "starting" | "candidate")
}

/// The file's wish.
fn read(path: &Path) -> Result<PutDeployment> {
    let mut wish = run::read_wish(path)?;
    if let Some(version) = wish.get_mut("version").filter(|version| version.is_number()) {
        *version = Value::String(version.to_string());
    }
    let wrong = |cause| Error::invalid(format!("{}: {cause}.", path.display()));
    serde_json::from_value(wish).map_err(wrong)
}

/// Until the revision answers, waits for a person, or failed.
async fn wait(client: &Client, one: &OneDeployment, number: i64) -> Result<Ended> {
    let mut told = String::new();
    loop {
        let now = one.detail(client).await?;
        let Some(revision) = now.revisions.iter().find(|it| it.number == number) else {
            return Err(Error::not_found(format!("Revision {number} of '{}' is gone.", one.name)));
        };
        let line = line(revision);
        if line != told {
            tell(&line);
            told = line;
        }
        match revision.state.as_str() {
            "live" => return Ok(Ended::Well),
            "starting" => {}
            "candidate" => {
                tell("It is tried beside the live one; 'drydock deploy promote' or 'abort' ends that.");
                return Ok(Ended::Well);
            }
            _ => {
                let reason = revision.reason.clone().unwrap_or_else(|| "it was replaced".to_owned());
                return Err(Error::conflict(format!("Revision {number} of '{}' does not serve: {reason}", one.name)));
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn line(revision: &Revision) -> String {
    let reason = revision.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("revision {} {}{reason}", revision.number, revision.state)
}

async fn list(client: &Client, search: Option<String>) -> Result<()> {
    let of = search.map_or_else(String::new, |text| format!("?search={}", segment(&text)));
    let found: Page<DeploymentSummary> = client.get(&format!("/deployments{of}")).await?;
    let row = |it: &DeploymentSummary| {
        let p95 = it.traffic.p95_ms.map_or_else(String::new, |ms| format!("{ms:.0} ms"));
        vec![
            it.name.clone(),
            served(&it.model, it.version),
            word(&it.state),
            it.traffic.requests.to_string(),
            it.traffic.errors.to_string(),
            p95,
            it.reason.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = found.items.iter().map(row).collect();
    say(&table(&["NAME", "MODEL", "STATE", "REQUESTS", "ERRORS", "P95", "WHY"], &rows))
}

fn show(detail: &DeploymentDetail) -> Result<()> {
    let summary = &detail.summary;
    let mut text = format!("{}  {}  {}", summary.name, word(&summary.state), summary.endpoint);
    summary.reason.iter().for_each(|reason| text += &format!("\n{reason}"));
    if let Some(tokens) = &detail.tokens {
        let total = &tokens.total;
        text += &format!("\ntokens: {} prompt, {} completion", total.prompt, total.completion);
        if total.estimated > 0 {
            text += &format!(", about {} more", total.estimated);
        }
    }
    let row = |it: &Revision| {
        let whose = vec![it.number.to_string(), served(&it.model, it.version), it.state.clone()];
        [whose, vec![it.created_by.clone(), it.reason.clone().unwrap_or_default()]].concat()
    };
    let rows: Vec<Vec<String>> = detail.revisions.iter().map(row).collect();
    say(&format!("{text}\n\n{}", table(&["REVISION", "MODEL", "STATE", "BY", "WHY"], &rows)))
}

fn served(model: &str, version: i64) -> String {
    if model.is_empty() { "-".to_owned() } else { format!("{model}:{version}") }
}

/// The state as the API writes it.
fn word(state: &impl serde::Serialize) -> String {
    serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

async fn order(one: &OneDeployment, verb: &str) -> Result<()> {
    let client = one.at.connect()?;
    let page: ReleasePage = client.post(&format!("{}/release/{verb}", one.path()), &()).await?;
    let shares =
        page.shares.iter().map(|it| vec![it.revision.to_string(), it.state.clone(), format!("{} %", it.weight)]);
    say(&table(&["REVISION", "STATE", "SHARE"], &shares.collect::<Vec<_>>()))
}
