//! Emptying the trash: rows and artifact references of what was deleted long ago. What a registered version was made from
//! stays (the one look upwards at `model_versions`): its files are that version's files.

use diesel::{prelude::*, sql_types::*};

use crate::{
    db::{
        Conn,
        schema::tracking::{experiments, logged_models, runs},
    },
    error::{Error, Result},
    objects,
    tracking::{ARTIFACT_BUCKET, rules},
};

#[derive(QueryableByName)]
struct Doomed {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    root: String,
}

/// Removes up to `most` runs and logged models deleted before `before`, with the references to their artifacts, and then
/// experiments that are empty. How many went: 0 says that nothing is left to do.
pub fn purge(conn: &mut Conn, before: i64, most: i64) -> Result<usize> {
    let doomed_runs = doomed(
        conn,
        "SELECT r.id, e.artifact_location || '/' || r.run_id AS root FROM runs r JOIN experiments e ON e.id = r.experiment_id
         WHERE r.deleted_at < ?1 AND NOT EXISTS (SELECT 1 FROM model_versions v WHERE v.run_id = r.run_id) LIMIT ?2",
        before,
        most,
    )?;
    let doomed_models = doomed(
        conn,
        "SELECT m.id, e.artifact_location || '/models/' || m.model_id AS root
         FROM logged_models m JOIN experiments e ON e.id = m.experiment_id
         WHERE (m.deleted_at < ?1 OR (e.deleted_at < ?1)) AND NOT EXISTS (
           SELECT 1 FROM model_versions v WHERE v.model_id = m.model_id) LIMIT ?2",
        before,
        most,
    )?;
    for Doomed { id, root } in &doomed_runs {
        forget_artifacts(conn, root)?;
        diesel::delete(runs::table.find(id)).execute(conn).map_err(Error::internal)?;
    }
    for Doomed { id, root } in &doomed_models {
        forget_artifacts(conn, root)?;
        diesel::delete(logged_models::table.find(id)).execute(conn).map_err(Error::internal)?;
    }
    let empty = diesel::delete(
        experiments::table
            .filter(experiments::deleted_at.lt(before))
            .filter(diesel::dsl::not(diesel::dsl::exists(runs::table.filter(runs::experiment_id.eq(experiments::id)))))
            .filter(diesel::dsl::not(diesel::dsl::exists(
                logged_models::table.filter(logged_models::experiment_id.eq(experiments::id)),
            )))
            // Its traces go first, with their files: `traces` sees to that.
            .filter(diesel::dsl::sql::<Bool>(
                "NOT EXISTS (SELECT 1 FROM traces WHERE traces.experiment_id = experiments.id)",
            )),
    )
    .execute(conn)
    .map_err(Error::internal)?;
    Ok(doomed_runs.len() + doomed_models.len() + empty)
}

fn doomed(conn: &mut Conn, query: &str, before: i64, most: i64) -> Result<Vec<Doomed>> {
    diesel::sql_query(query).bind::<BigInt, _>(before).bind::<BigInt, _>(most).load(conn).map_err(Error::internal)
}

fn forget_artifacts(conn: &mut Conn, root: &str) -> Result<()> {
    match rules::artifact_key(root) {
        Some(key) => objects::store::delete_prefix(conn, ARTIFACT_BUCKET, &format!("{key}/")).map(drop),
        // The artifacts are on somebody else's storage.
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tracking::{store, testing};

    #[test]
    fn only_what_was_deleted_before_goes_and_takes_its_artifacts_along() {
        let mut conn = crate::db::testing::connection();
        objects::store::touch_blob(&mut conn, "d", 1, Some(b"x"), 1).unwrap();
        for (name, deleted_at) in [("old", Some(10)), ("young", Some(99)), ("alive", None)] {
            let run = testing::run(&mut conn, name);
            store::runs::set_deleted(&mut conn, run, deleted_at).unwrap();
            objects::store::link(&mut conn, ARTIFACT_BUCKET, &format!("0/{name}/artifacts/a"), "d", 1).unwrap();
        }
        assert_eq!(purge(&mut conn, 50, 100).unwrap(), 1);
        assert_eq!(purge(&mut conn, 50, 100).unwrap(), 0);
        let left = objects::store::list_prefix(&mut conn, ARTIFACT_BUCKET, "").unwrap();
        let keys: Vec<String> = left.into_iter().map(|object| object.key).collect();
        assert_eq!(keys, ["0/alive/artifacts/a", "0/young/artifacts/a"]);
        assert!(store::runs::find(&mut conn, "old").unwrap().is_none());
    }
}
