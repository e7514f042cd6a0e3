//! What happened to deployments in a time, for the time axis of charts.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::db::Conn;
use crate::db::schema::serving::{deployments, releases, revisions};
use crate::error::{Error, Result};

/// So many of each kind at most.
const MOST: i64 = 200;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub at: i64,
    pub deployment: String,
    pub text: String,
}

/// Revisions that came in, and releases that began or ended, from `from` to `until`; oldest first.
pub fn marks(conn: &mut Conn, from: i64, until: i64) -> Result<Vec<Mark>> {
    let names: HashMap<String, String> = deployments::table
        .select((deployments::id, deployments::name))
        .load(conn)
        .map_err(Error::internal)?
        .into_iter()
        .collect();
    let came: Vec<(String, i64, Option<i64>)> = revisions::table
        .filter(revisions::ready_at.between(from, until))
        .order(revisions::ready_at.desc())
        .limit(MOST)
        .select((revisions::deployment_id, revisions::number, revisions::ready_at))
        .load(conn)
        .map_err(Error::internal)?;
    let moved: Vec<(String, i64, i64, Option<i64>, String)> = releases::table
        .filter(releases::began_at.between(from, until).or(releases::ended_at.between(from, until)))
        .order(releases::began_at.desc())
        .limit(MOST)
        .select((releases::deployment_id, releases::revision, releases::began_at, releases::ended_at, releases::state))
        .load(conn)
        .map_err(Error::internal)?;
    let mut all = vec![];
    let mut mark = |at: i64, id: &str, words: String| {
        let name = names.get(id).cloned().unwrap_or_default();
        all.push(Mark { at, text: format!("{name}: {words}"), deployment: name });
    };
    for (id, number, at) in &came {
        mark(at.unwrap_or(0), id, format!("revision {number}"));
    }
    for (id, number, began_at, ended_at, state) in &moved {
        mark(*began_at, id, format!("release of {number} begins"));
        let how = match state.as_str() {
            "promoted" => "promoted",
            "rolled_back" => "taken back",
            _ => "ends",
        };
        if let Some(at) = ended_at {
            mark(*at, id, format!("release of {number} {how}"));
        }
    }
    all.retain(|mark: &Mark| (from..=until).contains(&mark.at));
    all.sort_by_key(|mark| mark.at);
    let most = usize::try_from(MOST).unwrap_or(0);
    all.drain(..all.len().saturating_sub(most));
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use diesel::connection::SimpleConnection;

    use super::*;

    #[test]
    fn what_happened_in_the_time_is_told_in_order() {
        let mut conn = crate::db::testing::connection();
        conn.batch_execute(
            "INSERT INTO deployments (id, name, goal, created_at, created_by, updated_at) VALUES ('d', 'wine', 1, 1, 'ann', 1);
             INSERT INTO revisions (id, deployment_id, number, model, version, resources, state, created_at, created_by, ready_at)
               VALUES ('r1', 'd', 1, 'm', 1, '{}', 'retired', 1, 'ann', 100), ('r2', 'd', 2, 'm', 1, '{}', 'live', 1, 'ann', 250);
             INSERT INTO releases (id, deployment_id, revision, stable, plan, state, step_began_at, began_at, began_by, ended_at)
               VALUES ('x', 'd', 2, 1, '{}', 'promoted', 200, 200, 'ann', 300);",
        )
        .unwrap();
        let told = |conn: &mut Conn, from, until| {
            marks(conn, from, until).unwrap().into_iter().map(|mark| (mark.at, mark.text)).collect::<Vec<_>>()
        };
        let all = told(&mut conn, 0, 1000);
        assert_eq!(
            all,
            [
                (100, "wine: revision 1".to_owned()),
                (200, "wine: release of 2 begins".to_owned()),
                (250, "wine: revision 2".to_owned()),
                (300, "wine: release of 2 promoted".to_owned()),
            ]
        );
        assert_eq!(told(&mut conn, 240, 290), all[2..3]);
    }
}
