//! Traces and spans coming in.

use drydock_wire::events::Topic;
use uuid::Uuid;

use super::{
    Assessment, Pair, State, Trace, absent, names, rules,
    span::Span,
    store::{self, chunks, spans as rows, traces as heads},
    summary::{self, Arrived, Figures, Summary},
    translate::translate,
};
use crate::{
    accounts::{Authorized, action},
    app::App,
    db::Conn,
    error::{Error, Result},
    tracking,
};

type Develop = Authorized<action::Develop>;

/// What a client says about a trace as a whole.
#[derive(Debug, Clone)]
pub struct NewTrace {
    /// Absent: the server makes one.
    pub trace_id: Option<String>,
    pub experiment_id: i64,
    pub started_at: i64,
    pub duration_ms: Option<i64>,
    pub state: State,
    pub client_request_id: Option<String>,
    pub request_preview: Option<String>,
    pub response_preview: Option<String>,
    pub tags: Vec<Pair>,
    pub metadata: Vec<Pair>,
    pub assessments: Vec<Assessment>,
    /// Whether start and duration are final: spans that come later do not change them.
    pub finalized: bool,
}

/// Keeps what is said about a trace; one that is there already (its spans came first) is completed.
pub async fn create_trace(app: &App, _auth: &Develop, mut new: NewTrace) -> Result<Trace> {
    let id = new.trace_id.take().unwrap_or_else(|| Uuid::new_v4().simple().to_string());
    rules::trace_id(&id)?;
    new.tags = checked_tags(new.tags)?;
    new.metadata = shortened(new.metadata);
    let published = id.clone();
    let trace = app
        .db
        .write(move |conn| {
            tracking::active_experiment(conn, new.experiment_id)?;
            let row = head(conn, &id, &new)?;
            complete(conn, row, &new)?;
            loaded(conn, row, &id)
        })
        .await?;
    app.events.publish(Topic::Traces, Some(&published));
    Ok(trace)
}

fn checked_tags(tags: Vec<Pair>) -> Result<Vec<Pair>> {
    let tags: Vec<Pair> = tags.into_iter().map(|(key, value)| rules::arriving_tag(key, value)).collect();
    tags.iter().filter(|(key, _)| key == names::NAME_TAG).try_for_each(|(_, name)| rules::name(name))?;
    Ok(tags)
}

fn shortened(metadata: Vec<Pair>) -> Vec<Pair> {
    metadata.into_iter().map(|(key, value)| rules::metadata(key, value)).collect()
}

/// The trace's row, made if it is not there.
fn head(conn: &mut Conn, id: &str, new: &NewTrace) -> Result<i64> {
    let Some(known) = heads::known(conn, id)? else {
        let row = heads::NewRow {
            trace_id: id,
            experiment_id: new.experiment_id,
            started_at: new.started_at,
            duration_ms: new.duration_ms,
            state: new.state,
            finalized: new.finalized,
        };
        return heads::insert(conn, &row);
    };
    let changes = heads::Changes {
        experiment_id: Some(new.experiment_id),
        started_at: Some(new.started_at),
        duration_ms: Some(new.duration_ms),
        state: Some(new.state.as_str()),
        finalized: Some(new.finalized),
        ..heads::Changes::default()
    };
    heads::change(conn, known.row, &changes)?;
    Ok(known.row)
}

fn complete(conn: &mut Conn, row: i64, new: &NewTrace) -> Result<()> {
    let changes = heads::Changes {
        client_request_id: new.client_request_id.clone(),
        request_preview: new.request_preview.clone().map(rules::client_preview),
        response_preview: new.response_preview.clone().map(rules::client_preview),
        ..heads::Changes::default()
    };
    heads::change(conn, row, &changes)?;
    new.tags.iter().try_for_each(|(key, value)| heads::set_tag(conn, row, key, value))?;
    new.metadata.iter().try_for_each(|(key, value)| heads::set_metadata(conn, row, key, value))?;
    if new.finalized {
        heads::set_metadata(conn, row, names::FINALIZED, "true")?;
    }
    for assessment in &new.assessments {
        match store::assessments::insert(conn, row, assessment) {
            Err(error) if error.code == drydock_wire::ErrorCode::AlreadyExists => {
                store::assessments::update_of(conn, row, assessment)?;
            }
            other => other?,
        }
    }
    Ok(())
}

/// For clients of MLflow 2: the trace is over.
pub async fn end_trace(
    app: &App,
    _auth: &Develop,
    id: String,
    ended_at: i64,
    state: State,
    metadata: Vec<Pair>,
    tags: Vec<Pair>,
) -> Result<Trace> {
    let (metadata, tags) = (shortened(metadata), checked_tags(tags)?);
    let published = id.clone();
    let trace = app
        .db
        .write(move |conn| {
            let known = heads::known(conn, &id)?.ok_or_else(|| absent(&id))?;
            let changes = heads::Changes {
                duration_ms: Some(Some(ended_at.saturating_sub(known.started_at))),
                state: Some(state.as_str()),
                ..heads::Changes::default()
            };
            heads::change(conn, known.row, &changes)?;
            tags.iter().try_for_each(|(key, value)| heads::set_tag(conn, known.row, key, value))?;
            metadata.iter().try_for_each(|(key, value)| heads::set_metadata(conn, known.row, key, value))?;
            loaded(conn, known.row, &id)
        })
        .await?;
    app.events.publish(Topic::Traces, Some(&published));
    Ok(trace)
}

pub(super) fn loaded(conn: &mut Conn, row: i64, id: &str) -> Result<Trace> {
    heads::load(conn, &[row])?.pop().ok_or_else(|| absent(id))
}

/// Spans of one trace, with all that can be worked out before the transaction.
struct Ready {
    trace_id: String,
    summary: Summary,
    figures: Vec<Figures>,
    spans: Vec<Span>,
    packed: Vec<chunks::Packed>,
}

impl Ready {
    fn new(mut arrived: Arrived) -> Result<Self> {
        for span in &mut arrived.spans {
            translate(span);
            span.flatten();
        }
        Ok(Self {
            trace_id: rules::trace_id_of(&arrived.otel_id),
            summary: summary::summarize(&arrived),
            figures: arrived.spans.iter().map(Figures::of).collect(),
            packed: chunks::pack(&arrived.spans)?,
            spans: arrived.spans,
        })
    }
}

/// For the fuzzer: how many spans arrived, and how many can be read from their chunks.
pub(super) fn kept_again(arrived: Vec<Arrived>) -> Option<(usize, usize)> {
    let count = arrived.iter().map(|one| one.spans.len()).sum();
    let again = arrived.into_iter().map(Ready::new).collect::<Result<Vec<_>>>().ok()?;
    let chunks = again.iter().flat_map(|one| &one.packed);
    Some((count, chunks.map(|one| chunks::unpack(&one.data).map_or(0, |spans| spans.len())).sum()))
}

/// Keeps spans, all or none; traces that are not there yet are made in the experiment. Those that are complete belong to the
/// run, if one is named.
pub async fn log_spans(
    app: &App,
    _auth: &Develop,
    experiment: i64,
    run: Option<String>,
    arrived: Vec<Arrived>,
) -> Result<()> {
    let prepare = move || arrived.into_iter().map(Ready::new).collect::<Result<Vec<_>>>();
    let ready = tokio::task::spawn_blocking(prepare).await.map_err(Error::internal)??;
    let published = match ready.as_slice() {
        [one] => Some(one.trace_id.clone()),
        _ => None,
    };
    app.db.write(move |conn| ready.iter().try_for_each(|one| keep(conn, experiment, run.as_deref(), one))).await?;
    app.events.publish(Topic::Traces, published.as_deref());
    Ok(())
}

fn keep(conn: &mut Conn, experiment: i64, run: Option<&str>, ready: &Ready) -> Result<()> {
    let known = heads::known(conn, &ready.trace_id)?;
    let known = match known {
        Some(known) => known,
        None => made(conn, experiment, ready)?,
    };
    store::keep_spans(conn, &known, &ready.spans, &ready.packed).map_err(|mut error| {
        error.message = format!("{}: {}", ready.trace_id, error.message);
        error
    })?;
    heads::change(conn, known.row, &told(&known, &ready.summary))?;
    figures(conn, &known, ready)?;
    beside(conn, known.row, &ready.summary)?;
    match run.filter(|_| ready.summary.state.is_some()) {
        Some(run) => heads::link_run(conn, known.row, run),
        None => Ok(()),
    }
}

fn made(conn: &mut Conn, experiment: i64, ready: &Ready) -> Result<heads::Known> {
    tracking::active_experiment(conn, experiment)?;
    let summary = &ready.summary;
    let row = heads::NewRow {
        trace_id: &ready.trace_id,
        experiment_id: experiment,
        started_at: summary.started_at,
        duration_ms: None,
        state: State::InProgress,
        finalized: false,
    };
    heads::insert(conn, &row)?;
    heads::known(conn, &ready.trace_id)?.ok_or_else(|| absent(&ready.trace_id))
}

/// What the spans change about the trace: nothing that the client said itself.
fn told(known: &heads::Known, summary: &Summary) -> heads::Changes {
    let mut changes = heads::Changes::default();
    if !known.finalized {
        let started = known.started_at.min(summary.started_at);
        let before = known.duration_ms.map(|duration| known.started_at.saturating_add(duration));
        changes.started_at = Some(started);
        changes.duration_ms = before.max(summary.ended_at).map(|ended| Some(ended.saturating_sub(started)));
    }
    if matches!(State::parse(&known.state), Some(State::InProgress | State::Unspecified) | None) {
        changes.state = summary.state.map(State::as_str);
    }
    changes.root_name = summary.root_name.clone();
    changes.request_preview = summary.request_preview.clone().filter(|_| !known.has_request);
    changes.response_preview = summary.response_preview.clone().filter(|_| !known.has_response);
    changes
}

/// Tokens and costs, over the new spans and those that came before.
fn figures(conn: &mut Conn, known: &heads::Known, ready: &Ready) -> Result<()> {
    if ready.figures.iter().all(|span| span.usage.is_none() && span.cost.is_none()) {
        return Ok(());
    }
    let earlier = if known.span_count > 0 { Some(rows::figures(conn, known.row)?) } else { None };
    let all = earlier.as_ref().unwrap_or(&ready.figures);
    let (usage, cost) = (summary::usage(all), summary::cost(all));
    let said =
        |conn: &mut Conn, key: &str| Ok::<_, Error>(known.finalized && heads::has_metadata(conn, known.row, key)?);
    if let Some(usage) = usage
        && !said(conn, names::USAGE)?
    {
        heads::set_metadata(conn, known.row, names::USAGE, &usage.to_json())?;
    }
    if let Some(cost) = cost
        && !said(conn, names::COST)?
    {
        heads::set_metadata(conn, known.row, names::COST, &cost.to_json())?;
    }
    Ok(())
}

/// Session, user, tags.
fn beside(conn: &mut Conn, row: i64, summary: &Summary) -> Result<()> {
    for (key, value) in [(names::SESSION, &summary.session), (names::USER, &summary.user)] {
        if let Some(value) = value
            && !heads::has_metadata(conn, row, key)?
        {
            let (key, value) = rules::metadata(key.to_owned(), value.clone());
            heads::set_metadata(conn, row, &key, &value)?;
        }
    }
    summary.tags.iter().try_for_each(|(key, value)| heads::set_tag(conn, row, key, value))?;
    heads::set_tag(conn, row, names::SPANS_LOCATION_TAG, names::IN_STORE)
}

#[cfg(test)]
mod tests;
