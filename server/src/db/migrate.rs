//! The embedded migrations: `migrations/` at the top of the repository, one dated up/down pair per change.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::Conn;
use crate::error::{Error, Result};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations");

/// Brings the schema up to this program's version.
///
/// # Errors
/// When the file was written by a newer Drydock, or a migration fails (its transaction is then undone).
pub fn migrate(conn: &mut Conn) -> Result<()> {
    conn.run_pending_migrations(MIGRATIONS)
        .map(drop)
        .map_err(|source| Error::internal(anyhow::anyhow!("migration: {source}")))
}

/// Takes every migration back, newest first. Data is lost; for tests and the rollback of an empty box.
pub fn revert_all(conn: &mut Conn) -> Result<()> {
    conn.revert_all_migrations(MIGRATIONS)
        .map(drop)
        .map_err(|source| Error::internal(anyhow::anyhow!("migration: {source}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use diesel::{
        connection::SimpleConnection,
        migration::Migration,
        prelude::*,
        sql_types::{BigInt, Nullable, Text},
        sqlite::Sqlite,
    };

    use super::*;

    /// Runs what comes before the migration whose name holds `number`.
    fn migrate_to_before(conn: &mut Conn, number: &str) {
        let pending: Vec<Box<dyn Migration<Sqlite>>> = conn.pending_migrations(MIGRATIONS).unwrap();
        for one in pending {
            if one.name().to_string().contains(number) {
                return;
            }
            conn.run_migration(&*one).unwrap();
        }
        panic!("there is no migration {number}");
    }

    #[derive(Debug, PartialEq, QueryableByName)]
    struct Amounts {
        #[diesel(sql_type = Text)]
        queue_id: String,
        #[diesel(sql_type = BigInt)]
        since: i64,
        #[diesel(sql_type = Nullable<BigInt>)]
        limit_s: Option<i64>,
        #[diesel(sql_type = BigInt)]
        cpus_milli: i64,
        #[diesel(sql_type = BigInt)]
        memory_bytes: i64,
        #[diesel(sql_type = BigInt)]
        gpus: i64,
    }

    /// What the release before queues wrote is what the scheduler adds up.
    #[test]
    fn jobs_from_before_queues_keep_what_they_asked_for() {
        let mut conn = super::super::connect(Path::new(":memory:"), false).unwrap();
        migrate_to_before(&mut conn, "0030");
        conn.batch_execute(
            r#"INSERT INTO people (id, username, password_hash, role, created_at) VALUES ('p', 'ada', '', 'engineer', 1);
            INSERT INTO jobs (id, name, state, spec, person_id, submitted_by, submitted_at) VALUES
              ('a', 'a', 'queued', '{"name":"a","command":["x"],"resources":{"cpus":0.3,"memory_bytes":536870912,"gpus":2},"timeout_s":60}', 'p', 'ada', 7),
              ('b', 'b', 'succeeded', '{"name":"b","command":["x"]}', 'p', 'ada', 8);
            INSERT INTO job_attempts (job_id, number, state, admitted_at, gpu_uuids) VALUES ('b', 1, 'succeeded', 8, '[]');"#,
        )
        .unwrap();
        migrate(&mut conn).unwrap();
        let found: Vec<Amounts> = diesel::sql_query("SELECT * FROM jobs ORDER BY id").load(&mut conn).unwrap();
        let queue_id = || "default".to_owned();
        let asked = Amounts {
            queue_id: queue_id(),
            since: 7,
            limit_s: Some(60),
            cpus_milli: 300,
            memory_bytes: 512 << 20,
            gpus: 2,
        };
        let usual =
            Amounts { queue_id: queue_id(), since: 8, limit_s: None, cpus_milli: 1000, memory_bytes: 1 << 30, gpus: 0 };
        assert_eq!(found, [asked, usual]);
    }
}
