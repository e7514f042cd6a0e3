//! Changes to traces that are there: tags, links, deletion.

use drydock_wire::events::Topic;
use serde_json::json;

use super::{absent, rules, store::traces as store};
use crate::{
    accounts::{Authorized, Principal, action, audit},
    app::App,
    db::Conn,
    error::{Error, Result},
    objects,
    tracking::{ARTIFACT_BUCKET, rules::artifact_key},
};

type Develop = Authorized<action::Develop>;

/// Traces removed in one transaction, so that other writers wait for no long one.
const AT_ONCE: i64 = 500;
/// Ids that an audit row names.
const NAMED: usize = 50;

pub async fn set_tag(app: &App, _auth: &Develop, id: String, key: String, value: String) -> Result<()> {
    rules::may_change_tag(&key, "set")?;
    let (key, value) = rules::tag(key, value)?;
    if key == super::names::NAME_TAG {
        rules::name(&value)?;
    }
    let published = id.clone();
    app.db
        .write(move |conn| {
            let known = store::known(conn, &id)?.ok_or_else(|| absent(&id))?;
            store::set_tag(conn, known.row, &key, &value)
        })
        .await?;
    app.events.publish(Topic::Traces, Some(&published));
    Ok(())
}

pub async fn delete_tag(app: &App, _auth: &Develop, id: String, key: String) -> Result<()> {
    rules::may_change_tag(&key, "deleted")?;
    let published = id.clone();
    app.db
        .write(move |conn| {
            let known = store::known(conn, &id)?;
            let deleted = known.map(|known| store::delete_tag(conn, known.row, &key)).transpose()?;
            if deleted == Some(true) {
                return Ok(());
            }
            Err(Error::not_found(format!("No trace tag with key '{key}' for trace with ID '{id}'")))
        })
        .await?;
    app.events.publish(Topic::Traces, Some(&published));
    Ok(())
}

/// Notes that traces belong to a run. Ids of traces that are not there are passed over, as MLflow does.
pub async fn link_run(app: &App, _auth: &Develop, ids: Vec<String>, run_id: String) -> Result<()> {
    if ids.len() > rules::MAX_LINKS {
        return Err(Error::invalid(format!(
            "Cannot link more than {} traces to a run in a single request. Provided {} traces.",
            rules::MAX_LINKS,
            ids.len()
        )));
    }
    app.db
        .write(move |conn| {
            let rows = store::rows_of(conn, &ids, None)?;
            rows.iter().try_for_each(|row| store::link_run(conn, *row, &run_id))
        })
        .await?;
    app.events.publish(Topic::Traces, None);
    Ok(())
}

/// Notes which prompts a trace used; each is "name/version".
pub async fn link_prompts(app: &App, _auth: &Develop, id: String, prompts: Vec<String>) -> Result<()> {
    app.db
        .write(move |conn| {
            let known = store::known(conn, &id)?.ok_or_else(|| absent(&id))?;
            prompts.iter().try_for_each(|prompt| store::link_prompt(conn, known.row, prompt))
        })
        .await
}

/// Which traces of an experiment go.
#[derive(Debug, Clone)]
pub enum Doomed {
    /// Those that began at that instant or before, the oldest first, at most so many.
    Until(i64, Option<i64>),
    Ids(Vec<String>),
}

/// Removes traces with all that belongs to them; how many there were. The bytes of their files go with the next collection.
pub async fn delete_traces(
    app: &App,
    auth: &Authorized<action::Erase>,
    experiment: i64,
    doomed: Doomed,
) -> Result<i64> {
    let mut left = match &doomed {
        Doomed::Until(_, most) => most.unwrap_or(i64::MAX),
        Doomed::Ids(_) => i64::MAX,
    };
    let mut gone = 0;
    loop {
        let (who, doomed, most) = (auth.principal().clone(), doomed.clone(), left.min(AT_ONCE));
        let count = app.db.write(move |conn| delete_some(conn, &who, experiment, &doomed, most)).await?;
        gone += count;
        left -= count;
        if count < AT_ONCE || left <= 0 {
            break;
        }
    }
    if gone > 0 {
        app.events.publish(Topic::Traces, None);
    }
    Ok(gone)
}

/// Removes some, with their audit row.
fn delete_some(conn: &mut Conn, who: &Principal, experiment: i64, doomed: &Doomed, most: i64) -> Result<i64> {
    let found = match doomed {
        Doomed::Until(before, _) => store::doomed(conn, experiment, Some(*before), None, most)?,
        Doomed::Ids(ids) => store::doomed(conn, experiment, None, Some(ids), most)?,
    };
    if found.is_empty() {
        return Ok(0);
    }
    for (_, id, location) in &found {
        if let Some(root) = artifact_key(location) {
            objects::store::release_prefix(conn, ARTIFACT_BUCKET, &format!("{root}/traces/{id}/"))?;
        }
    }
    let rows: Vec<i64> = found.iter().map(|(row, ..)| *row).collect();
    store::delete(conn, &rows)?;
    let ids: Vec<&str> = found.iter().take(NAMED).map(|(_, id, _)| id.as_str()).collect();
    let detail = json!({"traces": found.len(), "ids": ids});
    audit(conn, who, "trace.delete", &format!("experiment/{experiment}"), detail)?;
    Ok(found.len() as i64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::traces::State;

    #[test]
    fn deleting_takes_rows_and_files_along() {
        let mut conn = crate::db::testing::connection();
        for (id, at) in [("tr-a", 1), ("tr-b", 2), ("tr-ab", 3)] {
            let new = store::NewRow {
                trace_id: id,
                experiment_id: 0,
                started_at: at,
                duration_ms: None,
                state: State::Ok,
                finalized: false,
            };
            let row = store::insert(&mut conn, &new).unwrap();
            store::set_tag(&mut conn, row, "k", "v").unwrap();
            objects::store::touch_blob(&mut conn, "d", 1, Some(b"x"), None, 1).unwrap();
            let key = format!("0/traces/{id}/artifacts/traces.json");
            objects::store::link(&mut conn, ARTIFACT_BUCKET, &key, "d", 1).unwrap();
        }
        let who = Principal::console();
        let ids = Doomed::Ids(vec!["tr-a".into(), "none".into()]);
        assert_eq!(delete_some(&mut conn, &who, 0, &ids, 10).unwrap(), 1);
        assert_eq!(delete_some(&mut conn, &who, 1, &Doomed::Until(9, None), 10).unwrap(), 0);
        let left = objects::store::list_prefix(&mut conn, ARTIFACT_BUCKET, "0/traces/").unwrap();
        assert_eq!(left.len(), 2);
        assert_eq!(delete_some(&mut conn, &who, 0, &Doomed::Until(9, None), 1).unwrap(), 1);
        assert!(
            store::known(&mut conn, "tr-b").unwrap().is_none() && store::known(&mut conn, "tr-ab").unwrap().is_some()
        );
    }
}
