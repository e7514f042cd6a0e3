//! Rows of builds and of the layers they left. Each function composes in the caller's transaction.

use diesel::prelude::*;
use drydock_wire::{
    builds::{BuildDetail, BuildState, BuildSummary, SubmitBuild},
    packages::MissingPackages,
};

use crate::{
    accounts::{self, Scope},
    db::{
        Conn,
        schema::builds::{build_layers, builds},
    },
    error::{Error, Result},
};

#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = builds, treat_none_as_null = true)]
pub struct Build {
    pub id: String,
    pub repository: String,
    pub tag: String,
    spec: String,
    state: String,
    pub reason: Option<String>,
    pub step: Option<String>,
    pub dockerfile: Option<String>,
    bases: String,
    missing: Option<String>,
    pub digest: Option<String>,
    pub size_bytes: Option<i64>,
    pub tries: i64,
    pub person_id: String,
    pub cancel_requested_at: Option<i64>,
    pub submitted_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
}

impl Build {
    pub fn new(id: String, person_id: &str, wish: &SubmitBuild, at: i64) -> Result<Self> {
        Ok(Self {
            id,
            repository: wish.repository.clone(),
            tag: wish.tag.clone().unwrap_or_else(|| "latest".into()),
            spec: serde_json::to_string(wish).map_err(Error::internal)?,
            state: BuildState::Queued.as_str().into(),
            reason: None,
            step: None,
            dockerfile: None,
            bases: "[]".into(),
            missing: None,
            digest: None,
            size_bytes: None,
            tries: 0,
            person_id: person_id.into(),
            cancel_requested_at: None,
            submitted_at: at,
            started_at: None,
            ended_at: None,
        })
    }

    pub fn state(&self) -> Result<BuildState> {
        BuildState::parse(&self.state).ok_or_else(|| Error::internal(anyhow::anyhow!("unknown state {}", self.state)))
    }

    pub fn set_state(&mut self, state: BuildState) {
        self.state = state.as_str().into();
    }

    pub fn spec(&self) -> Result<SubmitBuild> {
        serde_json::from_str(&self.spec).map_err(Error::internal)
    }

    pub fn bases(&self) -> Vec<String> {
        serde_json::from_str(&self.bases).unwrap_or_default()
    }

    pub fn set_bases(&mut self, bases: &[String]) {
        self.bases = serde_json::to_string(bases).unwrap_or_else(|_| "[]".into());
    }

    pub fn missing(&self) -> Option<MissingPackages> {
        serde_json::from_str(self.missing.as_deref()?).ok()
    }

    pub fn set_missing(&mut self, missing: Option<&MissingPackages>) {
        self.missing = missing.and_then(|missing| serde_json::to_string(missing).ok());
    }
}

pub fn insert(conn: &mut Conn, project: &str, build: &Build) -> Result<()> {
    diesel::insert_into(builds::table)
        .values((build, builds::project_id.eq(project)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn save(conn: &mut Conn, build: &Build) -> Result<()> {
    diesel::update(builds::table.find(&build.id)).set(build).execute(conn).map(drop).map_err(Error::internal)
}

pub fn find(conn: &mut Conn, id: &str) -> Result<Option<Build>> {
    builds::table.find(id).select(Build::as_select()).first(conn).optional().map_err(Error::internal)
}

/// # Errors
/// `not_found`, in words.
pub fn require(conn: &mut Conn, id: &str) -> Result<Build> {
    find(conn, id)?.ok_or_else(|| Error::not_found(format!("There is no build {id}.")))
}

/// The oldest one that waits.
pub fn next(conn: &mut Conn) -> Result<Option<Build>> {
    builds::table
        .filter(builds::state.eq(BuildState::Queued.as_str()))
        .order((builds::submitted_at, builds::id))
        .select(Build::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Those that a former process left half-done.
pub fn unfinished(conn: &mut Conn) -> Result<Vec<Build>> {
    builds::table
        .filter(builds::state.eq_any([BuildState::Running.as_str(), BuildState::Pushing.as_str()]))
        .select(Build::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// Which builds are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub states: Vec<BuildState>,
    /// Part of the repository's name.
    pub search: Option<String>,
    pub offset: i64,
    pub limit: i64,
}

/// Newest first, and how many there are.
pub fn page(conn: &mut Conn, scope: &Scope, filter: &Filter) -> Result<(Vec<Build>, i64)> {
    let matching = || {
        let mut query = builds::table.into_boxed();
        if *scope != Scope::All {
            query = query.filter(diesel::dsl::sql::<diesel::sql_types::Bool>(&scope.sql("builds.project_id")));
        }
        if !filter.states.is_empty() {
            query = query.filter(builds::state.eq_any(filter.states.iter().map(|state| state.as_str())));
        }
        if let Some(search) = &filter.search {
            let escaped = search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            query =
                query.filter(builds::repository.like(format!("%{escaped}%")).escape('\\').or(builds::id.eq(search)));
        }
        query
    };
    let total = matching().count().get_result(conn).map_err(Error::internal)?;
    let found = matching()
        .order((builds::submitted_at.desc(), builds::id.desc()))
        .offset(filter.offset)
        .limit(filter.limit)
        .select(Build::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    Ok((found, total))
}

/// `host`: of the box's registry, as its own engine knows it.
pub fn summary(conn: &mut Conn, build: &Build, host: &str) -> Result<BuildSummary> {
    let image = build.digest.as_ref().map(|digest| format!("{host}/{}:{}@{digest}", build.repository, build.tag));
    Ok(BuildSummary {
        id: build.id.clone(),
        repository: build.repository.clone(),
        tag: build.tag.clone(),
        state: build.state()?,
        reason: build.reason.clone(),
        digest: build.digest.clone(),
        image,
        step: build.step.clone(),
        missing_count: build.missing().map_or(0, |missing| missing.missing.len() as u64),
        submitted_by: accounts::username(conn, &build.person_id)?.unwrap_or_default(),
        submitted_at: build.submitted_at,
        started_at: build.started_at,
        ended_at: build.ended_at,
    })
}

pub fn detail(conn: &mut Conn, build: &Build, host: &str) -> Result<BuildDetail> {
    Ok(BuildDetail {
        summary: summary(conn, build, host)?,
        spec: build.spec()?,
        dockerfile: build.dockerfile.clone(),
        bases: build.bases(),
        size_bytes: build.size_bytes.and_then(|size| u64::try_from(size).ok()),
        tries: u32::try_from(build.tries).unwrap_or(0),
        missing: build.missing(),
    })
}

/// An intermediate image of ours.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = build_layers)]
pub struct LayerRow {
    pub image_id: String,
    pub size_bytes: i64,
    pub position: i64,
    pub used_at: i64,
}

/// Least recently used first; what stands on others before them.
pub fn layers(conn: &mut Conn) -> Result<Vec<LayerRow>> {
    build_layers::table
        .order((build_layers::used_at, build_layers::position.desc()))
        .select(LayerRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

pub fn note_layer(conn: &mut Conn, layer: &LayerRow) -> Result<()> {
    diesel::insert_into(build_layers::table)
        .values(layer)
        .on_conflict(build_layers::image_id)
        .do_update()
        .set(build_layers::used_at.eq(layer.used_at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Of one that is ours already.
pub fn touch_layer(conn: &mut Conn, image_id: &str, at: i64) -> Result<()> {
    diesel::update(build_layers::table.find(image_id))
        .set(build_layers::used_at.eq(at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn forget_layers(conn: &mut Conn, ids: &[String]) -> Result<()> {
    diesel::delete(build_layers::table.filter(build_layers::image_id.eq_any(ids)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}
