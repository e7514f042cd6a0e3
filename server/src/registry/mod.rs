//! Registered models: names with numbered versions, aliases that move between them, tags, stages.
//!
//! Always holds: a version's number is never given twice; an alias points at a version that exists; a version says where its
//! files are (`storage_location`) from the moment it is made; each change has its audit row. Prompts of MLflow ride here as
//! models with the tag `mlflow.prompt.is_prompt`. Each move of an alias is kept for good (`moves`), in the transaction of the
//! move; a model card's revisions never change (`cards`). Never here: the files themselves (`tracking` keeps them), serving.

mod cards;
mod holders;
mod import;
pub mod mlflow;
mod models;
mod moves;
mod routes;
mod rules;
mod source;
mod store;
mod told;
mod versions;
mod within;

pub use cards::{card, save_card};
pub use holders::{Holders, VersionName, holders_of_files};
pub use import::{TakenModel, import_model};
pub use models::{
    create_model, delete_model, delete_model_tag, latest_versions, model, rename_model, search_models, set_model_tag,
    update_model,
};
pub use moves::{alias_at, history};
pub use routes::configure;
pub use versions::{
    NewVersion, create_version, delete_alias, delete_version, delete_version_tag, download_uri, search_versions,
    set_alias, set_version_tag, transition, update_version, version, version_by_alias,
};

pub use within::{alias_on, register_on, set_alias_on};

use std::sync::OnceLock;

use crate::{
    accounts::{
        Principal,
        projects::{self, Kind},
    },
    app::App,
    db::Conn,
    error::{Error, Result},
    tracking::Pair,
};

/// Answers which deployments serve a version of a model, by name.
pub type WhoServes = fn(&mut Conn, &str, i64) -> Result<Vec<String>>;

static WHO_SERVES: OnceLock<WhoServes> = OnceLock::new();

/// Serving stands above the registry, so it cannot be imported here: boot hands its answer down, once.
pub fn ask_who_serves(answer: WhoServes) {
    // A second call is a second server in one process (tests), with the same function.
    let _ = WHO_SERVES.set(answer);
}

fn deployments_of(conn: &mut Conn, model: &str, version: i64) -> Result<Vec<String>> {
    WHO_SERVES.get().map_or_else(|| Ok(Vec::new()), |answer| answer(conn, model, version))
}

/// A deployment as a refusal says it to somebody.
fn in_words(conn: &mut Conn, who: &Principal, deployment: &str) -> Result<String> {
    let sees = projects::sees(conn, who, Kind::Deployment, deployment)?;
    Ok(if sees { format!("The deployment {deployment}") } else { "Something of another project".to_owned() })
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Surrogate key.
    pub row: i64,
    pub name: String,
    pub description: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub tags: Vec<Pair>,
    /// Alias and the version it points at, in alias order.
    pub aliases: Vec<(String, i64)>,
    /// The newest of each stage.
    pub latest: Vec<Version>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Surrogate key.
    pub row: i64,
    pub model: String,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub user: String,
    pub description: String,
    pub source: String,
    pub storage_location: String,
    pub run_id: Option<String>,
    pub run_link: String,
    pub model_id: Option<String>,
    pub stage: String,
    pub status: String,
    pub tags: Vec<Pair>,
    pub aliases: Vec<String>,
}

/// Number of registered models, prompts not counted.
pub fn counts(conn: &mut Conn) -> Result<u64> {
    Ok(u64::try_from(store::models::count(conn, &crate::accounts::Scope::All)?).unwrap_or(0))
}

/// The number that `version` means now: a number, or `@alias`.
///
/// # Errors
/// `not_found` when there is no such model, version or alias; `invalid` when it is neither number nor alias.
pub fn resolve(conn: &mut Conn, model: &str, version: &str) -> Result<i64> {
    let found = match version.strip_prefix('@') {
        Some(alias) => {
            let row = versions::model_row(conn, model)?;
            store::versions::alias_target(conn, row, alias)?
                .ok_or_else(|| Error::not_found(format!("The model {model} has no alias {alias}.")))?
        }
        None => rules::version(version)?,
    };
    versions::known(conn, model, found).map(|version| version.version)
}

/// For `serving`: the version that `@alias` means now, and who set it; absent when there is no such model or alias.
pub fn alias_on_conn(conn: &mut Conn, model: &str, alias: &str) -> Result<Option<(i64, String)>> {
    let Some(row) = store::models::row_of(conn, model)? else { return Ok(None) };
    store::versions::alias_set_by(conn, row, alias.strip_prefix('@').unwrap_or(alias))
}

/// For `lineage`: the version, if there is one.
pub fn version_on_conn(conn: &mut Conn, model: &str, version: i64) -> Result<Option<Version>> {
    match store::models::row_of(conn, model)? {
        Some(row) => store::versions::find(conn, row, version),
        None => Ok(None),
    }
}

/// For `lineage`: what versions were made from.
#[derive(Debug, Clone, Copy)]
pub enum MadeFrom<'a> {
    Run(&'a str),
    LoggedModel(&'a str),
    /// Another version: `models:/name/3`.
    Source(&'a str),
}

/// For `lineage`: the versions made from that, oldest first.
pub fn versions_made_from(conn: &mut Conn, from: MadeFrom<'_>) -> Result<Vec<Version>> {
    store::versions::made_from(conn, from)
}

/// The files of a version: path below the model's folder, and digest; in path order.
///
/// # Errors
/// `not_found` when there is no such version; `refused` when its files are not kept by Drydock, or there are none.
pub async fn artifacts_of(app: &App, model: &str, version: i64) -> Result<Vec<(String, String)>> {
    let name = model.to_owned();
    let root = app
        .db
        .read(move |conn| {
            let version = versions::known(conn, &name, version)?;
            source::folder_of(conn, &version.storage_location)
        })
        .await?;
    let Some(root) = root else {
        return Err(Error::refused(format!("The files of {model} version {version} are not kept by Drydock.")));
    };
    let prefix = format!("{root}/");
    let objects = app.objects.list(crate::tracking::ARTIFACT_BUCKET, &prefix).await?;
    if objects.is_empty() {
        return Err(Error::refused(format!("{model} version {version} has no files.")));
    }
    Ok(objects.into_iter().map(|object| (object.key[prefix.len()..].to_owned(), object.digest)).collect())
}
