//! What may be asked for: types and their fields. Names on the wire are camelCase; the REST views below them are snake_case.

/// What a field holds, and so what stands for it when the view leaves it out, as protobuf's defaults do.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Text,
    /// A 64-bit number, as text.
    Long,
    Float,
    Bool,
    /// One of some words; null when absent.
    Word,
    Texts,
    One(&'static Type),
    Many(&'static Type),
    /// Never there.
    Nothing(&'static Type),
}

#[derive(Debug)]
pub struct Type {
    pub name: &'static str,
    pub fields: &'static [(&'static str, Kind)],
}

impl Type {
    pub fn field(&self, name: &str) -> Option<Kind> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

use Kind::{Bool, Float, Long, Many, Nothing, One, Text, Texts, Word};

static DETAIL: Type = Type { name: "ErrorDetail", fields: &[("field", Text), ("message", Text)] };
static API_ERROR: Type = Type {
    name: "ApiError",
    fields: &[("code", Text), ("message", Text), ("helpUrl", Text), ("traceId", Text), ("errorDetails", Many(&DETAIL))],
};
static EXPERIMENT_TAG: Type = Type { name: "MlflowExperimentTag", fields: &[("key", Text), ("value", Text)] };
pub static EXPERIMENT: Type = Type {
    name: "MlflowExperiment",
    fields: &[
        ("experimentId", Text),
        ("name", Text),
        ("artifactLocation", Text),
        ("lifecycleStage", Text),
        ("lastUpdateTime", Long),
        ("creationTime", Long),
        ("tags", Many(&EXPERIMENT_TAG)),
        ("effectiveTraceArchivalRetention", Text),
        ("workspace", Text),
    ],
};
static GET_EXPERIMENT: Type = Type {
    name: "MlflowGetExperimentResponse",
    fields: &[("experiment", One(&EXPERIMENT)), ("apiError", Nothing(&API_ERROR))],
};
static INFO: Type = Type {
    name: "MlflowRunInfo",
    fields: &[
        ("runId", Text),
        ("runUuid", Text),
        ("runName", Text),
        ("experimentId", Text),
        ("userId", Text),
        ("status", Word),
        ("startTime", Long),
        ("endTime", Long),
        ("artifactUri", Text),
        ("lifecycleStage", Text),
    ],
};
static METRIC: Type = Type {
    name: "MlflowMetricExtension",
    fields: &[
        ("key", Text),
        ("value", Float),
        ("timestamp", Long),
        ("step", Long),
        ("datasetName", Text),
        ("datasetDigest", Text),
        ("modelId", Text),
        ("runId", Text),
    ],
};
static PARAM: Type = Type { name: "MlflowParam", fields: &[("key", Text), ("value", Text)] };
static RUN_TAG: Type = Type { name: "MlflowRunTag", fields: &[("key", Text), ("value", Text)] };
static DATA: Type = Type {
    name: "MlflowRunData",
    fields: &[("metrics", Many(&METRIC)), ("params", Many(&PARAM)), ("tags", Many(&RUN_TAG))],
};
static DATASET: Type = Type {
    name: "MlflowDataset",
    fields: &[
        ("name", Text),
        ("digest", Text),
        ("sourceType", Text),
        ("source", Text),
        ("schema", Text),
        ("profile", Text),
    ],
};
static INPUT_TAG: Type = Type { name: "MlflowInputTag", fields: &[("key", Text), ("value", Text)] };
static DATASET_INPUT: Type =
    Type { name: "MlflowDatasetInput", fields: &[("tags", Many(&INPUT_TAG)), ("dataset", One(&DATASET))] };
static MODEL_INPUT: Type = Type { name: "MlflowModelInput", fields: &[("modelId", Text)] };
static INPUTS: Type = Type {
    name: "MlflowRunInputs",
    fields: &[("datasetInputs", Many(&DATASET_INPUT)), ("modelInputs", Many(&MODEL_INPUT))],
};
static MODEL_OUTPUT: Type = Type { name: "MlflowModelOutput", fields: &[("modelId", Text), ("step", Long)] };
static OUTPUTS: Type = Type { name: "MlflowRunOutputs", fields: &[("modelOutputs", Many(&MODEL_OUTPUT))] };
static VERSION_TAG: Type = Type { name: "MlflowModelVersionTag", fields: &[("key", Text), ("value", Text)] };
static MODEL_PARAM: Type = Type { name: "MlflowModelParam", fields: &[("name", Text), ("value", Text)] };
static MODEL_METRIC: Type = Type { name: "MlflowModelMetric", fields: METRIC.fields };
static JOB_STATE: Type = Type {
    name: "MlflowModelVersionDeploymentJobState",
    fields: &[("jobId", Text), ("runId", Text), ("jobState", Word), ("runState", Word), ("currentTaskName", Text)],
};
pub static VERSION: Type = Type {
    name: "MlflowModelVersion",
    fields: &[
        ("name", Text),
        ("version", Text),
        ("creationTimestamp", Long),
        ("lastUpdatedTimestamp", Long),
        ("userId", Text),
        ("currentStage", Text),
        ("description", Text),
        ("source", Text),
        ("runId", Text),
        ("status", Word),
        ("statusMessage", Text),
        ("tags", Many(&VERSION_TAG)),
        ("runLink", Text),
        ("aliases", Texts),
        ("modelId", Text),
        ("modelParams", Many(&MODEL_PARAM)),
        ("modelMetrics", Many(&MODEL_METRIC)),
        ("deploymentJobState", Nothing(&JOB_STATE)),
    ],
};
pub static RUN: Type = Type {
    name: "MlflowRunExtension",
    fields: &[
        ("info", One(&INFO)),
        ("data", One(&DATA)),
        ("inputs", One(&INPUTS)),
        ("outputs", One(&OUTPUTS)),
        ("experiment", One(&EXPERIMENT)),
        ("modelVersions", Many(&VERSION)),
    ],
};
static GET_RUN: Type =
    Type { name: "MlflowGetRunResponse", fields: &[("run", One(&RUN)), ("apiError", Nothing(&API_ERROR))] };
static SEARCH_RUNS: Type = Type {
    name: "MlflowSearchRunsResponse",
    fields: &[("runs", Many(&RUN)), ("nextPageToken", Text), ("apiError", Nothing(&API_ERROR))],
};
static SEARCH_VERSIONS: Type = Type {
    name: "MlflowSearchModelVersionsResponse",
    fields: &[("modelVersions", Many(&VERSION)), ("nextPageToken", Text), ("apiError", Nothing(&API_ERROR))],
};
static FILE: Type = Type { name: "MlflowFileInfo", fields: &[("path", Text), ("isDir", Bool), ("fileSize", Long)] };
static FILES: Type = Type {
    name: "MlflowListArtifactsResponse",
    fields: &[("rootUri", Text), ("files", Many(&FILE)), ("nextPageToken", Text), ("apiError", Nothing(&API_ERROR))],
};
static RUN_METRIC: Type = Type {
    name: "MlflowMetricWithRunId",
    fields: &[("key", Text), ("value", Float), ("timestamp", Long), ("step", Long), ("runId", Text)],
};
static INTERVAL: Type = Type {
    name: "MlflowGetMetricHistoryBulkIntervalResponse",
    fields: &[("metrics", Many(&RUN_METRIC)), ("apiError", Nothing(&API_ERROR))],
};
static SUMMARY: Type = Type {
    name: "MlflowDatasetSummary",
    fields: &[("experimentId", Text), ("name", Text), ("digest", Text), ("context", Text)],
};
static DATASETS: Type = Type {
    name: "MlflowSearchDatasetsResponse",
    fields: &[("datasetSummaries", Many(&SUMMARY)), ("apiError", Nothing(&API_ERROR))],
};
static TEST: Type = Type { name: "Test", fields: &[("output", Text)] };

pub static QUERY: Type = Type {
    name: "Query",
    fields: &[
        ("mlflowGetExperiment", One(&GET_EXPERIMENT)),
        ("mlflowGetMetricHistoryBulkInterval", One(&INTERVAL)),
        ("mlflowGetRun", One(&GET_RUN)),
        ("mlflowListArtifacts", One(&FILES)),
        ("mlflowSearchModelVersions", One(&SEARCH_VERSIONS)),
        ("mlflowSearchRuns", One(&SEARCH_RUNS)),
        ("test", One(&TEST)),
    ],
};
pub static MUTATION: Type = Type {
    name: "Mutation",
    fields: &[
        ("mlflowSearchDatasets", One(&DATASETS)),
        ("mlflowSearchRuns", One(&SEARCH_RUNS)),
        ("testMutation", One(&TEST)),
    ],
};
