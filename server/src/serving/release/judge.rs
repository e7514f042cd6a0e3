//! The judge, which looks at every candidate and moves its release on.
//!
//! A part of the deployer's pass. Only what may be forgotten is in memory: since when requests of a step are counted, and how many bad
//! looks there were in a row; both begin anew with each step and each start of the server. An A/B test has no steps: what its book counted
//! since it began is judged, whatever kills there were.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use drydock_wire::serving::{Analysis, MetricLimit, MetricSeen, ReleaseLook, ReleasePlan};

use super::assign::Side;
use super::book::Book;
use super::rules::{self, Facts, Measured, Move, State, next_move};
use super::store::{self, ReleaseRow};
use super::{RevisionRow, abort, promote, revision_of, revisions, roll_back};
use crate::app::App;
use crate::clock;
use crate::db::Conn;
use crate::error::Result;
use crate::serving::gateway::Gateway;
use crate::serving::gateway::tally::Counts;
use crate::serving::replicas::probes;
use crate::serving::rules::RevisionState;
use crate::serving::{announce, last_words, show, write_move};

/// Looks at a candidate are this far apart.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A candidate whose health check is silent this often in a row is taken out.
const SILENT_AT_MOST: u32 = 3;

/// Moves releases on.
pub struct Judge {
    app: App,
    gateway: Gateway,
    seen: Mutex<HashMap<String, Seen>>,
}

/// What this server has seen of a candidate in its present step.
#[derive(Debug, Clone, Default)]
struct Seen {
    step: i64,
    looked_at: Option<Instant>,
    look: Option<ReleaseLook>,
    bad_looks: u32,
    silent: u32,
}

/// A release with the rows that it is about.
struct Case {
    deployment: String,
    release: ReleaseRow,
    candidate: RevisionRow,
    /// The revision that is live beside it.
    live: Option<RevisionRow>,
}

impl Judge {
    pub fn new(app: App, gateway: Gateway) -> Self {
        Self { app, gateway, seen: Mutex::default() }
    }

    /// Looks at every open release and takes one move for each; whether there are any that run.
    pub async fn pass(&self, probe: &reqwest::Client) -> Result<bool> {
        let cases = self.app.db.read(cases).await?;
        self.seen().retain(|id, _| cases.iter().any(|case| case.release.id == *id));
        let mut running = false;
        let mut first_error = Ok(());
        for case in cases {
            running |= case.candidate.state()? == RevisionState::Candidate;
            if let Err(error) = self.one(case, probe).await {
                tracing::warn!(error.chain = ?error.source, "judge of releases: {error}");
                first_error = first_error.and(Err(error));
            }
        }
        first_error.map(|()| running)
    }

    async fn one(&self, case: Case, probe: &reqwest::Client) -> Result<()> {
        let (plan, state, candidate) = (case.release.plan()?, case.release.state()?, case.candidate.state()?);
        let seen =
            if candidate == RevisionState::Candidate { self.look(&case, &plan, probe).await? } else { Seen::default() };
        let facts = Facts {
            plan: &plan,
            state,
            step: case.release.place(),
            in_step: since(case.release.step_began_at),
            paused: case.release.paused,
            candidate,
            candidate_reason: case.candidate.reason.as_deref(),
            illness: illness(&case.candidate, &seen)?,
            look: seen.look.as_ref(),
            bad_looks: seen.bad_looks,
            counted: self.gateway.book(&case.release.id).map_or(0, |book| book.counted()),
            now: clock::now_ms(),
        };
        let next = next_move(&facts);
        if next == Move::Nothing {
            return Ok(());
        }
        tracing::info!(
            deployment.name = case.deployment,
            release.revision = case.release.revision,
            ?next,
            "release moves"
        );
        let next = self.with_last_words(next, &facts, &case.candidate).await;
        let (release, now) = (case.release, clock::now_ms());
        write_move(&self.app, move |conn| take(conn, &release, &plan, next, now)).await?;
        show(&self.app, &self.gateway).await?;
        announce(&self.app, &case.deployment);
        Ok(())
    }

    /// What is known of the candidate, with a new look if one is due.
    async fn look(&self, case: &Case, plan: &ReleasePlan, probe: &reqwest::Client) -> Result<Seen> {
        let known = self.seen().get(&case.release.id).filter(|seen| seen.step == case.release.step).cloned();
        let begins = known.is_none();
        let mut seen = known.unwrap_or(Seen { step: case.release.step, ..Seen::default() });
        if begins {
            self.gateway.count_anew(&case.candidate.id);
            case.live.iter().for_each(|live| self.gateway.count_anew(&live.id));
            seen.looked_at = Some(Instant::now());
        } else if seen.looked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            seen.looked_at = Some(Instant::now());
            seen.silent = if self.answers(&case.candidate, probe).await { 0 } else { seen.silent + 1 };
            if let Some(analysis) = plan.analysis() {
                let measured = self.measured(case, plan, analysis);
                let look = rules::look(analysis, measured, clock::now_ms(), case.release.place());
                seen.bad_looks = if look.broken.is_empty() { 0 } else { seen.bad_looks + 1 };
                self.keep(case, &look).await?;
                seen.look = Some(look);
            }
        }
        self.seen().insert(case.release.id.clone(), seen.clone());
        Ok(seen)
    }

    /// What both did: since the step began, and of reported metrics, and in an A/B test of all, in the whole release.
    fn measured(&self, case: &Case, plan: &ReleasePlan, analysis: &Analysis) -> Measured {
        let book = self.gateway.book(&case.release.id);
        let seen = |limit: &MetricLimit| {
            let of_candidate =
                book.as_ref().map(|book| book.metric(&limit.metric, Side::Candidate)).unwrap_or_default();
            MetricSeen { metric: limit.metric.clone(), reports: of_candidate.count, mean: of_candidate.mean() }
        };
        let metrics = analysis.metrics.iter().map(seen).collect();
        let [candidate, stable] = counted(plan, book.as_deref(), || {
            let of = |revision: &RevisionRow| self.gateway.counts(&revision.id);
            [of(&case.candidate), case.live.as_ref().map(of).unwrap_or_default()]
        });
        Measured { candidate, stable, metrics }
    }

    async fn keep(&self, case: &Case, look: &ReleaseLook) -> Result<()> {
        let (release, look) = (case.release.clone(), look.clone());
        self.app.db.write(move |conn| store::add_look(conn, &release, look)).await?;
        self.app.events.publish(drydock_wire::events::Topic::Deployments, Some(&case.deployment));
        Ok(())
    }

    /// Whether the candidate says that it can predict. One that is not routed is ill anyway.
    async fn answers(&self, candidate: &RevisionRow, probe: &reqwest::Client) -> bool {
        let Some(run) = candidate.routed() else { return true };
        // one whose rows cannot be read is no reason to take it out
        let Ok(served_by) = candidate.served_by() else { return true };
        probes::plan(&served_by).readiness.once(probe, run.address).await.is_ok()
    }

    /// An illness is told with what the container printed last.
    async fn with_last_words(&self, next: Move, facts: &Facts<'_>, candidate: &RevisionRow) -> Move {
        match next {
            Move::RollBack(why) if facts.illness.is_some() => {
                Move::RollBack(last_words::added_to(&self.app, &candidate.id, why).await)
            }
            other => other,
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the candidate and the live revision did: in an A/B test since it began, else since the step began.
fn counted(plan: &ReleasePlan, book: Option<&Book>, of_step: impl FnOnce() -> [Counts; 2]) -> [Counts; 2] {
    match (plan, book) {
        (ReleasePlan::Ab(_), Some(book)) => [Side::Candidate, Side::Live].map(|side| book.counts(side)),
        _ => of_step(),
    }
}

/// Why the candidate cannot be asked any more.
fn illness(candidate: &RevisionRow, seen: &Seen) -> Result<Option<String>> {
    if candidate.state()? != RevisionState::Candidate {
        return Ok(None);
    }
    if candidate.routed().is_none() {
        let how = candidate.reason.as_deref().unwrap_or("nothing is known of why");
        return Ok(Some(format!("Its container does not run any more: {how}")));
    }
    let is_silent = seen.silent >= SILENT_AT_MOST;
    Ok(is_silent.then(|| format!("Its health check did not answer {SILENT_AT_MOST} times in a row.")))
}

fn since(at: i64) -> Duration {
    Duration::from_millis(u64::try_from(clock::now_ms() - at).unwrap_or_default())
}

fn cases(conn: &mut Conn) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let names: HashMap<String, String> = revisions::all(conn)?.into_iter().map(|row| (row.id, row.name)).collect();
    for release in store::open(conn)? {
        let candidate = revision_of(conn, &release)?;
        let all = revisions::revisions_of(conn, &release.deployment_id)?;
        let live = crate::serving::views::live(&all)?.cloned();
        let deployment = names.get(&release.deployment_id).cloned().unwrap_or_default();
        cases.push(Case { deployment, release, candidate, live });
    }
    Ok(cases)
}

/// Writes one move, if the release still is where it was decided upon.
fn take(conn: &mut Conn, release: &ReleaseRow, plan: &ReleasePlan, next: Move, now: i64) -> Result<()> {
    let present = store::open_of(conn, &release.deployment_id)?;
    let is_as_decided =
        present.is_some_and(|it| (&it.id, it.step, it.paused) == (&release.id, release.step, release.paused));
    if !is_as_decided {
        return Ok(());
    }
    match next {
        Move::Nothing => Ok(()),
        Move::NextStep => {
            store::set_step(conn, &release.id, release.step, release.step + 1, now)?;
            store::note(conn, &release.id, None, &rules::step_note(plan, release.place() + 1), now)
        }
        Move::Promote(why) => promote(conn, release, &why, None, now),
        Move::RollBack(why) => roll_back(conn, release, &why, now),
        Move::TakeBack(why) => abort(conn, release, &why, None, now),
        Move::Close(state, reason) => {
            store::close(conn, &release.id, state, reason.as_deref(), now)?;
            let what = match (state, plan) {
                (State::RolledBack, ReleasePlan::Recreate) => {
                    format!("It failed before it was live; revision {} goes on.", release.stable)
                }
                (State::RolledBack, _) => "It failed before it was live.".to_owned(),
                _ => "It is over.".to_owned(),
            };
            store::note(conn, &release.id, None, &what, now)
        }
    }
}

#[cfg(test)]
mod tests {
    use drydock_wire::serving::{Ab, Assign};

    use super::super::book::{Kept, Title};
    use super::*;

    #[test]
    fn an_a_b_test_is_judged_by_all_that_its_book_counted_and_a_canary_by_its_step() {
        let ab = Ab { weight: 50, assign: Assign::Caller, end: None, analysis: None, keep_old_s: 600 };
        let of = |requests, failed| Counts { requests, failed, ..Counts::default() };
        let since_start = || [of(2, 0), of(3, 0)];
        for (plan, expected) in
            [(ReleasePlan::Ab(ab), [of(40, 9), of(50, 1)]), (ReleasePlan::usual_canary(), [of(2, 0), of(3, 0)])]
        {
            let title =
                Title { release_id: "r".into(), deployment_id: "d".into(), plan: plan.clone(), candidate: 2, live: 1 };
            // as a server that was killed opens it again
            let book = Book::open(title, Kept { candidate: of(40, 9), live: of(50, 1), ..Kept::default() });
            assert_eq!(counted(&plan, Some(&book), since_start), expected);
            assert_eq!(counted(&plan, None, since_start), since_start());
        }
    }
}
