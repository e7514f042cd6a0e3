//! What a question about a list of runs means: parameters of a URL as a search.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    accounts::Scope,
    db::Conn,
    error::{Error, Result},
    tracking::{
        RunStatus, rules,
        search::{self, Condition, Entity, Op, Operand, RUNS},
        store::{self, run_search::RunSearch, runs::Shown},
    },
};

/// Which runs, in which order.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
pub struct RunsQuery {
    /// Ids of experiments, with commas.
    pub experiment: Option<String>,
    /// MLflow's filter language, or words in name, id or user.
    pub search: Option<String>,
    /// One or several, with commas.
    pub status: Option<String>,
    /// Ids of runs, with commas: these alone.
    pub ids: Option<String>,
    /// Id of a saved comparison: its runs alone.
    pub set: Option<String>,
    /// `started_at`, `ended_at`, `name`, `status`, `user`, `metrics.…`, `params.…` or `tags.…`; with `-` before it descending.
    pub sort: Option<String>,
    pub page: Option<String>,
    /// Where the window starts, in place of `page`.
    pub offset: Option<i64>,
    pub limit: Option<i64>,
    /// `metrics.acc,params.lr,tags.team`: what of the runs' values comes along; all of them where it is absent.
    pub columns: Option<String>,
    /// `false` leaves the counting out: `total` is 0 then.
    pub count: Option<bool>,
}

fn list_of(text: &Option<String>) -> Vec<String> {
    let parts = text.iter().flat_map(|text| text.split(','));
    parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

pub fn experiments_of(text: &Option<String>) -> Result<Option<Vec<i64>>> {
    let ids = list_of(text).iter().map(|id| rules::experiment_id(id)).collect::<Result<Vec<_>>>()?;
    Ok((!ids.is_empty()).then_some(ids))
}

pub fn run_search(query: &RunsQuery) -> Result<RunSearch> {
    let filled = |field: &Option<String>| field.clone().filter(|text| !text.trim().is_empty());
    let mut wish = RunSearch { experiments: experiments_of(&query.experiment)?, ..RunSearch::default() };
    if let Some(text) = filled(&query.search) {
        match search::parse(&text, &RUNS) {
            Ok(conditions) => wish.conditions = conditions,
            Err(error) if is_filter(&text) => return Err(error),
            Err(_) => wish.words = Some(text.trim().to_owned()),
        }
    }
    let mut statuses = Vec::new();
    for status in list_of(&query.status) {
        let status = RunStatus::parse(&status)
            .ok_or_else(|| Error::invalid("A status is running, finished, failed, killed or scheduled."))?;
        statuses.push(status.as_str().to_owned());
    }
    if !statuses.is_empty() {
        wish.conditions.push(one_of("status", statuses));
    }
    let ids = list_of(&query.ids);
    if !ids.is_empty() {
        wish.conditions.push(one_of("run_id", ids));
    }
    if let Some(sort) = filled(&query.sort) {
        wish.order = search::parse_order_by(&[order_clause(&sort)], &RUNS)?;
    }
    Ok(wish)
}

/// Whether somebody meant a filter: it has an operator or names an entity. Anything else is words to look for.
fn is_filter(text: &str) -> bool {
    const ENTITIES: [&str; 8] =
        ["metric.", "metrics.", "param.", "params.", "tag.", "tags.", "attributes.", "datasets."];
    let low = text.trim_start().to_ascii_lowercase();
    text.contains(['=', '<', '>']) || ENTITIES.iter().any(|entity| low.starts_with(entity))
}

fn one_of(key: &str, values: Vec<String>) -> Condition {
    Condition { entity: Entity::Attribute, key: key.into(), op: Op::In, value: Operand::List(values), at: 0 }
}

/// The runs of a saved comparison, if one is named; of whatever is asked for what is shown to the asker.
pub fn with_set(conn: &mut Conn, scope: &Scope, mut wish: RunSearch, set: Option<&str>) -> Result<RunSearch> {
    wish.experiments = store::experiments::shown(conn, scope, wish.experiments)?;
    let Some(id) = set.filter(|id| !id.is_empty()) else { return Ok(wish) };
    let view = store::views::find(conn, id)?
        .ok_or_else(|| Error::not_found("There is no such comparison; whoever saved it may have deleted it."))?;
    let ids = view.query.split('&').find_map(|pair| pair.strip_prefix("ids=")).unwrap_or_default();
    wish.conditions.push(one_of("run_id", list_of(&Some(ids.to_owned()))));
    Ok(wish)
}

/// What `columns` names.
pub fn columns(text: &str) -> Result<Shown> {
    let mut shown = Shown::default();
    for word in text.split(',').filter(|word| !word.is_empty()) {
        match word.split_once('.') {
            Some(("metrics", key)) => shown.metrics.push(key.to_owned()),
            Some(("params", key)) => shown.params.push(key.to_owned()),
            Some(("tags", key)) => shown.tags.push(key.to_owned()),
            _ => return Err(Error::invalid(format!("A column is metrics.…, params.… or tags.…, not '{word}'."))),
        }
    }
    Ok(shown)
}

/// The dashboard's `-metrics.acc` as MLflow's ``metrics.`acc` DESC``.
fn order_clause(sort: &str) -> String {
    let (key, direction) = sort.strip_prefix('-').map_or((sort, "ASC"), |key| (key, "DESC"));
    let key = match key {
        "started_at" => "start_time".to_owned(),
        "ended_at" => "end_time".to_owned(),
        "name" => "run_name".to_owned(),
        "user" => "user_id".to_owned(),
        key => match key.split_once('.') {
            Some((entity, name)) => format!("{entity}.`{}`", name.replace('`', "``")),
            None => key.to_owned(),
        },
    };
    format!("{key} {direction}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn query(search: &str, sort: &str) -> RunsQuery {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        RunsQuery { search: text(search), sort: text(sort), ..RunsQuery::default() }
    }

    #[test]
    fn the_search_box_takes_filters_and_words() {
        assert_eq!(run_search(&query("metrics.acc > 0.5", "")).unwrap().conditions.len(), 1);
        assert_eq!(run_search(&query("quick fox", "")).unwrap().words.as_deref(), Some("quick fox"));
        assert!(run_search(&query("metrics.acc > ", "")).is_err());
        assert!(run_search(&query("metrics.acc ~ 3", "")).is_err());
    }

    #[test]
    fn several_experiments_and_states_are_named_with_commas() {
        let text = |text: &str| Some(text.to_owned());
        let wish = RunsQuery { experiment: text("1,2"), status: text("running, failed"), ..RunsQuery::default() };
        let found = run_search(&wish).unwrap();
        assert_eq!(found.experiments, Some(vec![1, 2]));
        assert_eq!(found.conditions[0].value, Operand::List(vec!["RUNNING".into(), "FAILED".into()]));
        assert!(run_search(&RunsQuery { status: text("asleep"), ..RunsQuery::default() }).is_err());
    }

    #[test]
    fn sorts_become_order_clauses() {
        assert_eq!(order_clause("-metrics.val acc"), "metrics.`val acc` DESC");
        assert_eq!(order_clause("started_at"), "start_time ASC");
        for sort in ["-started_at", "name", "-metrics.a b", "params.lr", "status", "user"] {
            assert_eq!(run_search(&query("", sort)).unwrap().order.len(), 1, "{sort}");
        }
        assert!(run_search(&query("", "nope")).is_err());
    }

    #[test]
    fn columns_name_their_kind() {
        let shown = columns("metrics.a.b,params.lr").unwrap();
        assert_eq!((shown.metrics, shown.params), (vec!["a.b".to_owned()], vec!["lr".to_owned()]));
        assert!(columns("lr").is_err());
    }
}
