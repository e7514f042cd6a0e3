//! The runner: looks at the clock, at what happened, at runs that wait, and takes every running run as far as it goes.
//!
//! Always holds: each step is one transaction that looks again whether its row still is as the plan saw it, and that holds the effect and the
//! row's change together. So a kill before it is nothing and after it everything, and two servers in a row repeat nothing.

mod clock;
mod events;
mod start;
pub mod steps;

use std::{sync::Arc, time::Duration};

use drydock_wire::{
    events::Topic,
    pipelines::{RunState, TaskKind, TaskState},
};
use futures_util::future::BoxFuture;
use tokio::sync::broadcast::error::RecvError;

use super::{
    RUNNER,
    kinds::{self, validate::Checks},
    rules::{
        admit::{self, Standing, Turn},
        plan,
    },
    running, store,
    store::runs,
};
use crate::{
    app::App,
    background::{Task, Waker},
    clock::now_ms,
    db::Conn,
    error::Result,
    workloads::failpoint,
};

/// More rounds over one run in a pass than a graph can have steps in a row: a guard against a plan that never rests.
const MOST_ROUNDS: usize = 5_000;

/// Takes runs of pipelines forward.
#[derive(Clone)]
pub struct Runner {
    app: App,
    checks: Checks,
    waker: Waker,
}

impl Task for Runner {
    fn name(&self) -> &'static str {
        RUNNER
    }

    fn period(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.pass())
    }
}

impl Runner {
    pub fn new(app: App) -> Self {
        let waker = app.background.waker(RUNNER);
        Self { app, checks: Checks::default(), waker }
    }

    /// Wakes the runner when something that tasks wait for changed.
    pub fn listen(&self) {
        let (mut events, waker, background) =
            (self.app.events.subscribe(), self.waker.clone(), self.app.background.clone());
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    event = events.recv() => event,
                    () = background.stopped() => return,
                };
                match event {
                    Ok(event) if !matches!(event.topic, Topic::Jobs | Topic::Deployments | Topic::Datasets) => {}
                    Err(RecvError::Closed) => return,
                    _ => waker.wake(),
                }
            }
        });
    }

    async fn pass(&self) -> Result<()> {
        let mut outcome = self.look_at_clock().await;
        outcome = self.take_events().await.and(outcome);
        outcome = self.let_in().await.and(outcome);
        let running = self.app.db.read(running_runs).await?;
        self.checks.keep_only(&running);
        for run in running {
            if let Err(error) = self.advance(&run).await {
                // One run's trouble must not hold up the others.
                tracing::warn!(pipeline.run = run, "run {run} of a pipeline: {error}");
                outcome = Err(error);
            }
        }
        outcome
    }

    /// One step: a transaction with the places where a test kills the server around it.
    async fn write<T, F>(&self, f: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    {
        let number = failpoint::before_step();
        let done = self.app.db.write(f).await?;
        failpoint::after_step(number);
        Ok(done)
    }

    fn publish(&self, run: &str) {
        self.app.events.publish(Topic::Pipelines, Some(run));
    }

    /// Lets waiting runs start as their pipelines say.
    async fn let_in(&self) -> Result<()> {
        for (pipeline, turns) in self.app.db.read(turns).await? {
            for turn in turns {
                let id = match &turn {
                    Turn::Start { id } | Turn::Skip { id, .. } | Turn::Cancel { id, .. } | Turn::Hold { id, .. } => {
                        id.clone()
                    }
                };
                let changed = self.write(move |conn| steps::turn(conn, turn)).await?;
                tracing::debug!(pipeline.id = pipeline, pipeline.run = id, "turn of run {id}");
                for (kind, subject) in changed {
                    kinds::announce(&self.app, kind, subject.as_deref());
                }
                self.publish(&id);
            }
        }
        Ok(())
    }

    /// Takes a run as far as it goes now.
    async fn advance(&self, id: &str) -> Result<()> {
        for _ in 0..MOST_ROUNDS {
            let wanted = id.to_owned();
            let (mut loaded, seen) = self.app.db.read(move |conn| look(conn, &wanted)).await?;
            // Cancelled between two rounds.
            if loaded.row.state != RunState::Running.as_str() {
                return Ok(());
            }
            for (place, seen) in seen {
                if let Some(row) = loaded.run.rows.iter_mut().find(|row| row.place == place) {
                    row.seen = Some(seen);
                }
            }
            self.look_at_checks(&mut loaded);
            let planned = plan::plan(&loaded.spec, &loaded.run, now_ms());
            if planned.is_empty() {
                return Ok(());
            }
            let (loaded, mut moved) = (Arc::new(loaded), false);
            for step in planned {
                moved |= self.take(&loaded, step).await?;
            }
            self.publish(id);
            if !moved {
                return Ok(());
            }
        }
        tracing::error!(pipeline.run = id, "run {id} takes steps without end; it goes on in the next pass");
        Ok(())
    }

    fn look_at_checks(&self, loaded: &mut running::Loaded) {
        let is_check = |task: &str| loaded.spec.task(task).is_some_and(|task| task.kind == TaskKind::Validate);
        let latest = runs::latest(&loaded.tries);
        for row in latest.iter().filter(|row| row.state == TaskState::Running.as_str() && is_check(&row.task)) {
            // A task that fans out has no subject as a whole.
            if row.subject.is_none() {
                continue;
            }
            let seen = self.checks.look(&self.app, row, &self.waker);
            if let Some(planned) = loaded.run.rows.iter_mut().find(|planned| planned.place == row.place()) {
                planned.seen = Some(seen);
            }
        }
    }
}

fn running_runs(conn: &mut Conn) -> Result<Vec<String>> {
    let open = runs::open(conn)?;
    Ok(open.into_iter().filter(|run| run.state == "running").map(|run| run.id).collect())
}

/// A run, and how that which its tasks started is getting on.
fn look(conn: &mut Conn, id: &str) -> Result<(running::Loaded, Vec<(plan::Place, plan::Seen)>)> {
    let loaded = running::load(conn, id)?;
    let mut seen = vec![];
    for row in runs::latest(&loaded.tries).iter().filter(|row| row.state == TaskState::Running.as_str()) {
        let Some(task) = loaded.spec.task(&row.task) else { continue };
        if let Some(found) = kinds::look(conn, task.kind, row)? {
            seen.push((row.place(), found));
        }
    }
    Ok((loaded, seen))
}

/// By pipeline: what becomes of its waiting runs, without those that already wait for that reason.
fn turns(conn: &mut Conn) -> Result<Vec<(String, Vec<Turn>)>> {
    let open = runs::open(conn)?;
    let mut found = vec![];
    for of_one in open.chunk_by(|a, b| a.pipeline_id == b.pipeline_id) {
        if of_one.iter().all(|run| run.state == "running") {
            continue;
        }
        let pipeline = store::by_id(conn, &of_one[0].pipeline_id)?;
        let rule = store::version(conn, &pipeline, pipeline.last_version)?.spec()?.concurrency;
        let standing = |run: &runs::RunRow| {
            Ok(Standing {
                id: run.id.clone(),
                number: run.number,
                state: run.state()?,
                again: run.started_at.is_some(),
            })
        };
        let standing: Vec<Standing> = of_one.iter().map(standing).collect::<Result<_>>()?;
        let is_news = |turn: &Turn| match turn {
            Turn::Hold { id, reason } => of_one.iter().any(|run| run.id == *id && run.reason.as_ref() != Some(reason)),
            _ => true,
        };
        let turns: Vec<Turn> = admit::admit(rule, &standing).into_iter().filter(is_news).collect();
        if !turns.is_empty() {
            found.push((pipeline.id, turns));
        }
    }
    Ok(found)
}
