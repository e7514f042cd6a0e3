//! Releases: how a new revision takes over from the one that is live.

/// How long a replaced revision is kept running where nothing else is said.
pub const KEEP_OLD_S: u64 = 600;

fn keep_old_s() -> u64 {
    KEEP_OLD_S
}

fn yes() -> bool {
    true
}

fn thirty() -> u64 {
    30
}

wire! {
    /// How a revision comes in. The word is in `strategy`.
    #[serde(tag = "strategy", rename_all = "snake_case")]
    pub enum ReleasePlan {
        /// It takes over as soon as it answers.
        Rolling,
        /// The live one ends first, so that the new one gets what it held; requests are held meanwhile, and the old one comes
        /// back where the new one fails.
        Recreate,
        /// It waits beside the live one, to be tried with the header `X-Drydock-Revision`, until somebody promotes it.
        BlueGreen(BlueGreen),
        /// It gets a growing share of the requests, and is judged by what the gateway measures.
        Canary(Canary),
        /// It gets a fixed share of the callers, each of whom stays with one of the two, until somebody decides.
        Ab(Ab),
        /// It gets copies of requests; its answers are compared with the live ones and thrown away.
        Shadow(Shadow),
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

    #[serde(deny_unknown_fields)]
    pub struct Ab {
        /// Percent of the callers that get the candidate, 1 to 99.
        pub weight: u32,
        #[serde(default)]
        pub assign: Assign,
        /// Absent: it goes on until somebody decides.
        #[serde(default)]
        pub end: Option<ExperimentEnd>,
        /// A candidate that breaks these goes back by itself; absent: only when it does not run any more.
        #[serde(default)]
        pub analysis: Option<Analysis>,
        /// How long the replaced revision is kept running, so that one can switch back at once.
        #[serde(default = "keep_old_s")]
        pub keep_old_s: u64,
    }

    /// What decides which of the two a request gets: a hash of it with the release's id, so the same always gets the same.
    #[derive(Default, Eq)]
    #[serde(tag = "by", rename_all = "snake_case")]
    pub enum Assign {
        /// Who calls: the name of the user, or of whoever the token was made for.
        #[default]
        Caller,
        /// The value of a header, as an id of the caller's own customer; requests without it go by their id.
        Header(AssignHeader),
        /// A cookie, which the gateway sets where it is absent.
        Cookie(AssignCookie),
        /// The request's id: every request for itself.
        Request,
    }

    #[derive(Eq)]
    #[serde(deny_unknown_fields)]
    pub struct AssignHeader {
        pub name: String,
    }

    #[derive(Eq)]
    #[serde(default, deny_unknown_fields)]
    pub struct AssignCookie {
        pub name: String,
    }

    #[derive(Eq)]
    #[serde(deny_unknown_fields)]
    pub struct ExperimentEnd {
        /// After so many requests to both together; of a shadow, after so many answers compared.
        #[serde(default)]
        pub after_requests: Option<u64>,
        /// At this instant, in milliseconds since 1970.
        #[serde(default)]
        pub at: Option<i64>,
        #[serde(default)]
        pub then: Then,
    }

    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum Then {
        /// All requests go to the live revision again, the candidate still runs, and somebody decides.
        #[default]
        Wait,
        TakeBack,
        Promote,
    }

    #[serde(default, deny_unknown_fields)]
    pub struct Shadow {
        /// Percent of the requests that are copied, 1 to 100.
        pub percent: u32,
        /// Numbers are near when they differ by at most this share of the larger one.
        pub relative_tolerance: f64,
        /// Or by at most this.
        pub absolute_tolerance: f64,
        /// Fields of JSON answers that are not compared, wherever they are.
        pub ignore: Vec<String>,
        /// So many copies are under way at once; more are dropped, and counted.
        pub at_once: u32,
        /// Absent: it goes on until somebody decides.
        pub end: Option<ExperimentEnd>,
        /// How long the replaced revision is kept running, so that one can switch back at once.
        pub keep_old_s: u64,
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
        /// Limits on the means of what callers report of the candidate's answers.
        pub metrics: Vec<MetricLimit>,
        /// So many bad looks in a row roll it back.
        pub max_failures: u32,
    }

    /// A limit on the mean of a reported metric, over the whole release.
    #[serde(deny_unknown_fields)]
    pub struct MetricLimit {
        pub metric: String,
        #[serde(default)]
        pub min: Option<f64>,
        #[serde(default)]
        pub max: Option<f64>,
        /// With fewer reports it is not judged, and no step ends.
        #[serde(default = "thirty")]
        pub min_reports: u64,
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
        /// Step of a canary, from 0; as many as it has steps: all are done. 1 of an experiment that reached its end and waits.
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
        /// Means of the metrics that have limits, over the whole release.
        #[serde(default)]
        pub metrics: Vec<MetricSeen>,
        /// There were requests enough to judge.
        pub judged: bool,
        /// The limits that it broke, in words.
        pub broken: Vec<String>,
    }

    pub struct MetricSeen {
        pub metric: String,
        pub reports: u64,
        pub mean: Option<f64>,
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
            metrics: Vec::new(),
            max_failures: 2,
        }
    }
}

impl Default for AssignCookie {
    fn default() -> Self {
        Self { name: "drydock-variant".to_owned() }
    }
}

impl Default for Shadow {
    fn default() -> Self {
        Self {
            percent: 100,
            relative_tolerance: 1e-6,
            absolute_tolerance: 1e-9,
            ignore: ["id", "model_version", "created"].map(str::to_owned).to_vec(),
            at_once: 8,
            end: None,
            keep_old_s: KEEP_OLD_S,
        }
    }
}

impl ReleasePlan {
    /// 5 %, 25 % and 50 %, a minute each, with 99 % of success.
    pub fn usual_canary() -> Self {
        let steps = [5, 25, 50].map(|weight| CanaryStep { weight, hold_s: 60 }).to_vec();
        Self::Canary(Canary { steps, analysis: Analysis::default(), automatic: true, keep_old_s: KEEP_OLD_S })
    }

    /// The limits that its candidate must keep.
    pub fn analysis(&self) -> Option<&Analysis> {
        match self {
            Self::Canary(plan) => Some(&plan.analysis),
            Self::Ab(plan) => plan.analysis.as_ref(),
            Self::Rolling | Self::Recreate | Self::BlueGreen(_) | Self::Shadow(_) => None,
        }
    }

    /// When an experiment ends by itself.
    pub fn end(&self) -> Option<&ExperimentEnd> {
        match self {
            Self::Ab(plan) => plan.end.as_ref(),
            Self::Shadow(plan) => plan.end.as_ref(),
            Self::Rolling | Self::Recreate | Self::BlueGreen(_) | Self::Canary(_) => None,
        }
    }

    /// The word in `strategy`.
    pub fn strategy(&self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::Recreate => "recreate",
            Self::BlueGreen(_) => "blue_green",
            Self::Canary(_) => "canary",
            Self::Ab(_) => "ab",
            Self::Shadow(_) => "shadow",
        }
    }
}
