//! Traces going out.

use super::{
    Trace, absent, count, rules,
    rules::Correlation,
    span::Span,
    store::{
        chunks,
        search::{self as found, Search},
        traces as store,
    },
    value::Value,
};
use crate::{
    accounts::{Authorized, action},
    app::App,
    error::{Error, Result},
    tracking::{
        self,
        search::{self, TRACES, parse_traces},
    },
};

type View = Authorized<action::View>;

/// The trace without its spans.
pub async fn trace(app: &App, _auth: &View, id: String) -> Result<Trace> {
    app.db
        .read(move |conn| {
            let known = store::known(conn, &id)?.ok_or_else(|| absent(&id))?;
            store::load(conn, &[known.row])?.pop().ok_or_else(|| absent(&id))
        })
        .await
}

/// The traces of these ids that there are, in this order; of these experiments only, if named.
pub async fn traces(app: &App, _auth: &View, ids: Vec<String>, experiments: Option<Vec<i64>>) -> Result<Vec<Trace>> {
    app.db
        .read(move |conn| {
            let rows = store::rows_of(conn, &ids, experiments.as_deref())?;
            store::load(conn, &rows)
        })
        .await
}

/// As `traces`, each with its spans from the store.
pub async fn whole_traces(
    app: &App,
    _auth: &View,
    ids: Vec<String>,
    experiments: Option<Vec<i64>>,
) -> Result<Vec<(Trace, Vec<Span>)>> {
    app.db
        .read(move |conn| {
            let rows = store::rows_of(conn, &ids, experiments.as_deref())?;
            let bytes = chunks::size(conn, &rows)?;
            if bytes > rules::MAX_ANSWER_BYTES {
                return Err(Error::too_large(format!(
                    "These traces have {} MiB of spans; at most {} MiB are sent at once. Ask for fewer traces.",
                    bytes >> 20,
                    rules::MAX_ANSWER_BYTES >> 20
                )));
            }
            let mut spans = chunks::of_traces(conn, &rows)?;
            let traces = store::load(conn, &rows)?;
            Ok(traces
                .into_iter()
                .map(|trace| (spans.remove(&trace.row).unwrap_or_default(), trace))
                .map(|(s, t)| (t, s))
                .collect())
        })
        .await
}

/// The trace's spans: from the store, or from the file that older clients upload; none when there are none yet.
pub async fn spans_of(app: &App, auth: &View, trace: &Trace) -> Result<Vec<Span>> {
    let row = trace.row;
    let kept = app.db.read(move |conn| chunks::of_trace(conn, row)).await?;
    if !kept.is_empty() || trace.has_spans() {
        return Ok(kept);
    }
    let Some(root) = trace.tag(super::names::ARTIFACT_LOCATION_TAG).and_then(tracking::rules::artifact_key) else {
        return Ok(kept);
    };
    let file = match tracking::find_artifact(app, auth, &format!("{root}/traces.json")).await {
        Ok(file) => file,
        Err(error) if error.code == drydock_wire::ErrorCode::NotFound => return Ok(kept),
        Err(error) => return Err(error),
    };
    if usize::try_from(file.size_bytes).is_ok_and(|size| size > rules::MAX_UNPACKED_BYTES) {
        return Err(Error::too_large(
            "The file with the spans of this trace is too large to show; download it instead.",
        ));
    }
    let bytes = app.objects.read(&file.digest).await?;
    tokio::task::spawn_blocking(move || of_file(&bytes)).await.map_err(Error::internal)?
}

fn of_file(bytes: &[u8]) -> Result<Vec<Span>> {
    let unreadable = || Error::refused("The file with the spans of this trace, traces.json, cannot be read.");
    if count::values_of_json(bytes) > rules::MAX_VALUES_PER_REQUEST {
        return Err(Error::too_large("The spans of this trace are too many to show; download traces.json instead."));
    }
    let data: Value = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
    let mut spans: Vec<Span> =
        data.get("spans").and_then(Value::as_list).unwrap_or_default().iter().filter_map(Span::from_file).collect();
    spans.iter_mut().for_each(Span::flatten);
    spans.sort_by_key(|span| span.start_ns);
    Ok(spans)
}

/// A page of traces and the offset of the next, if there may be one.
pub async fn search_traces(
    app: &App,
    _auth: &View,
    experiments: Vec<i64>,
    filter: &str,
    order_by: &[String],
    (offset, limit): (i64, i64),
) -> Result<(Vec<Trace>, Option<i64>)> {
    let search = Search {
        experiments: Some(experiments),
        conditions: parse_traces(filter)?,
        order: search::parse_order_by(order_by, &TRACES)?,
        words: None,
    };
    app.db
        .read(move |conn| {
            let rows = found::page(conn, &search, offset, limit)?;
            // MLflow has a next page whenever this one is full.
            let next = (rows.len() as i64 == limit).then(|| offset + limit);
            Ok((store::load(conn, &rows)?, next))
        })
        .await
}

/// How much two filters go together.
pub async fn correlation(
    app: &App,
    _auth: &View,
    experiments: Vec<i64>,
    filters: (&str, &str),
    base: Option<&str>,
) -> Result<Correlation> {
    let base = parse_traces(base.unwrap_or_default())?;
    let (first, second) = (parse_traces(filters.0)?, parse_traces(filters.1)?);
    let of = |more: &[&[tracking::search::Condition]]| Search {
        experiments: Some(experiments.clone()),
        conditions: std::iter::once(base.as_slice()).chain(more.iter().copied()).flatten().cloned().collect(),
        ..Search::default()
    };
    let all = [of(&[]), of(&[&first]), of(&[&second]), of(&[&first, &second])];
    app.db
        .read(move |conn| {
            let mut counts = [0; 4];
            for (count, search) in counts.iter_mut().zip(&all) {
                *count = found::count(conn, search)?;
            }
            let [total, first, second, both] = counts;
            Ok(rules::correlation(first, second, both, total))
        })
        .await
}
