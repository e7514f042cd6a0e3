//! The registry: models, versions, aliases.

use diesel::{QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::*};
use drydock_wire::import::{ForeignAlias, ForeignModel, ForeignVersion};

use super::{super::Unread, Pair, Sqlite, broken, key_values};
use crate::{error::Result, transfers::mlflow::DELETED_STAGE};

#[derive(QueryableByName)]
struct RegisteredRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    created_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    description: Option<String>,
}

#[derive(QueryableByName)]
struct VersionRow {
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    created_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    description: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    user: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    stage: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    source: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    location: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    run_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    run_link: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<String>,
}

#[derive(QueryableByName)]
struct AliasRow {
    #[diesel(sql_type = Text)]
    alias: String,
    #[diesel(sql_type = BigInt)]
    version: i64,
}

impl Sqlite {
    pub fn models(&self) -> Result<(Vec<ForeignModel>, Vec<Unread>)> {
        if !self.has("registered_models") {
            return Ok(Default::default());
        }
        let conn = &mut self.conn()?;
        let rows: Vec<RegisteredRow> = sql_query(
            "SELECT name, creation_time AS created_at, last_updated_time AS updated_at, description FROM registered_models ORDER BY name",
        )
        .load(conn)
        .map_err(broken)?;
        let mut found = Vec::new();
        for row in rows {
            found.push(self.model(conn, row)?);
        }
        Ok((found, Vec::new()))
    }

    fn model(&self, conn: &mut SqliteConnection, row: RegisteredRow) -> Result<ForeignModel> {
        let mut versions = self.versions(conn, &row.name)?;
        let last_version = versions.iter().map(|version| version.version).max().unwrap_or(0);
        // A deleted version keeps its number.
        versions.retain(|version| version.stage != DELETED_STAGE);
        let aliases: Vec<AliasRow> = if self.has("registered_model_aliases") {
            sql_query("SELECT alias, version FROM registered_model_aliases WHERE name = ? ORDER BY alias")
                .bind::<Text, _>(&row.name)
                .load(conn)
                .map_err(broken)?
        } else {
            Vec::new()
        };
        let tags = "SELECT key, value FROM registered_model_tags WHERE name = ? ORDER BY key";
        Ok(ForeignModel {
            tags: self.pairs(conn, tags, &row.name)?,
            name: row.name,
            description: row.description.unwrap_or_default(),
            created_at: row.created_at.unwrap_or(0),
            updated_at: row.updated_at.or(row.created_at).unwrap_or(0),
            last_version,
            versions,
            aliases: aliases.into_iter().map(|row| ForeignAlias { alias: row.alias, version: row.version }).collect(),
        })
    }

    fn versions(&self, conn: &mut SqliteConnection, name: &str) -> Result<Vec<ForeignVersion>> {
        let location = Self::column(conn, "model_versions", "storage_location", "NULL")?;
        let rows: Vec<VersionRow> = sql_query(format!(
            "SELECT version, creation_time AS created_at, last_updated_time AS updated_at, description, user_id AS user,
             current_stage AS stage, source, {location} AS location, run_id, run_link, status
             FROM model_versions WHERE name = ? ORDER BY version"
        ))
        .bind::<Text, _>(name)
        .load(conn)
        .map_err(broken)?;
        let tags =
            "SELECT key, value FROM model_version_tags WHERE name = ?1 AND version = CAST(?2 AS INTEGER) ORDER BY key";
        let mut found = Vec::new();
        for row in rows {
            let pairs: Vec<Pair> = sql_query(tags)
                .bind::<Text, _>(name)
                .bind::<Text, _>(row.version.to_string())
                .load(conn)
                .map_err(broken)?;
            let source = row.source.unwrap_or_default();
            found.push(ForeignVersion {
                version: row.version,
                created_at: row.created_at.unwrap_or(0),
                updated_at: row.updated_at.or(row.created_at).unwrap_or(0),
                user: row.user.unwrap_or_default(),
                description: row.description.unwrap_or_default(),
                storage_location: row.location.unwrap_or_else(|| source.clone()),
                model_id: source.strip_prefix("models:/").filter(|id| id.starts_with("m-")).map(str::to_owned),
                source,
                run_id: row.run_id.filter(|id| !id.is_empty()),
                run_link: row.run_link.unwrap_or_default(),
                stage: row.stage.unwrap_or_else(|| "None".into()),
                status: row.status.unwrap_or_else(|| "READY".into()),
                tags: key_values(pairs),
            });
        }
        Ok(found)
    }
}
