//! What attempts use while they run: a look at each every two seconds, a row per minute, kept for 30 days.
//!
//! The present minute is in memory only; a server that is killed loses at most that. The attempt's highest memory is raised in its row
//! as it grows, and once more when it has ended.

mod rows;
mod series;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use actix_web::{get, web};
use drydock_appliance::{
    containers::{Engine, Usage},
    devices,
};
use drydock_wire::{ErrorBody, samples::JobSamples};
use futures_util::{StreamExt, future::BoxFuture, stream};
use serde::Deserialize;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{logs, store};
use crate::{
    accounts::{self, Principal, action},
    app::App,
    background::Task,
    clock,
    db::Conn,
    devices::names,
    error::{Error, Result},
    workloads::{self, Kind},
};
use series::Sample;

const PERIOD: Duration = Duration::from_secs(2);
/// Looks at containers that run side by side: Docker takes up to a second for each.
const LOOKS_AT_ONCE: usize = 16;
const KEPT_MS: i64 = 30 * 24 * 3600 * 1000;
const CLEAN_UP: Duration = Duration::from_secs(3600);
const USUAL_POINTS: usize = 600;
const MOST_POINTS: usize = 5_000;

/// Job and number of an attempt.
type Of = (String, i64);

/// The present minutes of the attempts that run. Cheap to clone; one for the task and the route.
#[derive(Clone, Default)]
pub struct Samples(Arc<Mutex<BTreeMap<Of, Open>>>);

/// What is known of an attempt that runs.
#[derive(Default)]
struct Open {
    before: Option<Usage>,
    /// Not in the database yet.
    samples: Vec<Sample>,
    peak_bytes: u64,
    told_peak_bytes: u64,
}

impl Samples {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Of, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self, of: &Of) -> Vec<Sample> {
        self.lock().get(of).map(|open| open.samples.clone()).unwrap_or_default()
    }
}

/// A container to look at.
struct Running {
    of: Of,
    container: String,
    gpu_uuids: Vec<String>,
}

/// Looks at every attempt that runs.
pub struct Sampler {
    app: App,
    samples: Samples,
    cleaned: Mutex<Option<Instant>>,
}

impl Task for Sampler {
    fn name(&self) -> &'static str {
        "job-sampler"
    }

    fn period(&self) -> Duration {
        PERIOD
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.pass())
    }
}

impl Sampler {
    pub fn new(app: App, samples: Samples) -> Self {
        Self { app, samples, cleaned: Mutex::default() }
    }

    async fn pass(&self) -> Result<()> {
        let running = self.app.db.read(running).await?;
        let reading = devices::read(&self.app.data_dir).await;
        let look =
            |place: usize, container: String, engine: Engine| async move { (place, engine.usage(&container).await) };
        let looks: Vec<_> = (running.iter().enumerate())
            .map(|(place, one)| look(place, one.container.clone(), self.app.engine.clone()))
            .collect();
        let mut looks = stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE);
        while let Some((place, usage)) = looks.next().await {
            let one = &running[place];
            // One that ended meanwhile, or Docker away: the next pass knows more.
            let Ok(Some(usage)) = usage else { continue };
            let is_own = |pid| devices::container_of(pid).as_deref() == Some(one.container.as_str());
            let own = reading.gpus.iter().filter(|gpu| one.gpu_uuids.contains(&gpu.uuid));
            let gpus = own.map(|gpu| series::of_gpu(gpu, is_own)).collect();
            let mut all = self.samples.lock();
            let open = all.entry(one.of.clone()).or_default();
            let sample = open.before.as_ref().and_then(|before| series::between(before, &usage, gpus));
            open.samples.extend(sample);
            open.before = Some(usage);
            open.peak_bytes = open.peak_bytes.max(usage.peak_memory_bytes.unwrap_or(usage.memory_bytes));
        }
        self.write(&running).await?;
        self.clean_up().await
    }

    /// Writes the minutes that are over, and everything of attempts that ended.
    async fn write(&self, running: &[Running]) -> Result<()> {
        let due: Vec<(Of, bool)> = {
            let all = self.samples.lock();
            let minute = rows::minute_of(clock::now_ms());
            let is_due = |open: &Open| {
                let first = open.samples.first().is_some_and(|sample| rows::minute_of(sample.at) < minute);
                first || open.peak_bytes > open.told_peak_bytes + open.told_peak_bytes / 16
            };
            all.iter()
                .map(|(of, open)| (of.clone(), open, !running.iter().any(|one| one.of == *of)))
                .filter(|(_, open, ended)| *ended || is_due(open))
                .map(|(of, _, ended)| (of, ended))
                .collect()
        };
        for (of, ended) in due {
            self.write_one(of, ended).await?;
        }
        Ok(())
    }

    async fn write_one(&self, of: Of, ended: bool) -> Result<()> {
        let (minutes, peak) = {
            let all = self.samples.lock();
            let Some(open) = all.get(&of) else { return Ok(()) };
            let now = rows::minute_of(clock::now_ms());
            let mut minutes: BTreeMap<i64, Vec<Sample>> = BTreeMap::new();
            for sample in open.samples.iter().filter(|sample| ended || rows::minute_of(sample.at) < now) {
                minutes.entry(rows::minute_of(sample.at)).or_default().push(sample.clone());
            }
            (minutes, open.peak_bytes)
        };
        let last = minutes.values().flatten().map(|sample| sample.at).max();
        let (job, number) = of.clone();
        let write = move |conn: &mut Conn| {
            let attempts = store::attempts(conn, &job)?;
            let Some(attempt) = attempts.into_iter().find(|attempt| attempt.number == number) else { return Ok(true) };
            for (minute, samples) in minutes {
                rows::add(conn, &job, number, minute, &samples)?;
            }
            rows::raise_peak(conn, &job, number, peak)?;
            Ok(attempt.state.is_final())
        };
        let over = self.app.db.write(write).await?;
        let mut all = self.samples.lock();
        if let Some(open) = all.get_mut(&of) {
            open.samples.retain(|sample| last.is_none_or(|last| sample.at > last));
            open.told_peak_bytes = peak;
        }
        // Until its end is recorded the keeper may write the attempt's row as it knew it, without the peak.
        if ended && over {
            all.remove(&of);
        }
        Ok(())
    }

    async fn clean_up(&self) -> Result<()> {
        {
            let mut cleaned = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner);
            if cleaned.is_some_and(|at| at.elapsed() < CLEAN_UP) {
                return Ok(());
            }
            *cleaned = Some(Instant::now());
        }
        let before = clock::now_ms() - KEPT_MS;
        self.app.db.write(move |conn| rows::delete_before(conn, before)).await
    }
}

fn running(conn: &mut Conn) -> Result<Vec<Running>> {
    let mut found = vec![];
    for (workload, observed) in workloads::running(conn, Kind::Job)? {
        let is_present = observed.generation == workload.generation;
        if let Some(container) = observed.container_id.filter(|_| is_present) {
            let of = (workload.owner, workload.generation);
            found.push(Running { of, container, gpu_uuids: workload.spec.gpu_uuids });
        }
    }
    Ok(found)
}

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(job_samples);
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Number of the attempt; the latest if not said.
    attempt: Option<i64>,
    /// Instants from this one on, in milliseconds since 1970.
    since: Option<i64>,
    /// At most so many instants, 1 to 5,000; 600 if not said.
    points: Option<usize>,
}

/// What an attempt used while it ran: processor, memory, disk, network and GPUs, every two seconds.
#[utoipa::path(tag = "jobs", params(Asked),
    responses((status = 200, body = JobSamples), (status = 404, body = ErrorBody)))]
#[get("/jobs/{id}/samples")]
async fn job_samples(
    app: web::Data<App>,
    all: web::Data<Samples>,
    who: Principal,
    id: web::Path<String>,
    asked: web::Query<Asked>,
) -> Result<web::Json<JobSamples>> {
    let _auth = accounts::authorize(&who, action::View, &who.project)?;
    let number = logs::attempt(&app, &id, asked.attempt).await?;
    let points = asked.points.unwrap_or(USUAL_POINTS);
    if !(1..=MOST_POINTS).contains(&points) {
        return Err(Error::invalid(format!("points: 1 to {MOST_POINTS}.")));
    }
    let since = asked.since.unwrap_or(0);
    let of = (id.into_inner(), number);
    let job = of.0.clone();
    let known = app.db.read(move |conn| {
        let found = store::require(conn, &job)?;
        let attempt = store::attempts(conn, &job)?.into_iter().find(|attempt| attempt.number == number);
        Ok((rows::since(conn, &job, number, since)?, found.spec.resources, attempt, names(conn)?))
    });
    let (mut samples, resources, attempt, names) = known.await?;
    let last = samples.last().map_or(i64::MIN, |sample| sample.at);
    samples.extend(all.waiting(&of).into_iter().filter(|sample| sample.at > last && sample.at >= since));
    let peak = attempt.and_then(|attempt| attempt.peak_memory_bytes).and_then(|peak| u64::try_from(peak).ok());
    let mut columns = series::columns(&samples, points);
    series::name(&mut columns.gpus, &names);
    Ok(web::Json(JobSamples {
        attempt: number,
        peak_memory_bytes: peak,
        cpus_limit: resources.cpus,
        memory_limit_bytes: resources.memory_bytes,
        ..columns
    }))
}
