//! The scheduler: asks `scheduling` who starts, and starts them; has those stopped who make room for others.
//!
//! Always holds: a job that was decided to start holds its place while its files are laid out, so that nobody is given its room. What
//! it decides from is read anew each time; what it keeps in memory (places held, pauses on a clock that does not jump, use not yet
//! charged) can be lost with the process at no harm.

mod charges;
mod place;
mod room;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use drydock_wire::events::Topic;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::{container, files, publish, start::start, store};
use crate::{
    app::App,
    background::Task,
    clock,
    db::Conn,
    error::Result,
    scheduling::{self, Board, Held, Known, Last},
    workloads,
};

/// Files of so many jobs are laid out side by side.
const LAYOUTS_AT_ONCE: usize = 8;
/// The longest pause before a retry: a wall clock that went back prolongs none beyond it.
const LONGEST_PAUSE_MS: i64 = 6 * 60 * 1000;

/// Starts what is next.
pub struct Scheduler(Arc<Shared>);

struct Shared {
    app: App,
    held: Mutex<HashMap<String, place::Place>>,
    /// Until when jobs wait before their retry, with the instant of the wall clock that this stands for.
    pauses: Mutex<HashMap<String, (i64, Instant)>>,
    charged: Mutex<HashMap<String, charges::Charged>>,
    memory: Mutex<Before>,
    layouts: Semaphore,
}

/// The last pass.
#[derive(Default)]
struct Before {
    head: Option<(String, i64)>,
    waiting: usize,
    /// Until here, so that deciding over a long queue leaves the machine to others.
    rest_until: Option<Instant>,
}

impl Task for Scheduler {
    fn name(&self) -> &'static str {
        scheduling::SCHEDULER
    }

    fn period(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.pass())
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scheduler {
    pub fn new(app: App) -> Self {
        let shared = Shared {
            app,
            held: Mutex::default(),
            pauses: Mutex::default(),
            charged: Mutex::default(),
            memory: Mutex::default(),
            layouts: Semaphore::new(LAYOUTS_AT_ONCE),
        };
        Self(Arc::new(shared))
    }

    async fn pass(&self) -> Result<()> {
        let rest = lock(&self.0.memory).rest_until;
        if let Some(until) = rest {
            tokio::time::sleep_until(until.into()).await;
        }
        let began = Instant::now();
        let last = self.decide().await?;
        self.remember_pauses(&last);
        charges::running(&self.0, &last).await?;
        self.make_room(&last).await?;
        self.promise(&last).await?;
        self.begin(&last);
        self.tell(&last);
        self.wake_when_due(&last);
        lock(&self.0.memory).rest_until = Some(Instant::now() + began.elapsed().min(Duration::from_millis(50)));
        Ok(())
    }

    async fn decide(&self) -> Result<Arc<Last>> {
        let app = &self.0.app;
        let room = room::of(app).await?;
        place::give_up_old(&self.0).await?;
        charges::ended(&self.0).await?;
        let held = lock(&self.0.held).iter().map(|(id, place)| (id.clone(), place.held.clone())).collect();
        let least_run_ms = i64::try_from(app.config.limits.preempt_after_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        let (known, now) = (Known { held, pauses: self.pauses(), least_run_ms }, clock::now_ms());
        let decide = move |conn: &mut Conn| {
            let loaded = scheduling::load(conn, room, &known, now)?;
            let made = scheduling::decide(&loaded);
            Ok((loaded, made))
        };
        let (loaded, made) = app.db.read(decide).await?;
        Ok(app.memory.of::<Board>().put(loaded, made))
    }

    /// By the wall clock, as it is now.
    fn pauses(&self) -> HashMap<String, i64> {
        let now = clock::now_ms();
        let left = |until: &Instant| i64::try_from(until.saturating_duration_since(Instant::now()).as_millis());
        let pauses = lock(&self.0.pauses);
        pauses.iter().map(|(id, (_, until))| (id.clone(), now + left(until).unwrap_or(i64::MAX))).collect()
    }

    /// From the first look on, a clock counts that does not jump.
    fn remember_pauses(&self, last: &Last) {
        let now = last.loaded.rows.now;
        let mut pauses = lock(&self.0.pauses);
        let before = std::mem::take(&mut *pauses);
        for job in &last.loaded.waiting {
            let Some(not_before) = job.not_before else { continue };
            let known = before.get(&job.id).filter(|(of, _)| *of == not_before).copied();
            let left = (not_before - now).clamp(0, LONGEST_PAUSE_MS);
            let fresh = || (not_before, Instant::now() + Duration::from_millis(left.unsigned_abs()));
            pauses.insert(job.id.clone(), known.unwrap_or_else(fresh));
        }
    }

    /// Has those stopped who make room for the head.
    async fn make_room(&self, last: &Last) -> Result<()> {
        if last.made.preempt.is_empty() {
            return Ok(());
        }
        let head = last.made.head.map_or("another", |(head, _)| last.loaded.waiting[head].name.as_str());
        let words = format!("stopped for job {head}");
        let ids: Vec<String> = last.made.preempt.iter().map(|at| last.loaded.running[*at].id.clone()).collect();
        tracing::info!(job.ids = ids.join(" "), "making room: {} jobs are {words}", ids.len());
        let told = ids.clone();
        let stop =
            move |conn: &mut Conn| ids.iter().try_for_each(|id| workloads::stop_because(conn, id, "preempted", &words));
        self.0.app.db.write(stop).await?;
        workloads::wake(&self.0.app);
        told.iter().for_each(|id| publish(&self.0.app, id));
        Ok(())
    }

    /// Keeps who has the reservation, for the next decision and the next start of the server.
    async fn promise(&self, last: &Last) -> Result<()> {
        let head = last.made.head.map(|(head, by)| (last.loaded.waiting[head].id.clone(), by));
        if lock(&self.0.memory).head == head {
            return Ok(());
        }
        let kept = head.clone();
        self.0
            .app
            .db
            .write(move |conn| scheduling::promise(conn, kept.as_ref().map(|(id, by)| (id.as_str(), *by))))
            .await?;
        lock(&self.0.memory).head = head;
        Ok(())
    }

    /// Starts what was decided to start, and goes on with what still waits for its files.
    fn begin(&self, last: &Last) {
        for start in &last.made.start {
            let job = &last.loaded.waiting[start.job];
            let gpu_uuids = start.gpus.iter().map(|at| last.loaded.gpu_uuids[*at].clone()).collect();
            let held = Held { gpu_uuids, since: last.loaded.rows.now };
            lock(&self.0.held).insert(job.id.clone(), place::Place::new(job, held, start.in_turn));
        }
        let idle: Vec<String> = {
            let mut held = lock(&self.0.held);
            let idle = held.iter_mut().filter(|(_, place)| !place.busy);
            idle.map(|(id, place)| {
                place.busy = true;
                id.clone()
            })
            .collect()
        };
        for id in idle {
            tokio::spawn(place::fill(self.0.clone(), id));
        }
    }

    fn tell(&self, last: &Last) {
        let waiting = last.loaded.waiting.len() - last.made.start.len();
        let before = std::mem::replace(&mut lock(&self.0.memory).waiting, waiting);
        if before != waiting || !last.made.start.is_empty() || !last.made.preempt.is_empty() {
            self.0.app.events.publish(Topic::Queue, None);
        }
    }

    /// The first pause that ends before the next pass would be.
    fn wake_when_due(&self, last: &Last) {
        let due = lock(&self.0.pauses).values().map(|(_, until)| *until).filter(|until| *until > Instant::now()).min();
        let Some(due) = due.filter(|due| *due < Instant::now() + self.period()) else { return };
        if last.loaded.waiting.is_empty() {
            return;
        }
        let app = self.0.app.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until((due + Duration::from_millis(5)).into()).await;
            scheduling::wake(&app);
        });
    }
}
