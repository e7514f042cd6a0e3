//! From rows of the database to the rows of a decision. Columns only: no spec is parsed, so that ten thousand waiting jobs are read in
//! milliseconds.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    prelude::*,
    sql_types::{BigInt, Bool, Integer, Nullable, Text},
};
use drydock_wire::{jobs::Resources, queues::Caps};
use sha2::{Digest, Sha256};

use super::{
    rules::{Ask, Capacity, GpuAsk, NO_CAPS, Queue, Rows, Running, Waiting},
    share::faded,
    store::{self, QueueRecord},
};
use crate::{
    db::Conn,
    error::{Error, Result},
};

/// From SIGTERM to a container that is gone, beyond a job's own grace.
const END_MS: i64 = 30_000;

/// What the box has for jobs, and the names of its GPUs in the same order.
#[derive(Debug, Clone)]
pub struct BoxRoom {
    pub capacity: Capacity,
    pub gpu_uuids: Vec<String>,
}

/// A job that was let in by an earlier decision and has no attempt yet: its files are being laid out.
#[derive(Debug, Clone)]
pub struct Held {
    pub gpu_uuids: Vec<String>,
    /// Milliseconds since 1970.
    pub since: i64,
}

/// What is known beside the rows.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// By job: its files are being laid out.
    pub held: HashMap<String, Held>,
    /// Until when a job waits before its retry, where a clock that does not jump knows better than its row.
    pub pauses: HashMap<String, i64>,
    /// A job that has run for less is not stopped for another.
    pub least_run_ms: i64,
}

/// A job that has not ended, as a decision and a list see it.
#[derive(Debug, Clone, QueryableByName)]
pub struct JobRow {
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub queue_id: String,
    #[diesel(sql_type = Text)]
    pub person_id: String,
    #[diesel(sql_type = Text)]
    pub submitted_by: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub sweep_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub reason: Option<String>,
    #[diesel(sql_type = Integer)]
    pub priority: i32,
    #[diesel(sql_type = BigInt)]
    pub since: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub not_before: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub limit_s: Option<i64>,
    #[diesel(sql_type = BigInt)]
    pub cpus_milli: i64,
    #[diesel(sql_type = BigInt)]
    pub memory_bytes: i64,
    #[diesel(sql_type = BigInt)]
    pub disk_bytes: i64,
    #[diesel(sql_type = Integer)]
    pub gpus: i32,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub gpu_memory_bytes: Option<i64>,
    #[diesel(sql_type = Bool)]
    pub resumable: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub promised_by: Option<i64>,
    /// Of the attempt that has not ended.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub admitted_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub started_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub gpu_uuids: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub stop_cause: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub attempts: i64,
}

/// A decision's rows with what they came from.
pub struct Loaded {
    pub rows: Rows,
    pub queues: Vec<QueueRecord>,
    /// Of `rows.waiting`, in its order.
    pub waiting: Vec<JobRow>,
    /// Of `rows.running`, in its order.
    pub running: Vec<JobRow>,
    pub gpu_uuids: Vec<String>,
    /// Ids of people by number.
    pub people: Vec<String>,
}

impl JobRow {
    pub fn ask(&self) -> Ask {
        let amount = |value: i64| u64::try_from(value).unwrap_or(0);
        let gpu = match (self.gpus, self.gpu_memory_bytes) {
            (_, Some(bytes)) => GpuAsk::Share(amount(bytes)),
            (count, None) if count > 0 => GpuAsk::Whole(count.unsigned_abs()),
            _ => GpuAsk::None,
        };
        let (memory, disk) = (amount(self.memory_bytes), amount(self.disk_bytes));
        Ask { cpus_milli: amount(self.cpus_milli), memory, disk, gpu }
    }

    pub fn resources(&self) -> Resources {
        let amount = |value: i64| u64::try_from(value).unwrap_or(0);
        Resources {
            cpus: self.cpus_milli as f64 / 1000.0,
            memory_bytes: amount(self.memory_bytes),
            gpus: self.gpus.unsigned_abs(),
            gpu_memory_bytes: self.gpu_memory_bytes.map(amount),
            disk_bytes: (self.disk_bytes > 0).then(|| amount(self.disk_bytes)),
        }
    }
}

/// Everything a decision at `now` needs.
pub fn load(conn: &mut Conn, room: BoxRoom, known: &Known, now: i64) -> Result<Loaded> {
    let queues = store::all(conn)?;
    let index: HashMap<String, usize> = queues.iter().enumerate().map(|(at, queue)| (queue.id.clone(), at)).collect();
    let (mut people, mut groups) = (Numbers::default(), Numbers::default());
    let mut rows = Rows {
        now,
        capacity: room.capacity,
        queues: queues.iter().map(to_rule).collect(),
        groups: vec![],
        running: vec![],
        waiting: vec![],
        started: HashMap::new(),
        head: None,
        least_run_ms: known.least_run_ms,
        grace_ms: END_MS,
    };
    let mut loaded = (vec![], vec![]);
    let mut gpu_uuids = room.gpu_uuids;
    for job in unfinished(conn)? {
        let Some(queue) = index.get(&job.queue_id).copied() else { continue };
        let person = people.number(&job.person_id);
        let group = job.sweep_id.as_deref().map(|sweep| groups.number(sweep) as usize);
        let limit_ms = limit_ms(&job, &queues[queue]);
        let base = (number_of(&job.id), queue, person, group);
        let open = match known.held.get(&job.id) {
            Some(held) if job.admitted_at.is_none() => Some((held.since, held.gpu_uuids.clone())),
            _ => job.admitted_at.map(|at| (job.started_at.unwrap_or(at), gpus_of(&job))),
        };
        match open {
            Some((from, gpus)) => {
                let gpus = indices(&mut rows.capacity, &mut gpu_uuids, &gpus);
                rows.running.push(running(&job, base, gpus, from, limit_ms));
                loaded.1.push(job);
            }
            None => {
                if job.promised_by.is_some() {
                    rows.head = Some(base.0);
                }
                rows.waiting.push(waiting(&job, base, known.pauses.get(&job.id).copied(), limit_ms));
                loaded.0.push(job);
            }
        }
    }
    rows.groups = caps_of_sweeps(conn, &groups)?;
    add_lines(conn, &mut rows, &index, &mut people, now)?;
    let (waiting, running) = loaded;
    Ok(Loaded { rows, queues, waiting, running, gpu_uuids, people: people.names })
}

/// How long the job's container may live, its end included.
fn limit_ms(job: &JobRow, queue: &QueueRecord) -> i64 {
    let longest = i64::try_from(queue.settings.longest_s).unwrap_or(i64::MAX);
    job.limit_s.unwrap_or(longest).saturating_mul(1000).saturating_add(END_MS)
}

type Base = (u128, usize, u32, Option<usize>);

fn running(job: &JobRow, base: Base, gpus: Vec<usize>, from: i64, limit_ms: i64) -> Running {
    let (id, queue, person, group) = base;
    Running {
        id,
        queue,
        person,
        group,
        priority: job.priority,
        ask: job.ask(),
        gpus,
        started_at: from,
        ends_by: from.saturating_add(limit_ms),
        resumable: job.resumable,
        stopping: job.stop_cause.is_some(),
    }
}

fn waiting(job: &JobRow, base: Base, pause: Option<i64>, limit_ms: i64) -> Waiting {
    let (id, queue, person, group) = base;
    Waiting {
        id,
        queue,
        person,
        group,
        priority: job.priority,
        since: job.since,
        not_before: pause.or(job.not_before).unwrap_or(0),
        ask: job.ask(),
        limit_ms,
    }
}

/// Jobs that have not ended, each with its attempt that has not ended, if there is one.
fn unfinished(conn: &mut Conn) -> Result<Vec<JobRow>> {
    diesel::sql_query(
        "SELECT j.id, j.name, COALESCE(j.queue_id, 'default') AS queue_id, j.person_id, j.submitted_by, j.sweep_id, j.reason,
                j.priority, COALESCE(j.since, j.submitted_at) AS since, j.not_before, j.limit_s, j.cpus_milli, j.memory_bytes,
                j.disk_bytes, j.gpus, j.gpu_memory_bytes, j.resumable, j.promised_by, a.admitted_at, a.started_at, a.gpu_uuids,
                w.stop_cause, (SELECT COUNT(*) FROM job_attempts b WHERE b.job_id = j.id) AS attempts
         FROM jobs j
         LEFT JOIN job_attempts a ON a.job_id = j.id AND a.ended_at IS NULL
         LEFT JOIN workloads w ON w.id = j.id AND w.generation = a.number
         WHERE j.state IN ('queued', 'starting', 'running', 'cancelling')",
    )
    .load(conn)
    .map_err(Error::internal)
}

fn gpus_of(job: &JobRow) -> Vec<String> {
    job.gpu_uuids.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Numbers of these GPUs; one that is not in the box any more gets a number that nobody else can have.
fn indices(capacity: &mut Capacity, known: &mut Vec<String>, uuids: &[String]) -> Vec<usize> {
    let number = |uuid: &String| {
        known.iter().position(|one| one == uuid).unwrap_or_else(|| {
            known.push(uuid.clone());
            capacity.gpus.push(super::rules::Gpu { memory: 0, usable: false, sharable: false });
            known.len() - 1
        })
    };
    uuids.iter().map(number).collect()
}

/// A UUID as a number; other ids, which only sort among equals, by their hash.
fn number_of(id: &str) -> u128 {
    u128::from_str_radix(id, 16).unwrap_or_else(|_| {
        let digest = Sha256::digest(id.as_bytes());
        digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
    })
}

fn to_rule(queue: &QueueRecord) -> Queue {
    let settings = &queue.settings;
    Queue {
        name: queue.name.clone(),
        weight: u64::from(settings.weight),
        caps: caps(&settings.caps),
        person_caps: caps(&settings.person_caps),
        patience_ms: i64::try_from(settings.patience_s.saturating_mul(1000)).unwrap_or(i64::MAX),
        paused: settings.paused,
        preempts: settings.preempts,
        past: 0.0,
        persons_past: HashMap::new(),
    }
}

fn caps(caps: &Caps) -> super::rules::Caps {
    let thousandths = |value: f64| (value.max(0.0) * 1000.0).round() as u64;
    let mut all = NO_CAPS;
    all[super::rules::CPU] = caps.cpus.map(thousandths);
    all[super::rules::MEMORY] = caps.memory_bytes;
    all[super::rules::DISK] = caps.disk_bytes;
    all[super::rules::GPU] = caps.gpus.map(thousandths);
    all[super::rules::JOBS] = caps.jobs.map(u64::from);
    all
}

fn caps_of_sweeps(conn: &mut Conn, groups: &Numbers) -> Result<Vec<u64>> {
    use crate::db::schema::jobs::sweeps;
    let rows: Vec<(String, i32)> = sweeps::table
        .filter(sweeps::id.eq_any(&groups.names))
        .select((sweeps::id, sweeps::most_at_once))
        .load(conn)
        .map_err(Error::internal)?;
    let found: BTreeMap<String, i32> = rows.into_iter().collect();
    let cap = |name: &String| found.get(name).and_then(|most| u64::try_from(*most).ok()).unwrap_or(1);
    Ok(groups.names.iter().map(cap).collect())
}

fn add_lines(
    conn: &mut Conn,
    rows: &mut Rows,
    index: &HashMap<String, usize>,
    people: &mut Numbers,
    now: i64,
) -> Result<()> {
    for line in store::lines(conn)? {
        let Some(queue) = index.get(&line.queue_id).copied() else { continue };
        let person = people.number(&line.person_id);
        if let Some(turn_at) = line.turn_at {
            rows.started.insert((queue, person), turn_at);
        }
        let past = faded(line.used_hours, now - line.used_at);
        rows.queues[queue].past += past;
        rows.queues[queue].persons_past.insert(person, past);
    }
    Ok(())
}

/// Numbers for names, in the order in which they came.
#[derive(Default)]
struct Numbers {
    names: Vec<String>,
    known: HashMap<String, u32>,
}

impl Numbers {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.known.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.known.insert(name.to_owned(), number);
        number
    }
}
