//! The trash as a list: what was deleted by itself. Runs of a deleted experiment, and models that went with their run, are
//! part of that entry.

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::*};
use drydock_wire::trash::TrashKind;

use crate::{
    accounts::Scope,
    db::Conn,
    error::{Error, Result},
};

/// A line of the trash.
#[derive(Debug, QueryableByName)]
pub struct Entry {
    /// 0 experiment, 1 run, 2 logged model.
    #[diesel(sql_type = Integer)]
    kind: i32,
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub experiment: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub deleted_at: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub deleted_by: Option<String>,
}

impl Entry {
    pub fn kind(&self) -> TrashKind {
        match self.kind {
            0 => TrashKind::Experiment,
            1 => TrashKind::Run,
            _ => TrashKind::LoggedModel,
        }
    }
}

/// Which lines.
#[derive(Debug, Default, Clone)]
pub struct Wish {
    pub kind: Option<TrashKind>,
    /// Part of the name or of the id.
    pub words: String,
}

const ENTRIES: &str = "FROM (
    SELECT 0 AS kind, CAST(e.id AS TEXT) AS id, e.name, NULL AS experiment, e.deleted_at,
      'experiment/' || e.id AS subject, 'experiment.delete' AS verb FROM experiments e WHERE e.deleted_at IS NOT NULL
      AND {scope}
    UNION ALL
    SELECT 1, r.run_id, r.name, e.name, r.deleted_at, 'run/' || r.run_id, 'run.delete'
      FROM runs r JOIN experiments e ON e.id = r.experiment_id WHERE r.deleted_at IS NOT NULL AND e.deleted_at IS NULL
      AND {scope}
    UNION ALL
    SELECT 2, m.model_id, m.name, e.name, m.deleted_at, 'logged_model/' || m.model_id, 'logged_model.delete'
      FROM logged_models m JOIN experiments e ON e.id = m.experiment_id
      WHERE m.deleted_at IS NOT NULL AND e.deleted_at IS NULL AND {scope} AND NOT EXISTS (
        SELECT 1 FROM runs r WHERE r.run_id = m.source_run_id AND r.deleted_at = m.deleted_at)
  ) t WHERE (?1 < 0 OR t.kind = ?1) AND (?2 = '' OR instr(lower(t.name), lower(?2)) > 0 OR instr(t.id, ?2) > 0)";

fn kind_number(wish: &Wish) -> i32 {
    match wish.kind {
        None => -1,
        Some(TrashKind::Experiment) => 0,
        Some(TrashKind::Run) => 1,
        Some(TrashKind::LoggedModel) => 2,
    }
}

/// Lines that are shown, newest first, and how many there are in all.
pub fn entries(conn: &mut Conn, scope: &Scope, wish: &Wish, offset: i64, limit: i64) -> Result<(Vec<Entry>, i64)> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let shown = ENTRIES.replace("{scope}", &scope.sql("e.project_id"));
    let total: Count = sql_query(format!("SELECT count(*) AS n {shown}"))
        .bind::<Integer, _>(kind_number(wish))
        .bind::<Text, _>(&wish.words)
        .get_result(conn)
        .map_err(Error::internal)?;
    // Who deleted it last: the audit trail knows, whichever face it came through.
    let rows = sql_query(format!(
        "SELECT t.kind, t.id, t.name, t.experiment, t.deleted_at, (SELECT a.actor FROM audit a WHERE a.subject = t.subject
           AND a.action = t.verb ORDER BY a.id DESC LIMIT 1) AS deleted_by
         {shown} ORDER BY t.deleted_at DESC, t.kind, t.id LIMIT ?3 OFFSET ?4"
    ))
    .bind::<Integer, _>(kind_number(wish))
    .bind::<Text, _>(&wish.words)
    .bind::<BigInt, _>(limit)
    .bind::<BigInt, _>(offset)
    .load(conn)
    .map_err(Error::internal)?;
    Ok((rows, total.n))
}
