//! What tasks do, a file for each kind. Always holds: a kind's effect is rows, written in the transaction of the task's own row; what it
//! started is only looked at afterwards. A refusal below 500 is the task's failure in words; anything else is tried again.

pub mod deploy;
mod gate;
pub mod job;
mod models;
mod notify;
pub mod person;
pub mod validate;

use drydock_wire::{pipelines::TaskKind, serving::PutDeployment};
use serde_json::Value;

use super::{rules::plan::Seen, store::runs::TaskRow};
use crate::{
    accounts::{self, Authorized, Principal, action},
    app::App,
    db::Conn,
    error::{Error, Result},
    jobs, serving, webhooks, workloads,
};

/// What came of starting a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It goes on; the subject is looked at.
    Runs {
        subject: String,
    },
    /// A person is asked; what, goes into the row.
    Asks {
        question: Value,
    },
    Done {
        outputs: Value,
        subject: Option<String>,
    },
    Skipped(String),
    Failed(String),
}

/// What could not be found out inside a transaction.
#[derive(Default)]
pub struct Prepared {
    /// Of a job: the box grants it.
    pub job: Option<jobs::Checked>,
    /// Of a deployment: its image is pinned.
    pub deployment: Option<PutDeployment>,
}

/// A task about to start.
pub struct Starting<'a> {
    pub kind: TaskKind,
    pub body: &'a Value,
    pub who: &'a Principal,
    /// The same for the same try, whoever asks.
    pub id: String,
    pub prepared: Prepared,
    /// For a message: which run it is.
    pub about: Value,
}

/// Starts it. Rights are those that its person has now.
pub fn start(conn: &mut Conn, starting: Starting<'_>) -> Result<Outcome> {
    let (who, body) = (starting.who, starting.body);
    match starting.kind {
        TaskKind::Job => {
            may(who, action::Launch)?;
            let checked = starting.prepared.job.ok_or_else(|| unprepared("a job that nobody checked"))?;
            job::start(conn, who, &starting.id, checked)
        }
        TaskKind::Validate => {
            may(who, action::Develop)?;
            validate::start(conn, who, body)
        }
        TaskKind::Gate => gate::start(conn, who, body),
        TaskKind::Register => {
            may(who, action::Develop)?;
            models::register(conn, who, body)
        }
        TaskKind::Promote => {
            may(who, action::Develop)?;
            models::promote(conn, who, body)
        }
        TaskKind::Deploy => {
            may(who, action::Deploy)?;
            let wish = starting.prepared.deployment.ok_or_else(|| unprepared("a deployment that nobody pinned"))?;
            deploy::start(conn, who, body, wish)
        }
        TaskKind::Approval => person::ask(body),
        TaskKind::Notify => {
            may(who, action::Deploy)?;
            notify::start(conn, who, body, starting.about)
        }
    }
}

/// How that which the row's task started is getting on.
pub fn look(conn: &mut Conn, kind: TaskKind, row: &TaskRow) -> Result<Option<Seen>> {
    let Some((word, rest)) = row.subject.as_deref().and_then(|subject| subject.split_once('/')) else {
        return Ok(None);
    };
    match (kind, word) {
        (TaskKind::Job, "job") => job::look(conn, rest).map(Some),
        (TaskKind::Deploy, "deployment") => deploy::look(conn, rest).map(Some),
        _ => Ok(None),
    }
}

/// Ends what the row's task started, for one that is given up or cancelled.
pub fn stop(conn: &mut Conn, who: &Principal, row: &TaskRow) -> Result<()> {
    match row.subject.as_deref().and_then(|subject| subject.strip_prefix("job/")) {
        Some(job) => job::stop(conn, who, job),
        None => Ok(()),
    }
}

/// Wakes whoever has to go on with what tasks started or stopped, after the transaction.
pub fn announce(app: &App, kind: TaskKind, subject: Option<&str>) {
    let rest = subject.and_then(|subject| subject.split_once('/')).map(|(_, rest)| rest);
    match (kind, rest) {
        (TaskKind::Job, Some(job)) => {
            jobs::announce(app, job);
            workloads::wake(app);
        }
        (TaskKind::Deploy, Some(rest)) => serving::announce(app, rest.split('/').next().unwrap_or(rest)),
        (TaskKind::Register | TaskKind::Promote, rest) => {
            let model = rest.and_then(|rest| rest.split('/').next());
            app.events.publish(drydock_wire::events::Topic::Models, model);
            webhooks::wake(app);
        }
        (TaskKind::Notify, _) => webhooks::wake(app),
        _ => {}
    }
}

fn unprepared(what: &'static str) -> Error {
    Error::internal(anyhow::anyhow!(what))
}

fn may<A: accounts::Action>(who: &Principal, action: A) -> Result<Authorized<A>> {
    accounts::authorize(who, action, &who.project)
}

/// Reads a body; one without sense is the task's failure.
fn read<T: serde::de::DeserializeOwned>(body: &Value) -> Result<T> {
    super::schema::bodies::read(body).map_err(Error::invalid)
}
