//! Care for the store: what fills the disk, what can go, and what was found damaged, with what needs it. Reads across
//! features, changes nothing but the start of a scrub.

mod routes;
mod store;

use std::time::Duration;

use drydock_wire::store::{DamagedBlob, ReclaimKind, Reclaimable, StoreEngine, StoreState, StoreUse};
use serde_json::json;

pub use routes::configure;

use crate::{
    accounts::{self, Authorized, action},
    app::App,
    datasets,
    error::Result,
    objects::{damage, engine::EngineState, referrers::Referrers, scrub},
    remembered::Remembered,
};

/// Counting over all that is kept takes seconds on a large box: asked again within this, the answer is the one of before.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Damaged contents that are shown with what needs them; of all there are the number is told.
const MOST_DAMAGED: i64 = 100;

/// The handle of this feature; cheap to clone.
#[derive(Clone)]
pub struct Upkeep {
    counted: Remembered<Counted>,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self { counted: Remembered::new(REMEMBERED) }
    }
}

#[derive(Clone)]
struct Counted {
    uses: Vec<StoreUse>,
    reclaimable: Vec<Reclaimable>,
}

/// All of the page.
pub async fn state(app: &App, upkeep: &Upkeep, auth: &Authorized<action::View>) -> Result<StoreState> {
    let mut counted = upkeep.counted.get(count(app)).await?;
    let rate = app.config.disk.scrub_bytes_per_s;
    let (totals, scrub, damaged_count, mut damaged) = app
        .db
        .read(move |conn| {
            let referrers = Referrers::load(conn)?;
            let damaged = damage::latest(conn, MOST_DAMAGED)?
                .into_iter()
                .map(|one| {
                    let needed_by = store::needed_by(conn, &referrers, &one.digest)?;
                    Ok(DamagedBlob {
                        digest: one.digest,
                        size_bytes: u64::try_from(one.size_bytes).unwrap_or(0),
                        found_at: one.found_at,
                        problem: one.problem,
                        needed_by,
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            Ok((crate::objects::store::totals(conn)?, scrub::state(conn, rate)?, damage::count(conn)?, damaged))
        })
        .await?;
    if !auth.principal().reach.sees_all() {
        // how much, not of what: a name may be of a project that is not there for them
        counted.uses.iter_mut().for_each(|one| one.name.clear());
        damaged.iter_mut().for_each(|one| one.needed_by.clear());
    }
    Ok(StoreState {
        engine: engine(app),
        disk: app.objects.room().state(),
        database_bytes: database_bytes(app),
        blob_count: totals.0,
        blob_bytes: totals.1,
        uses: counted.uses,
        reclaimable: counted.reclaimable,
        scrub,
        damaged_count: u64::try_from(damaged_count).unwrap_or(0),
        damaged,
    })
}

async fn count(app: &App) -> Result<Counted> {
    let (mut uses, mut reclaimable) = app.db.read(|conn| Ok((store::uses(conn)?, store::reclaimable(conn)?))).await?;
    let (count, size_bytes) = datasets::laid_out(app).await?;
    reclaimable.push(Reclaimable { kind: ReclaimKind::DatasetCache, count, size_bytes });
    uses.sort_by_key(|one| std::cmp::Reverse(one.size_bytes));
    reclaimable.retain(|one| one.count > 0);
    reclaimable.sort_by_key(|one| std::cmp::Reverse(one.size_bytes));
    Ok(Counted { uses, reclaimable })
}

fn database_bytes(app: &App) -> u64 {
    ["drydock.db", "drydock.db-wal"]
        .iter()
        .filter_map(|name| std::fs::metadata(app.data_dir.join(name)).ok())
        .map(|found| found.len())
        .sum()
}

/// Begins to read everything now, unless that is going on.
pub async fn start_scrub(app: &App, auth: &Authorized<action::Administer>) -> Result<()> {
    let who = auth.principal().clone();
    app.db
        .write(move |conn| {
            scrub::begin(conn)?;
            accounts::audit(conn, &who, "store.scrub", "store", json!({}))
        })
        .await?;
    app.background.waker(scrub::SCRUBBER).wake();
    Ok(())
}

fn engine(app: &App) -> StoreEngine {
    match app.objects.engine_state() {
        EngineState::Disk { path } => StoreEngine::Disk { path: path.display().to_string() },
        EngineState::S3(s3) => {
            StoreEngine::S3 { endpoint: s3.endpoint, bucket: s3.bucket, is_reachable: s3.problem.is_none() }
        }
    }
}
