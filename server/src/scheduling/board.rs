//! The last decision, in memory: why each job waits, and in what order they are looked at. Ten thousand reasons would be ten thousand
//! writes per decision; after a start the first decision fills this.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use drydock_wire::{
    Page,
    queues::{QueueOrder, QueuedJob},
};

use crate::{
    accounts::{
        Authorized, action,
        projects::{self, Kind},
    },
    app::App,
    db::Conn,
    error::Result,
};

use super::{
    load::{BoxRoom, JobRow, Loaded},
    rules::{Decision, Wait},
    share::{largest_gpu, to_wire, total},
};

/// Where the last decision is. One per server: `app.memory.of::<Board>()`.
#[derive(Default)]
pub struct Board {
    last: RwLock<Option<Arc<Last>>>,
}

/// A decision with what it was made from.
pub struct Last {
    pub loaded: Loaded,
    pub made: Decision,
    /// Index in `loaded.waiting`.
    known: HashMap<String, usize>,
}

impl Board {
    /// Puts up a decision.
    pub fn put(&self, loaded: Loaded, made: Decision) -> Arc<Last> {
        let known = loaded.waiting.iter().enumerate().map(|(at, job)| (job.id.clone(), at)).collect();
        let last = Arc::new(Last { loaded, made, known });
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some(last.clone());
        last
    }

    pub fn last(&self) -> Option<Arc<Last>> {
        self.last.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the job waits, for people; nothing of one that does not wait for its turn. `names`: of other jobs, too.
    pub fn words_of(&self, job: &str, names: bool) -> Option<String> {
        let last = self.last()?;
        let at = *last.known.get(job)?;
        Some(last.words(at, names)).filter(|words| !words.is_empty())
    }

    /// What waits, in order, from `offset` on.
    pub fn order(&self, queue: Option<&str>, offset: usize, limit: usize) -> QueueOrder {
        let Some(last) = self.last() else {
            let jobs = Page { items: vec![], total: 0, next: None };
            return QueueOrder { decided_at: None, total: Default::default(), using: Default::default(), jobs };
        };
        let capacity = &last.loaded.rows.capacity;
        let mut using = [0; 5];
        for one in &last.loaded.rows.running {
            using.iter_mut().zip(one.ask.amounts(largest_gpu(capacity))).for_each(|(used, more)| *used += more);
        }
        QueueOrder {
            decided_at: Some(last.loaded.rows.now),
            total: to_wire(&total(capacity)),
            using: to_wire(&using),
            jobs: last.page(queue, offset, limit),
        }
    }
}

/// The order as the asker may see it: of jobs in projects that are not there for them, their place alone.
pub async fn without_hidden(app: &App, auth: &Authorized<action::View>, mut order: QueueOrder) -> Result<QueueOrder> {
    let who = auth.principal().clone();
    if who.reach.sees_all() {
        return Ok(order);
    }
    let ids: Vec<String> = order.jobs.items.iter().map(|job| job.id.clone()).collect();
    let seen = move |conn: &mut Conn| {
        ids.iter().map(|id| projects::sees(conn, &who, Kind::Job, id)).collect::<Result<Vec<bool>>>()
    };
    for (job, seen) in order.jobs.items.iter_mut().zip(app.db.read(seen).await?) {
        if !seen {
            (job.id, job.name, job.submitted_by) = (String::new(), "another project's job".into(), String::new());
        }
        // words may name the job that is waited for
        job.reason = if seen { "It waits for its turn.".into() } else { String::new() };
    }
    Ok(order)
}

impl Last {
    /// The room of that decision.
    pub fn room(&self) -> BoxRoom {
        BoxRoom { capacity: self.loaded.rows.capacity.clone(), gpu_uuids: self.loaded.gpu_uuids.clone() }
    }

    fn page(&self, queue: Option<&str>, offset: usize, limit: usize) -> Page<QueuedJob> {
        let of_queue = |(_, at): &(usize, usize)| queue.is_none_or(|name| self.queue_name(*at) == name);
        let waits = |at: &usize| self.made.waits[*at] != Wait::Starts;
        let order = self.made.order.iter().copied().filter(waits);
        let all: Vec<(usize, usize)> = order.enumerate().filter(of_queue).collect();
        let items: Vec<QueuedJob> =
            all.iter().skip(offset).take(limit).map(|(number, at)| self.queued(*number, *at)).collect();
        let end = offset.saturating_add(items.len());
        Page { items, total: all.len() as u64, next: (end < all.len()).then(|| end.to_string()) }
    }

    fn queued(&self, number: usize, at: usize) -> QueuedJob {
        let job: &JobRow = &self.loaded.waiting[at];
        QueuedJob {
            position: number as u64 + 1,
            id: job.id.clone(),
            name: job.name.clone(),
            queue: self.queue_name(at).to_owned(),
            priority: job.priority,
            submitted_by: job.submitted_by.clone(),
            since: job.since,
            resources: job.resources(),
            reason: self.words(at, true),
            starts_by: self.made.head.filter(|(head, _)| *head == at).map(|(_, by)| by),
            attempts: u64::try_from(job.attempts).unwrap_or(0),
        }
    }

    fn queue_name(&self, at: usize) -> &str {
        let rows = &self.loaded.rows;
        &rows.queues[rows.waiting[at].queue].name
    }

    fn words(&self, at: usize, names: bool) -> String {
        let rows = &self.loaded.rows;
        let named = |id: u128| {
            let head = rows.waiting.iter().position(|job| names && job.id == id);
            head.map_or_else(|| "another job".to_owned(), |head| self.loaded.waiting[head].name.clone())
        };
        let words = self.made.waits[at].words(rows, &rows.waiting[at], named);
        match (&self.made.waits[at], &self.loaded.waiting[at].reason) {
            // why it tries again is the other half of it
            (Wait::Retry { .. }, Some(reason)) => format!("{}; {words}", reason.trim_end_matches('.')),
            _ => words,
        }
    }
}
