//! Keys for the table's columns and for the filter box, and the values that they have.

use actix_web::{get, web};
use drydock_wire::tracking::{KeyCount, RunKeys};
use serde::Deserialize;
use utoipa::IntoParams;

use super::query::experiments_of;
use crate::{
    accounts::{self, Principal, action},
    app::App,
    error::Result,
    tracking::{
        search::Entity,
        store::{self, keys::Count},
    },
};

fn key_counts(counts: Vec<Count>) -> Vec<KeyCount> {
    counts.into_iter().map(|(key, runs)| KeyCount { key, runs: u64::try_from(runs).unwrap_or(0) }).collect()
}

/// Of which experiments.
#[derive(Debug, Deserialize, IntoParams)]
struct KeysQuery {
    /// Ids of experiments, with commas; all where it is absent.
    experiment: Option<String>,
}

#[utoipa::path(tag = "runs", params(KeysQuery), responses((status = 200, body = RunKeys)))]
#[get("/run-keys")]
pub async fn list_keys(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<KeysQuery>,
) -> Result<web::Json<RunKeys>> {
    let scope = accounts::authorize(&who, action::View, &who.project)?.scope();
    let experiments = experiments_of(&query.experiment)?;
    let keys = app
        .db
        .read(move |conn| {
            let experiments = store::experiments::shown(conn, &scope, experiments)?;
            let newest = store::keys::newest(conn, experiments.as_deref())?;
            let mut keys = |entity| Ok(key_counts(store::keys::keys(conn, &newest, entity)?));
            Ok(RunKeys {
                metrics: keys(Entity::Metric)?,
                params: keys(Entity::Param)?,
                tags: keys(Entity::Tag)?,
                runs: newest.len() as u64,
            })
        })
        .await?;
    Ok(web::Json(keys))
}

/// Values of what.
#[derive(Debug, Deserialize, IntoParams)]
struct ValuesQuery {
    /// `params.…`, `tags.…`, `status`, `run_name`, `user_id`.
    of: String,
    /// What the values contain.
    #[serde(default)]
    part: String,
    experiment: Option<String>,
}

#[utoipa::path(tag = "runs", params(ValuesQuery), responses((status = 200, body = Vec<KeyCount>)))]
#[get("/run-values")]
pub async fn list_values(
    app: web::Data<App>,
    who: Principal,
    query: web::Query<ValuesQuery>,
) -> Result<web::Json<Vec<KeyCount>>> {
    let scope = accounts::authorize(&who, action::View, &who.project)?.scope();
    let ValuesQuery { of, part, experiment } = query.into_inner();
    let experiments = experiments_of(&experiment)?;
    let values = app
        .db
        .read(move |conn| {
            let experiments = store::experiments::shown(conn, &scope, experiments)?;
            let newest = store::keys::newest(conn, experiments.as_deref())?;
            match of.split_once('.') {
                Some(("params", key)) => store::keys::values(conn, &newest, Entity::Param, key, &part),
                Some(("tags", key)) => store::keys::values(conn, &newest, Entity::Tag, key, &part),
                Some(("metrics", _)) => Ok(Vec::new()),
                _ => store::keys::attribute_values(conn, &newest, &of, &part),
            }
        })
        .await?;
    Ok(web::Json(key_counts(values)))
}
