//! Lists of jobs, a page at a time, and their counts; no spec is parsed for them.

use diesel::prelude::*;
use drydock_wire::{
    Page,
    jobs::{JobState, JobSummary},
};

use super::{DEFAULT_QUEUE, live};
use crate::{
    accounts::Scope,
    db::{Conn, schema::jobs::jobs},
    error::{Error, Result},
};

/// What a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Empty: every state.
    pub states: Vec<JobState>,
    /// Part of the name or the whole id.
    pub search: Option<String>,
    /// Name of a queue.
    pub queue: Option<String>,
    /// Id of a sweep.
    pub sweep: Option<String>,
    pub offset: i64,
    /// 1 to 200.
    pub limit: i64,
}

/// One page, newest first.
pub fn page(conn: &mut Conn, scope: &Scope, filter: &Filter) -> Result<Page<JobSummary>> {
    let limit = filter.limit.clamp(1, 200);
    let total: i64 = filtered(scope, filter).count().get_result(conn).map_err(Error::internal)?;
    let rows: Vec<live::SummaryRow> = filtered(scope, filter)
        .order((jobs::submitted_at.desc(), jobs::id.desc()))
        .offset(filter.offset.max(0))
        .limit(limit)
        .select(live::SummaryRow::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    let items: Vec<JobSummary> = rows.into_iter().map(live::SummaryRow::into_summary).collect::<Result<_>>()?;
    let end = filter.offset.max(0).saturating_add(i64::try_from(items.len()).unwrap_or(limit));
    Ok(Page { items, total: u64::try_from(total).unwrap_or(0), next: (end < total).then(|| end.to_string()) })
}

/// Running and waiting jobs.
pub fn count(conn: &mut Conn) -> Result<(u64, u64)> {
    let mut of = |states: &[&str]| -> Result<u64> {
        let count: i64 =
            jobs::table.filter(jobs::state.eq_any(states)).count().get_result(conn).map_err(Error::internal)?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    Ok((of(&["starting", "running", "cancelling"])?, of(&["queued"])?))
}

type Filtered<'a> = jobs::BoxedQuery<'a, diesel::sqlite::Sqlite>;

fn filtered<'a>(scope: &Scope, filter: &'a Filter) -> Filtered<'a> {
    let mut query = jobs::table.into_boxed();
    if *scope != Scope::All {
        query = query.filter(diesel::dsl::sql::<diesel::sql_types::Bool>(&scope.sql("jobs.project_id")));
    }
    if !filter.states.is_empty() {
        query = query.filter(jobs::state.eq_any(filter.states.iter().map(|state| state.as_str())));
    }
    if let Some(search) = filter.search.as_deref().filter(|text| !text.is_empty()) {
        query = query.filter(jobs::name.like(format!("%{}%", escape(search))).escape('\\').or(jobs::id.eq(search)));
    }
    match filter.queue.as_deref() {
        None | Some("") => {}
        // jobs of releases before queues name none
        Some(DEFAULT_QUEUE) => query = query.filter(jobs::queue_id.is_null().or(jobs::queue_id.eq(DEFAULT_QUEUE))),
        Some(queue) => query = query.filter(jobs::queue_id.eq(queue)),
    }
    if let Some(sweep) = filter.sweep.as_deref().filter(|id| !id.is_empty()) {
        query = query.filter(jobs::sweep_id.eq(sweep));
    }
    query
}

/// Makes `%`, `_` and the backslash mean themselves in `LIKE`.
fn escape(text: &str) -> String {
    text.chars().flat_map(|c| if "%_\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}
