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
