//! Which keys and values the newest runs have: what columns and completion offer. Bounded, however full the box is.

use diesel::{RunQueryDsl, sql_types::*};

use super::json_ids;
use crate::{
    db::Conn,
    error::{Error, Result},
    tracking::search::{Entity, sql::Fragment},
};

/// Runs that are looked at.
const NEWEST: i64 = 1000;

#[derive(diesel::QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = BigInt)]
    runs: i64,
}

/// A key or value with the number of runs that have it.
pub type Count = (String, i64);

fn table(entity: Entity) -> &'static str {
    match entity {
        Entity::Metric => "metrics",
        Entity::Param => "run_params",
        _ => "run_tags",
    }
}

/// Surrogate ids of the newest runs of the experiments, deleted ones left out.
pub fn newest(conn: &mut Conn, experiments: Option<&[i64]>) -> Result<Vec<i64>> {
    let mut query = Fragment::new("SELECT r.id FROM runs r WHERE r.deleted_at IS NULL");
    match experiments {
        Some([one]) => query.push(" AND r.experiment_id = ?").integer(*one),
        Some(several) => query.push(" AND r.experiment_id IN (SELECT value FROM json_each(?))").text(json_ids(several)),
        None => &mut query,
    };
    query.push(" ORDER BY r.started_at DESC LIMIT ?").integer(NEWEST);
    super::search::ids(conn, query)
}

/// Keys of these runs, most frequent first.
pub fn keys(conn: &mut Conn, runs: &[i64], entity: Entity) -> Result<Vec<Count>> {
    let mut query = Fragment::new(format!(
        "SELECT key, count(*) AS runs FROM {} WHERE run IN (SELECT value FROM json_each(?))
         GROUP BY key ORDER BY 2 DESC, 1 LIMIT 1000",
        table(entity)
    ));
    query.text(json_ids(runs));
    counts(conn, query)
}

/// Values of the key in these runs that contain `part`, most frequent first.
pub fn values(conn: &mut Conn, runs: &[i64], entity: Entity, key: &str, part: &str) -> Result<Vec<Count>> {
    let mut query = Fragment::new(format!(
        "SELECT substr(value, 1, 250) AS key, count(*) AS runs FROM {}
         WHERE run IN (SELECT value FROM json_each(?)) AND key = ? AND instr(lower(value), lower(?))
         GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50",
        table(entity)
    ));
    query.text(json_ids(runs)).text(key).text(part);
    counts(conn, query)
}

/// Names, users or statuses of these runs that contain `part`.
pub fn attribute_values(conn: &mut Conn, runs: &[i64], column: &str, part: &str) -> Result<Vec<Count>> {
    let column = match column {
        "user_id" => "user_name",
        "status" => "status",
        "run_id" => "run_id",
        _ => "name",
    };
    let mut query = Fragment::new(format!(
        "SELECT {column} AS key, count(*) AS runs FROM runs
         WHERE id IN (SELECT value FROM json_each(?)) AND instr(lower({column}), lower(?))
         GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50"
    ));
    query.text(json_ids(runs)).text(part);
    counts(conn, query)
}

fn counts(conn: &mut Conn, query: Fragment) -> Result<Vec<Count>> {
    let rows: Vec<Counted> = query.query().load(conn).map_err(Error::internal)?;
    Ok(rows.into_iter().map(|row| (row.key, row.runs)).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tracking::{store::runs, testing};

    #[test]
    fn keys_and_values_come_most_frequent_first() {
        let mut conn = crate::db::testing::connection();
        for (name, lr) in [("r1", "0.1"), ("r2", "0.1"), ("r3", "0.01")] {
            let run = testing::run(&mut conn, name);
            runs::insert_param(&mut conn, run, "lr", lr).unwrap();
            if name == "r1" {
                runs::insert_param(&mut conn, run, "depth", "3").unwrap();
            }
        }
        let ids = newest(&mut conn, Some(&[0])).unwrap();
        let text = |counts: Vec<Count>| counts.into_iter().map(|(k, n)| format!("{k} {n}")).collect::<Vec<_>>();
        assert_eq!(text(keys(&mut conn, &ids, Entity::Param).unwrap()), ["lr 3", "depth 1"]);
        assert_eq!(text(values(&mut conn, &ids, Entity::Param, "lr", "").unwrap()), ["0.1 2", "0.01 1"]);
        assert_eq!(text(values(&mut conn, &ids, Entity::Param, "lr", "01").unwrap()), ["0.01 1"]);
        assert_eq!(text(attribute_values(&mut conn, &ids, "run_name", "R2").unwrap()), ["r2 1"]);
        assert!(newest(&mut conn, Some(&[7])).unwrap().is_empty());
    }
}
