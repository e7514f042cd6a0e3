//! Traces of a running server. The v3 calls where it has them, else those of version 2; the spans come as the file
//! `traces.json`, which every release answers with, wherever it keeps them.

use std::collections::HashMap;

use drydock_wire::{
    ErrorCode, Page,
    import::ForeignTrace,
    traces::{TraceDetail, TraceSummary},
};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    super::{
        Batch, File, Place, Unread, Whole,
        trace_info::{self, SPANS_FILE, TraceInfo},
    },
    AT_ONCE, Server, is_over, text,
};
use crate::{
    error::{Error, Result},
    traces::names,
};

const DATA: &str = "ajax-api/2.0/mlflow/get-trace-artifact";

#[derive(Deserialize)]
struct Answer {
    trace_info: TraceInfo,
}

#[derive(Deserialize)]
struct Answer3 {
    trace: Answer,
}

fn in_experiment(experiment: &str) -> serde_json::Value {
    json!({
        "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}],
        "max_results": 500,
        "order_by": ["timestamp_ms ASC"],
    })
}

/// A file of a trace: that of its spans, or, by name, one that they refer to.
fn file(trace: &str, path: String, size_bytes: u64, attachment: Option<String>) -> File {
    let mut query = vec![("request_id".to_owned(), trace.to_owned())];
    query.extend(attachment.map(|name| ("path".to_owned(), name)));
    File { path, size_bytes, changed_at: 0, at: Place::Server(DATA.into(), query) }
}

impl Server {
    pub async fn trace_ids(&self, experiment: &str) -> Result<Vec<String>> {
        let body = in_experiment(experiment);
        let found = match self.search("api/3.0/mlflow/traces/search", body, "traces").await {
            Err(error) if error.code == ErrorCode::NotFound => {
                let query = [("experiment_ids", experiment), ("max_results", "100")];
                match self.pages("api/2.0/mlflow/traces", &query, "traces").await {
                    // A server before 2.14 has none.
                    Err(error) if error.code == ErrorCode::NotFound => Vec::new(),
                    found => found?,
                }
            }
            found => found?,
        };
        let id = |trace: &serde_json::Value| text(trace, "trace_id").or_else(|| text(trace, "request_id"));
        let mut ids: Vec<String> = found.iter().filter_map(id).collect();
        // Traces that came in between two pages move the others.
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        Ok(ids)
    }

    /// Runs that traces were linked to, by trace. MLflow says it of a run only.
    pub async fn trace_runs(&self, experiment: &str) -> Result<HashMap<String, Vec<String>>> {
        let mut found: HashMap<String, Vec<String>> = HashMap::new();
        if self.is_drydock().await? {
            return Ok(found);
        }
        let runs = self.run_ids(experiment).await?.into_iter().map(|run| async move {
            let mut body = in_experiment(experiment);
            body["filter"] = json!(format!("attributes.run_id = '{run}'"));
            (self.search("api/3.0/mlflow/traces/search", body, "traces").await, run)
        });
        let mut answers = stream::iter(runs).buffered(AT_ONCE);
        while let Some((traces, run)) = answers.next().await {
            match traces {
                Ok(traces) => {
                    for id in traces.iter().filter_map(|trace| text(trace, "trace_id")) {
                        found.entry(id).or_default().push(run.clone());
                    }
                }
                Err(error) if is_over(&error) => return Err(error),
                // A server before 3.0 links by metadata alone.
                Err(_) => break,
            }
        }
        Ok(found)
    }

    /// Whether it is a Drydock, which says more than MLflow's calls can.
    async fn is_drydock(&self) -> Result<bool> {
        let ask = || async {
            match self.api.get::<Page<TraceSummary>>("api/v1/traces", &[("limit", "1")]).await {
                Ok(_) => Ok(true),
                Err(error) if error.code == ErrorCode::Unavailable => Err(error),
                Err(_) => Ok(false),
            }
        };
        self.drydock.get_or_try_init(ask).await.copied()
    }

    pub async fn traces(&self, ids: Vec<String>) -> Result<Batch<ForeignTrace>> {
        let asked = ids.into_iter().map(|id| async move { (self.trace(&id).await, id) });
        let mut batch = Batch::default();
        let mut answers = stream::iter(asked).buffered(AT_ONCE);
        while let Some((trace, id)) = answers.next().await {
            match trace {
                Ok(trace) => batch.things.push(trace),
                Err(error) if is_over(&error) => return Err(error),
                Err(error) => batch.unread.push(Unread::new(format!("trace {id}"), error)),
            }
        }
        Ok(batch)
    }

    async fn trace(&self, id: &str) -> Result<Whole<ForeignTrace>> {
        let three = self.api.get::<Answer3>(&format!("api/3.0/mlflow/traces/{id}"), &[]).await;
        let info = match three {
            Ok(answer) => answer.trace.trace_info,
            Err(error) if error.code == ErrorCode::NotFound => {
                self.api.get::<Answer>(&format!("api/2.0/mlflow/traces/{id}/info"), &[]).await?.trace_info
            }
            Err(error) => return Err(error),
        };
        let mut trace = info.trace(id).map_err(Error::invalid)?;
        if self.is_drydock().await? {
            self.complete(&mut trace).await?;
        }
        let (mut files, mut unread) = (Vec::new(), Vec::new());
        match self.spans(id).await {
            Ok((spans, size_bytes)) => {
                // Clients before 3.6 look for spans in that file, and have no other.
                if !trace.tags.iter().any(|tag| tag.key == names::SPANS_LOCATION_TAG) {
                    files.push(file(id, SPANS_FILE.into(), size_bytes, None));
                }
                trace.spans = spans;
            }
            Err(error) if is_over(&error) => return Err(error),
            // It is under way, and none of its spans has ended.
            Err(_) if trace.state == "IN_PROGRESS" => {}
            Err(error) => unread.push(Unread::new(format!("trace {id}, spans"), error)),
        }
        for (name, size_bytes) in trace_info::attachments(&trace.spans) {
            files.push(file(id, format!("attachments/{name}"), size_bytes, Some(name)));
        }
        Ok(Whole { thing: trace, files, unread })
    }

    /// The spans, and how large their file is.
    async fn spans(&self, id: &str) -> Result<(Vec<String>, u64)> {
        let answer = self.api.send(self.api.request(Method::GET, &[DATA], &[("request_id", id)])?).await?;
        let bytes = answer.bytes().await.map_err(|error| self.api.unreachable(&error))?;
        Ok((trace_info::spans_of_file(&bytes).map_err(Error::invalid)?, bytes.len() as u64))
    }

    /// MLflow's calls cut long tags and metadata and leave links out.
    async fn complete(&self, trace: &mut ForeignTrace) -> Result<()> {
        let detail: TraceDetail = self.api.get(&format!("api/v1/traces/{}", trace.id), &[]).await?;
        trace.metadata = detail.metadata;
        trace.runs = detail.summary.runs.into_iter().map(|run| run.id).collect();
        trace.prompts = detail.prompts;
        trace_info::set_tags(trace, detail.tags);
        Ok(())
    }
}
