//! A history on its way from another MLflow, or between an `mlruns` folder and the box: whole things with the ids and times
//! that they had there. `POST /api/v1/import/mlflow/…` takes them; the exporter writes the same things.

use crate::KeyValue;

wire! {
    /// Where something came from: a folder, a file or an address, as the person named it.
    #[derive(Eq)]
    pub struct ImportedFrom {
        pub source: String,
        pub at: i64,
        pub by: String,
    }

    pub struct ForeignExperiment {
        pub id: String,
        pub name: String,
        pub created_at: i64,
        pub updated_at: i64,
        pub deleted: bool,
        pub tags: Vec<KeyValue>,
    }

    /// One metric's points. Values are the bits of the doubles: JSON has no NaN, and not every reader of it is exact.
    #[derive(Default, Eq)]
    pub struct ForeignSeries {
        pub key: String,
        pub steps: Vec<i64>,
        pub at: Vec<i64>,
        pub value_bits: Vec<u64>,
    }

    pub struct ForeignDataset {
        pub name: String,
        pub digest: String,
        pub source_type: String,
        pub source: String,
        pub schema: Option<String>,
        pub profile: Option<String>,
        pub tags: Vec<KeyValue>,
    }

    /// A logged model that a run read or made.
    #[derive(Eq)]
    pub struct ForeignModelUse {
        pub model_id: String,
        pub step: i64,
    }

    #[derive(Default)]
    pub struct ForeignRun {
        pub id: String,
        /// The experiment's id on the box.
        pub experiment_id: String,
        pub name: String,
        pub user: String,
        pub status: String,
        pub started_at: i64,
        pub ended_at: Option<i64>,
        pub deleted: bool,
        pub params: Vec<KeyValue>,
        pub tags: Vec<KeyValue>,
        pub metrics: Vec<ForeignSeries>,
        pub datasets: Vec<ForeignDataset>,
        pub models_in: Vec<ForeignModelUse>,
        pub models_out: Vec<ForeignModelUse>,
    }

    /// A metric of a logged model.
    #[derive(Eq)]
    pub struct ForeignModelMetric {
        pub key: String,
        pub step: i64,
        pub at: i64,
        pub value_bits: u64,
        pub run_id: String,
        pub dataset_name: Option<String>,
        pub dataset_digest: Option<String>,
    }

    pub struct ForeignLoggedModel {
        pub id: String,
        /// The experiment's id on the box.
        pub experiment_id: String,
        pub name: String,
        pub model_type: String,
        pub source_run_id: Option<String>,
        /// MLflow's number: 1 pending, 2 ready, 3 upload failed.
        pub status: i64,
        pub created_at: i64,
        pub updated_at: i64,
        pub deleted: bool,
        pub params: Vec<KeyValue>,
        pub tags: Vec<KeyValue>,
        pub metrics: Vec<ForeignModelMetric>,
    }

    pub struct ForeignVersion {
        pub version: i64,
        pub created_at: i64,
        pub updated_at: i64,
        pub user: String,
        pub description: String,
        /// As the client named it there; `mlflow-artifacts:` places are already those of the box.
        pub source: String,
        pub storage_location: String,
        pub run_id: Option<String>,
        pub run_link: String,
        pub model_id: Option<String>,
        pub stage: String,
        pub status: String,
        pub tags: Vec<KeyValue>,
    }

    pub struct ForeignModel {
        pub name: String,
        pub description: String,
        pub created_at: i64,
        pub updated_at: i64,
        pub tags: Vec<KeyValue>,
        /// The highest number ever given, that of deleted versions included.
        pub last_version: i64,
        pub versions: Vec<ForeignVersion>,
        /// Alias and version.
        pub aliases: Vec<ForeignAlias>,
    }

    #[derive(Eq)]
    pub struct ForeignAlias {
        pub alias: String,
        pub version: i64,
    }

    /// A trace with its spans. Those of a large one come in several calls with the same head.
    #[derive(Default)]
    pub struct ForeignTrace {
        pub id: String,
        /// The experiment's id on the box.
        pub experiment_id: String,
        pub started_at: i64,
        pub duration_ms: Option<i64>,
        /// MLflow's word: `OK`, `ERROR`, `IN_PROGRESS`, `STATE_UNSPECIFIED`.
        pub state: String,
        pub client_request_id: Option<String>,
        pub request_preview: Option<String>,
        pub response_preview: Option<String>,
        pub tags: Vec<KeyValue>,
        pub metadata: Vec<KeyValue>,
        /// Runs that it belongs to, beside the one that its metadata may name.
        pub runs: Vec<String>,
        /// Prompt versions that it used: `name/version`.
        pub prompts: Vec<String>,
        pub assessments: Vec<ForeignAssessment>,
        /// Each as MLflow's `traces.json` has it, a text of JSON: types and the order of keys stay.
        pub spans: Vec<String>,
    }

    /// What somebody or something said about a trace.
    pub struct ForeignAssessment {
        pub id: String,
        pub name: String,
        /// `feedback`, `expectation` or `issue`.
        pub kind: String,
        /// JSON; of an issue its name.
        pub value: String,
        /// Why there is no value.
        pub error: Option<ForeignFault>,
        pub source_type: String,
        pub source_id: Option<String>,
        pub span_id: Option<String>,
        pub rationale: Option<String>,
        pub metadata: Vec<KeyValue>,
        /// The assessment that this one takes the place of.
        pub overrides: Option<String>,
        pub valid: bool,
        pub created_at: i64,
        pub updated_at: i64,
    }

    #[derive(Eq)]
    pub struct ForeignFault {
        pub code: String,
        pub message: Option<String>,
        pub stack: Option<String>,
    }

    /// `POST /api/v1/import/mlflow/experiment`.
    pub struct ImportExperiment {
        pub source: String,
        pub experiment: ForeignExperiment,
        /// Put after the name where the box has another experiment of that name.
        pub suffix: String,
        /// All into the experiment of this name instead.
        #[serde(default)]
        pub into: Option<String>,
    }

    /// How an import of one thing ended.
    #[derive(Copy, Eq, Hash)]
    #[serde(rename_all = "snake_case")]
    pub enum ImportOutcome {
        Imported,
        /// It came before, and has new parts now.
        Updated,
        /// It came before, and nothing is new but perhaps its files.
        Same,
        /// It is wholly here, or was made here: its files are not touched either.
        Already,
    }

    pub struct ImportedExperiment {
        pub id: String,
        pub name: String,
        /// Key of its artifacts below the store's root; runs and models have folders in it.
        pub artifact_root: String,
        pub outcome: ImportOutcome,
    }

    /// `POST /api/v1/import/mlflow/runs`. Points of a long history come in several calls with the same run.
    pub struct ImportRuns {
        pub source: String,
        pub runs: Vec<ForeignRun>,
    }

    /// `POST /api/v1/import/mlflow/logged-models`.
    pub struct ImportLoggedModels {
        pub source: String,
        pub models: Vec<ForeignLoggedModel>,
    }

    /// Of one thing of a list: what became of it, or why not.
    pub struct ImportAnswer {
        pub id: String,
        pub outcome: Option<ImportOutcome>,
        pub refused: Option<String>,
        /// Tags that were edited on the box and say something else there.
        #[serde(default)]
        pub tags_left_alone: u64,
    }

    /// `POST /api/v1/import/mlflow/traces`.
    pub struct ImportTraces {
        pub source: String,
        pub traces: Vec<ForeignTrace>,
    }

    /// `POST /api/v1/import/mlflow/model`.
    pub struct ImportModel {
        pub source: String,
        pub model: ForeignModel,
        pub suffix: String,
    }

    pub struct ImportedModel {
        pub name: String,
        pub outcome: ImportOutcome,
        /// Versions and aliases that are new on the box.
        pub versions: u64,
        pub aliases: u64,
        /// Of versions that were left out: why.
        pub refused: Vec<String>,
    }

    /// One thing as the source has it now. `POST /api/v1/import/mlflow/known` answers which of them are wholly on the box, by
    /// id; `…/done` says that these are.
    #[derive(Eq)]
    pub struct ForeignState {
        /// `run`, `logged_model` or `trace`.
        pub kind: String,
        pub id: String,
        pub made_at: i64,
        pub digest: String,
    }

    pub struct ImportStates {
        pub source: String,
        pub states: Vec<ForeignState>,
    }

    /// `POST /api/v1/import/mlflow/files`: which of these are on the box, byte for byte.
    pub struct ImportFiles {
        pub files: Vec<ForeignFile>,
    }

    #[derive(Eq)]
    pub struct ForeignFile {
        pub key: String,
        /// SHA-256, hex.
        pub digest: String,
    }
}

impl ForeignSeries {
    pub fn push(&mut self, step: i64, at: i64, value: f64) {
        self.steps.push(step);
        self.at.push(at);
        self.value_bits.push(value.to_bits());
    }

    /// Step, time and value of each point.
    pub fn points(&self) -> impl Iterator<Item = (i64, i64, f64)> + '_ {
        let both = self.steps.iter().zip(&self.at).zip(&self.value_bits);
        both.map(|((step, at), bits)| (*step, *at, f64::from_bits(*bits)))
    }
}
