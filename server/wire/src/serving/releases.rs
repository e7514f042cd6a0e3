//! Releases: how a new revision takes over from the one that is live.

/// How long a replaced revision is kept running where nothing else is said.
pub const KEEP_OLD_S: u64 = 600;

fn keep_old_s() -> u64 {
    KEEP_OLD_S
}

fn yes() -> bool {
    true
}

wire! {
    /// How a revision comes in. The word is in `strategy`.
    #[serde(tag = "strategy", rename_all = "snake_case")]
    pub enum ReleasePlan {
        /// It takes over as soon as it answers.
        Rolling,
        /// It waits beside the live one, to be tried with the header `X-Drydock-Revision`, until somebody promotes it.
        BlueGreen(BlueGreen),
        /// It gets a growing share of the requests, and is judged by what the gateway measures.
        Canary(Canary),
    }

    #[serde(deny_unknown_fields)]
    pub struct BlueGreen {
        /// Promoted by itself after so many seconds; absent: only by a person.
        #[serde(default)]
        pub auto_promote_after_s: Option<u64>,
        /// How long the replaced revision is kept running, so that one can switch back at once.
        #[serde(default = "keep_old_s")]
        pub keep_old_s: u64,
    }

    #[serde(deny_unknown_fields)]
    pub struct Canary {
        /// One after the other, with growing weights.
        pub steps: Vec<CanaryStep>,
        #[serde(default)]
        pub analysis: Analysis,
        /// Promoted by itself after the last step; else it waits for a person there.
        #[serde(default = "yes")]
        pub automatic: bool,
        /// How long the replaced revision is kept running, so that one can switch back at once.
        #[serde(default = "keep_old_s")]
        pub keep_old_s: u64,
    }

    #[derive(Copy, Eq)]
    #[serde(deny_unknown_fields)]
    pub struct CanaryStep {
        /// Percent of the requests, 1 to 99.
        pub weight: u32,
        /// It takes at least so many seconds, and as long as the analysis has too few requests.
        pub hold_s: u64,
    }

    /// Limits that the candidate must keep; they are looked at every few seconds over all requests of the step.
    #[serde(default, deny_unknown_fields)]
    pub struct Analysis {
        /// With fewer requests nothing is judged and no step ends.
        pub min_requests: u64,
        /// Percent, as 99.5. Not successful are no answers, answers of 500 and above, and those of 400 and above as far as
        /// the live revision gives fewer of them.
        pub min_success_rate: Option<f64>,
        pub max_p50_ms: Option<f64>,
        pub max_p95_ms: Option<f64>,
        pub max_p99_ms: Option<f64>,
        /// So many bad looks in a row roll it back.
        pub max_failures: u32,
    }

    /// `GET /api/v1/deployments/{name}/release`.
    pub struct ReleasePage {
        /// The release that goes on now.
        pub current: Option<Release>,
        /// Those that are over, newest first.
        pub history: Vec<Release>,
        /// The revisions that run, and what each got of the requests.
        pub shares: Vec<ReleaseShare>,
    }

    pub struct Release {
        pub id: String,
        /// Number of the candidate.
        pub revision: i64,
        /// Number of the revision that it is to replace.
        pub stable: i64,
        pub plan: ReleasePlan,
        /// `starting`, `running`, `waiting` (for a person), `promoted`, `rolled_back` or `replaced`.
        pub state: String,
        /// Step of a canary, from 0; as many as it has steps: all are done.
        pub step: u32,
        pub step_began_at: i64,
        pub paused: bool,
        /// Percent of the requests that the candidate gets now.
        pub weight: u32,
        /// Why it ended as it did.
        pub reason: Option<String>,
        /// What it waits for now.
        pub waits_for: Option<String>,
        pub began_at: i64,
        pub began_by: String,
        pub ended_at: Option<i64>,
        /// What the analysis saw, oldest first: the last look of each step, and more of the present one.
        pub looks: Vec<ReleaseLook>,
        /// Who did what, oldest first.
        pub events: Vec<ReleaseEvent>,
    }

    /// What was measured of the candidate since its step began.
    pub struct ReleaseLook {
        pub at: i64,
        pub step: u32,
        pub requests: u64,
        pub failed: u64,
        /// Percent.
        pub success_rate: Option<f64>,
        pub p50_ms: Option<f64>,
        pub p95_ms: Option<f64>,
        pub p99_ms: Option<f64>,
        /// There were requests enough to judge.
        pub judged: bool,
        /// The limits that it broke, in words.
        pub broken: Vec<String>,
    }

    pub struct ReleaseEvent {
        pub at: i64,
        /// Absent: Drydock itself.
        pub by: Option<String>,
        pub what: String,
    }

    pub struct ReleaseShare {
        pub revision: i64,
        /// `live`, `candidate` or `warm`.
        pub state: String,
        /// Percent of the requests that it is to get.
        pub weight: u32,
        /// Since the step began, or since the server started.
        pub requests: u64,
        pub failed: u64,
        pub p95_ms: Option<f64>,
    }

    /// `POST /api/v1/deployments/{name}/rollback`.
    #[derive(Default)]
    #[serde(default, deny_unknown_fields)]
    pub struct RollBack {
        /// Number of the revision to go back to; absent: the one that was live before.
        pub revision: Option<i64>,
    }
}

impl Default for Analysis {
    fn default() -> Self {
        Self {
            min_requests: 50,
            min_success_rate: Some(99.0),
            max_p50_ms: None,
            max_p95_ms: None,
            max_p99_ms: None,
            max_failures: 2,
        }
    }
}

impl ReleasePlan {
    /// 5 %, 25 % and 50 %, a minute each, with 99 % of success.
    pub fn usual_canary() -> Self {
        let steps = [5, 25, 50].map(|weight| CanaryStep { weight, hold_s: 60 }).to_vec();
        Self::Canary(Canary { steps, analysis: Analysis::default(), automatic: true, keep_old_s: KEEP_OLD_S })
    }

    /// The word in `strategy`.
    pub fn strategy(&self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::BlueGreen(_) => "blue_green",
            Self::Canary(_) => "canary",
        }
    }
}
