//! Rows of how far each log was taken in, and whose log it is: asked of the features' tables, since a log outlives what it is of.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
};
use drydock_wire::logs::LogKind;

use crate::{
    db::{
        Conn,
        schema::logs::log_sources::{self, dsl},
    },
    error::{Error, Result},
    workloads::{self, logs::BUCKET},
};

/// Also what a commit of the index says of its sources.
#[derive(
    Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset, serde::Serialize, serde::Deserialize,
)]
#[diesel(table_name = log_sources)]
pub struct SourceRow {
    pub source: String,
    pub index_id: String,
    pub kind: String,
    pub owner: String,
    pub name: String,
    pub part: String,
    pub project_id: String,
    pub next_seq: i64,
    pub finished: bool,
    pub seen_at: i64,
}

/// Whose log it is.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    pub kind: LogKind,
    pub owner: String,
    pub name: String,
    pub part: String,
    pub project: String,
}

impl SourceRow {
    pub fn new(source: &str, index_id: &str, about: About, at: i64) -> Self {
        Self {
            source: source.to_owned(),
            index_id: index_id.to_owned(),
            kind: about.kind.as_str().to_owned(),
            owner: about.owner,
            name: about.name,
            part: about.part,
            project_id: about.project,
            next_seq: 0,
            finished: false,
            seen_at: at,
        }
    }

    pub fn kind(&self) -> LogKind {
        LogKind::parse(&self.kind).unwrap_or(LogKind::Drydock)
    }
}

pub fn find(conn: &mut Conn, source: &str) -> Result<Option<SourceRow>> {
    log_sources::table.find(source).select(SourceRow::as_select()).first(conn).optional().map_err(Error::internal)
}

pub fn save(conn: &mut Conn, rows: &[SourceRow]) -> Result<()> {
    for row in rows {
        diesel::insert_into(log_sources::table)
            .values(row)
            .on_conflict(dsl::source)
            .do_update()
            .set(row)
            .execute(conn)
            .map_err(Error::internal)?;
    }
    Ok(())
}

/// What a commit of the index said: saved where it is further than the rows.
pub fn catch_up(conn: &mut Conn, rows: &[SourceRow]) -> Result<()> {
    for row in rows {
        let known = find(conn, &row.source)?.filter(|known| known.index_id == row.index_id);
        if known.is_none_or(|known| known.next_seq < row.next_seq) {
            save(conn, std::slice::from_ref(row))?;
        }
    }
    Ok(())
}

/// Forgets what was taken into another index, and logs that ended before `before`.
pub fn forget(conn: &mut Conn, index_id: &str, before: i64) -> Result<()> {
    diesel::delete(
        log_sources::table.filter(dsl::index_id.ne(index_id).or(dsl::finished.eq(true).and(dsl::seen_at.lt(before)))),
    )
    .execute(conn)
    .map(|_| ())
    .map_err(Error::internal)
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = Text)]
    key: String,
}

/// Kept copies since `after` that were not taken in to their end.
pub fn kept_and_not_finished(conn: &mut Conn, after: i64, limit: i64) -> Result<Vec<String>> {
    let rows: Vec<Key> = sql_query(
        "SELECT o.key FROM objects o LEFT JOIN log_sources s ON s.source = replace(o.key, '/', '-') AND s.finished = 1 \
         WHERE o.bucket = ? AND o.key NOT LIKE '%/index' AND o.created_at > ? AND s.source IS NULL \
         ORDER BY o.created_at DESC LIMIT ?",
    )
    .bind::<Text, _>(BUCKET)
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| row.key.replace('/', "-")).collect())
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    project: String,
    #[diesel(sql_type = Text)]
    part: String,
}

const BUILD: &str =
    "SELECT id, repository || ':' || tag AS name, project_id AS project, '' AS part FROM builds WHERE id = ?";
const JOB: &str = "SELECT id, name, project_id AS project, '' AS part FROM jobs WHERE id = ?";
const REPLICA: &str = "SELECT d.id, d.name, d.project_id AS project, \
     'revision ' || r.number || ', replica ' || p.number AS part FROM replicas p \
     JOIN revisions r ON r.id = p.revision_id JOIN deployments d ON d.id = r.deployment_id WHERE p.id = ?";
const DEPLOYMENT: &str = "SELECT id, name, project_id AS project, '' AS part FROM deployments WHERE id = ?";

/// Whose log that is; none where nobody knows any more.
pub fn about(conn: &mut Conn, workload: &str, generation: i64) -> Result<Option<About>> {
    if let Some(build) = workload.strip_prefix("build-") {
        return Ok(named(conn, BUILD, build)?.map(|row| row.about(LogKind::Build, None)));
    }
    if let Some(row) = named(conn, JOB, workload)? {
        return Ok(Some(row.about(LogKind::Job, Some(format!("attempt {generation}")))));
    }
    if let Some(row) = named(conn, REPLICA, workload)? {
        return Ok(Some(row.about(LogKind::Deployment, None)));
    }
    let Some(found) = workloads::find(conn, workload)? else { return Ok(None) };
    let part = Some(workload.to_owned());
    Ok(named(conn, DEPLOYMENT, &found.owner)?.map(|row| row.about(LogKind::Deployment, part)))
}

fn named(conn: &mut Conn, statement: &str, id: &str) -> Result<Option<Named>> {
    sql_query(statement).bind::<Text, _>(id).get_result(conn).optional().map_err(Error::internal)
}

impl Named {
    fn about(self, kind: LogKind, part: Option<String>) -> About {
        About { kind, owner: self.id, name: self.name, part: part.unwrap_or(self.part), project: self.project }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_row_never_goes_back_and_the_statements_fit_the_schema() {
        let mut conn = crate::db::testing::connection();
        let about = About {
            kind: LogKind::Job,
            owner: "j".into(),
            name: "n".into(),
            part: "attempt 1".into(),
            project: "default".into(),
        };
        let mut row = SourceRow::new("j-1", "a", about, 5);
        save(&mut conn, std::slice::from_ref(&row)).unwrap();
        let further = |next_seq| SourceRow { next_seq, ..row.clone() };
        catch_up(&mut conn, &[further(9), further(4)]).unwrap();
        row = further(9);
        assert_eq!(find(&mut conn, "j-1").unwrap(), Some(row.clone()));
        forget(&mut conn, "a", 100).unwrap();
        row.finished = true;
        save(&mut conn, &[row]).unwrap();
        forget(&mut conn, "a", 5).unwrap();
        assert!(find(&mut conn, "j-1").unwrap().is_some());
        forget(&mut conn, "b", 0).unwrap();
        assert_eq!(find(&mut conn, "j-1").unwrap(), None);
        for workload in ["x", "build-x"] {
            assert_eq!(super::about(&mut conn, workload, 1).unwrap(), None);
        }
        assert_eq!(named(&mut conn, DEPLOYMENT, "x").unwrap().map(|row| row.id), None);
        assert!(kept_and_not_finished(&mut conn, 0, 10).unwrap().is_empty());
    }
}
