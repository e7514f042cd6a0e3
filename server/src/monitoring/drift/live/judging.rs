//! One window: gathered, compared, written down, and told to those who wait for a finding.

use drydock_wire::drift::DatasetDrift;
use drydock_wire::events::Topic;
use serde_json::json;

use super::super::{ReferenceProfile, Settings, compare_profiles};
use super::metrics::Latest;
use super::reference;
use super::store::{self, NewWindow};
use crate::app::App;
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::serving::capture::Watched;
use crate::{pipelines, webhooks};

/// Columns that an event names.
const NAMED: usize = 20;
pub const EVENT: &str = "deployment.drifted";

/// Judges the window; nothing is written of one in which nobody asked.
pub async fn judge(app: &App, of: &Watched, span: (i64, i64)) -> Result<Option<i64>> {
    let Some(watch) = &of.watch else { return Ok(None) };
    let gathered = reference::gather(app, &of.deployment_id, span).await?;
    let rows = gathered.rows;
    if rows == 0 {
        return Ok(None);
    }
    let found = if rows < watch.min_rows {
        Err(format!("Only {rows} rows; {} are asked for.", watch.min_rows))
    } else {
        reference::find(app, of, span.0, watch.min_rows, &gathered).await?
    };
    let (drift, reference) = match found {
        Err(words) => (None, words),
        Ok((reference, words)) => {
            let compared = tokio::task::spawn_blocking(move || {
                compare_profiles(&reference, &ReferenceProfile::new(gathered.finish()), &Settings::default())
            });
            (Some(compared.await.map_err(Error::internal)?), words)
        }
    };
    let window = NewWindow { deployment_id: of.deployment_id.clone(), span, rows, reference, drift };
    let (watched, written) = (of.clone(), window.clone());
    let (id, problem) = app.db.write(move |conn| note(conn, &watched, &written)).await?;
    let latest = app.memory.of::<Latest>();
    latest.set_problem(&of.deployment_id, problem);
    if let Some(drift) = &window.drift {
        latest.set(&of.deployment_id, &of.name, span.1, drift);
        if drift.drifted {
            pipelines::wake(app);
            webhooks::wake(app);
        }
    }
    app.events.publish(Topic::Deployments, Some(&of.name));
    Ok(Some(id))
}

/// Writes the window down and, where it drifted, tells pipelines and webhooks, all in one transaction. Its id, and why a pipeline did not
/// start that should have.
fn note(conn: &mut Conn, of: &Watched, window: &NewWindow) -> Result<(i64, Option<String>)> {
    let Some(drift) = window.drift.as_ref().filter(|drift| drift.drifted) else {
        return Ok((store::insert(conn, window, &[])?, None));
    };
    let detail = json!({
        "deployment": of.name,
        "from_at": window.span.0,
        "until_at": window.span.1,
        "rows": window.rows,
        "reference": window.reference,
        "drifted_count": drift.drifted_count,
        "compared_count": drift.compared_count,
        "share": share(drift),
        "columns": drift.columns.iter().filter(|column| column.drifted).take(NAMED).map(|it| &it.name).collect::<Vec<_>>(),
    });
    webhooks::tell(conn, EVENT, &detail)?;
    let named = of.watch.as_ref().and_then(|watch| watch.pipeline.as_deref());
    let started = pipelines::drifted(conn, &of.name, &detail, named, &of.by)?;
    let id = store::insert(conn, window, &started.pipelines)?;
    tracing::warn!(
        deployment.name = of.name,
        "the traffic of {} drifted: {} of {} columns",
        of.name,
        drift.drifted_count,
        drift.compared_count
    );
    Ok((id, started.problem))
}

/// Of the compared columns, those that drifted.
pub fn share(drift: &DatasetDrift) -> f64 {
    drift.drifted_count as f64 / drift.compared_count.max(1) as f64
}
