//! Registered models as the dashboard sees them. MLflow clients have their own face.

use crate::KeyValue;

wire! {
    /// `GET /api/v1/models`.
    pub struct ModelSummary {
        pub name: String,
        pub description: String,
        pub created_at: i64,
        pub updated_at: i64,
        pub latest_version: Option<i64>,
        pub version_count: u64,
        pub aliases: Vec<Alias>,
        #[serde(default)]
        pub tags: Vec<KeyValue>,
    }

    /// A movable name for one version: `champion`.
    pub struct Alias {
        pub alias: String,
        pub version: i64,
    }

    /// `GET /api/v1/models/{name}`.
    pub struct ModelDetail {
        pub summary: ModelSummary,
        pub tags: Vec<KeyValue>,
        /// Newest first.
        pub versions: Vec<ModelVersion>,
    }

    pub struct ModelVersion {
        pub version: i64,
        pub created_at: i64,
        pub user: String,
        pub description: String,
        /// `ready`, `pending_registration` or `failed_registration`.
        pub status: String,
        /// MLflow's stage: `None`, `Staging`, `Production` or `Archived`.
        pub stage: String,
        pub source: String,
        pub run_id: Option<String>,
        pub run_name: Option<String>,
        pub aliases: Vec<String>,
        /// Last value of the run's metrics.
        pub metrics: Vec<crate::tracking::MetricValue>,
        pub tags: Vec<KeyValue>,
        /// Deployments whose live revision serves this version.
        pub deployments: Vec<String>,
        /// The model card, as far as it is filled.
        pub card: CardState,
    }

    /// `PUT /api/v1/models/{name}/aliases/{alias}`.
    pub struct SetAlias {
        pub version: i64,
    }

    /// `POST /api/v1/models/{name}/versions`: registers a model that a run logged.
    pub struct RegisterVersion {
        pub run_id: String,
        /// Folder of the model under the run's artifacts, usually `model`.
        pub path: String,
        #[serde(default)]
        pub description: String,
    }

    /// `PATCH /api/v1/models/{name}`, `PATCH /api/v1/models/{name}/versions/{version}`. What is absent stays.
    #[serde(deny_unknown_fields, default)]
    #[derive(Default)]
    pub struct Describe {
        pub description: Option<String>,
    }

    /// `POST /api/v1/models/{name}/rename`.
    #[serde(deny_unknown_fields)]
    pub struct RenameModel {
        pub name: String,
    }

    /// `PUT /api/v1/models/{name}/versions/{version}/stage`.
    pub struct SetStage {
        pub stage: String,
        /// Whether the other versions of that stage go to the archive.
        #[serde(default)]
        pub archive_existing: bool,
    }

    /// One move of an alias. `GET /api/v1/models/{name}/history` (all aliases) and `…/aliases/{alias}/history`, newest first.
    pub struct AliasMove {
        pub at: i64,
        pub by: String,
        pub alias: String,
        /// The model's name at that time.
        pub model: String,
        pub cause: MoveCause,
        /// Absent: it pointed at nothing.
        pub from_version: Option<i64>,
        /// Absent: it points at nothing from then on.
        pub to_version: Option<i64>,
    }

    /// Why an alias moved.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum MoveCause {
        Set,
        Removed,
        VersionDeleted,
        ModelDeleted,
        /// The model got another name; the alias points where it did.
        Renamed,
    }

    /// `GET /api/v1/models/{name}/aliases/{alias}/at?time=`: what it pointed at then.
    pub struct AliasAt {
        pub alias: String,
        pub time: i64,
        /// The model's name at that time.
        pub model: String,
        /// Absent: at nothing.
        pub version: Option<i64>,
        /// The move that made it so; absent: there was none by then.
        pub since: Option<AliasMove>,
        /// The move after it; absent: it is still so.
        pub until: Option<AliasMove>,
        /// Whether the version is still there.
        pub exists: bool,
    }

    /// How far a model card is filled.
    #[derive(Eq, Default)]
    pub struct CardState {
        /// Number of the newest revision; 0: there is no card.
        pub revision: i64,
        /// Sections with text in them.
        pub filled: u64,
        /// Sections there are.
        pub sections: u64,
    }

    /// What a model card says. Markdown is shown as it is written.
    #[derive(Eq, Default)]
    #[serde(default, deny_unknown_fields)]
    pub struct CardContent {
        /// What the model is for, and what it is not for.
        pub purpose: String,
        /// What it was trained and tested on.
        pub data: String,
        /// How good it is, measured how.
        pub metrics: String,
        /// Where it fails.
        pub limits: String,
        /// Whom it may treat worse, and what was done about it.
        pub bias: String,
        pub intended_users: String,
        pub owner: String,
        pub contact: String,
        pub licence: String,
    }

    /// One saved state of a card. `GET …/versions/{version}/card?revision=`.
    pub struct Card {
        pub model: String,
        pub version: i64,
        /// 0: nothing was saved yet.
        pub revision: i64,
        pub at: Option<i64>,
        pub author: Option<String>,
        pub note: String,
        pub content: CardContent,
        pub state: CardState,
        /// Newest first.
        pub revisions: Vec<CardRevision>,
        /// The nearest earlier version that has a card, to start from.
        pub earlier: Option<i64>,
    }

    pub struct CardRevision {
        pub revision: i64,
        pub at: i64,
        pub author: String,
        pub note: String,
        pub filled: u64,
    }

    /// `PUT …/versions/{version}/card`: saves a new revision.
    pub struct SaveCard {
        /// The revision that was edited; another one saved meanwhile is a conflict.
        pub base: i64,
        pub content: CardContent,
        /// What changed, in a line.
        #[serde(default)]
        pub note: String,
    }
}

/// The five sections that make a card complete: key, title, what to write.
pub const CARD_SECTIONS: [(&str, &str, &str); 5] = [
    ("purpose", "Purpose", "What the model is for, and what it must not be used for."),
    ("data", "Data", "What it was trained and tested on: where it comes from, how much, from when, what was left out."),
    ("metrics", "Metrics", "How good it is, on which data, measured how, compared with what."),
    ("limits", "Limits", "Where it fails or was never tried."),
    ("bias", "Bias", "Whom it may treat worse, how that was looked for, and what was done about it."),
];

impl CardContent {
    /// The text of a section of `CARD_SECTIONS`.
    pub fn section(&self, key: &str) -> &str {
        match key {
            "purpose" => &self.purpose,
            "data" => &self.data,
            "metrics" => &self.metrics,
            "limits" => &self.limits,
            _ => &self.bias,
        }
    }

    /// Sections with text in them.
    pub fn filled(&self) -> u64 {
        CARD_SECTIONS.iter().filter(|(key, ..)| !self.section(key).trim().is_empty()).count() as u64
    }

    /// The short facts: title and text.
    pub fn facts(&self) -> [(&'static str, &str); 4] {
        [
            ("Intended users", &self.intended_users),
            ("Owner", &self.owner),
            ("Contact", &self.contact),
            ("Licence", &self.licence),
        ]
    }
}
