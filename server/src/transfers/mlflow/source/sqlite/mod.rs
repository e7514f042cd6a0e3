//! MLflow's SQLite file, of any release from 2.x on: columns and tables that a release lacks are left out of the questions.

mod logged_models;
mod registry;
mod runs;
mod traces;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::*};
use drydock_wire::{KeyValue, import::ForeignExperiment};

use super::{File, Unread, places::Places};
use crate::error::{Error, Result};

/// The file, opened anew for each question: it may belong to a server that runs.
#[derive(Debug, Clone)]
pub struct Sqlite {
    file: PathBuf,
    places: Places,
    tables: HashSet<String>,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Pair {
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

#[derive(QueryableByName)]
struct ExperimentRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    stage: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    created_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<i64>,
}

fn broken(error: diesel::result::Error) -> Error {
    Error::invalid(format!("MLflow's database answers: {error}."))
}

fn key_values(rows: Vec<Pair>) -> Vec<KeyValue> {
    rows.into_iter().map(|row| KeyValue { key: row.key, value: row.value.unwrap_or_default() }).collect()
}

fn is_deleted(stage: Option<&String>) -> bool {
    stage.is_some_and(|stage| stage == "deleted")
}

impl Sqlite {
    pub fn open(file: &Path, artifacts: &[PathBuf]) -> Result<Self> {
        let beside = file.parent().unwrap_or(Path::new("/"));
        let places = Places::new(beside, artifacts).map_err(|error| Error::invalid(error.to_string()))?;
        let mut it = Self { file: file.to_owned(), places, tables: HashSet::new() };
        let names: Vec<Name> =
            sql_query("SELECT name FROM sqlite_master WHERE type = 'table'").load(&mut it.conn()?).map_err(broken)?;
        it.tables = names.into_iter().map(|row| row.name).collect();
        if !it.has("experiments") || !it.has("runs") {
            return Err(Error::invalid(format!("{} is no database of MLflow.", file.display())));
        }
        Ok(it)
    }

    fn has(&self, table: &str) -> bool {
        self.tables.contains(table)
    }

    /// Read-only: the file is somebody's, and stays as it is.
    fn conn(&self) -> Result<SqliteConnection> {
        let path = self.file.to_string_lossy();
        let name = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        SqliteConnection::establish(&format!("file:{name}?mode=ro"))
            .map_err(|error| Error::invalid(format!("{}: {error}.", self.file.display())))
    }

    /// `column`, or what stands for it where the release has none.
    fn column(conn: &mut SqliteConnection, table: &str, column: &str, instead: &str) -> Result<String> {
        let found: Vec<Name> = sql_query("SELECT name FROM pragma_table_info(?) WHERE name = ?")
            .bind::<Text, _>(table)
            .bind::<Text, _>(column)
            .load(conn)
            .map_err(broken)?;
        Ok(if found.is_empty() { instead.to_owned() } else { column.to_owned() })
    }

    fn pairs(&self, conn: &mut SqliteConnection, query: &str, id: &str) -> Result<Vec<KeyValue>> {
        Ok(key_values(sql_query(query).bind::<Text, _>(id).load(conn).map_err(broken)?))
    }

    pub fn experiments(&self) -> Result<(Vec<ForeignExperiment>, Vec<Unread>)> {
        let conn = &mut self.conn()?;
        let made = Self::column(conn, "experiments", "creation_time", "0")?;
        let changed = Self::column(conn, "experiments", "last_update_time", "0")?;
        let rows: Vec<ExperimentRow> = sql_query(format!(
            "SELECT experiment_id AS id, name, lifecycle_stage AS stage, {made} AS created_at, {changed} AS updated_at
             FROM experiments ORDER BY experiment_id"
        ))
        .load(conn)
        .map_err(broken)?;
        let mut found = Vec::new();
        for row in rows {
            let tags = "SELECT key, value FROM experiment_tags WHERE experiment_id = CAST(? AS INTEGER) ORDER BY key";
            let id = row.id.to_string();
            found.push(ForeignExperiment {
                tags: self.pairs(conn, tags, &id)?,
                id,
                name: row.name,
                created_at: row.created_at.unwrap_or(0),
                updated_at: row.updated_at.or(row.created_at).unwrap_or(0),
                deleted: is_deleted(row.stage.as_ref()),
            });
        }
        Ok((found, Vec::new()))
    }

    fn files(&self, uri: &str, id: &str, of: &str) -> (Vec<File>, Vec<Unread>) {
        let beside = self.file.parent().unwrap_or(Path::new("/"));
        match self.places.root(uri, id, beside) {
            Ok(Some(root)) => self.places.files(&root, of),
            // A run without artifacts has no folder either.
            Ok(None) => Default::default(),
            Err(why) => (Vec::new(), vec![Unread::new(format!("{of}, artifacts"), why)]),
        }
    }
}
