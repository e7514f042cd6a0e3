//! Rows of datasets and versions; of held content (`content`), tags (`tags`), uploads (`uploads`) and of versions in the form
//! of earlier releases (`old`). Each function composes in the caller's transaction.

mod content;
mod old;
mod tags;
mod uploads;

pub use content::{forget_leftovers, held_size, hold, holdings, leftovers, note_leftover, release, roots};
pub use old::{old_files, old_versions, turn};
pub use tags::{remove_tag, set_tag, tag, tags};
pub use uploads::{forget_uploads, insert_upload, upload_size};

use diesel::prelude::*;
use drydock_wire::datasets::{FileProfile, ImageProfile, Rule, ValidationReport, VersionSource, VersionSummary};
use serde::{Serialize, de::DeserializeOwned};

use super::rules;
use crate::accounts::Scope;
use crate::db::Conn;
use crate::db::schema::datasets::{dataset_versions, datasets};
use crate::error::{Error, Result};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = datasets)]
pub struct DatasetRow {
    pub id: String,
    pub name: String,
    pub description: String,
    pub created_at: i64,
    pub rules: String,
    pub rules_revision: i64,
    /// The newest that is there; 0: none.
    pub last_version: i64,
    /// The greatest number ever given.
    pub versions_made: i64,
    pub rules_yaml: Option<String>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = dataset_versions)]
pub struct VersionRow {
    pub dataset_id: String,
    pub version: i64,
    pub created_at: i64,
    pub author: String,
    pub message: String,
    pub file_count: i64,
    pub size_bytes: i64,
    pub digest: String,
    pub report_passed: Option<bool>,
    pub report_revision: Option<i64>,
    pub manifest: Option<String>,
    pub parent: Option<i64>,
    pub source: Option<String>,
}

impl DatasetRow {
    pub fn rules(&self) -> Result<Vec<Rule>> {
        from_json(&self.rules)
    }

    fn has_rules(&self) -> bool {
        self.rules != "[]"
    }
}

impl VersionRow {
    /// The version as the wire shows it; its validation counts only against the dataset's present rules.
    pub fn view(self, dataset: &DatasetRow) -> VersionSummary {
        let report = self.report_passed.zip(self.report_revision);
        VersionSummary {
            validation: rules::validation_state(report, dataset.rules_revision, dataset.has_rules()),
            version: self.version,
            created_at: self.created_at,
            author: self.author,
            message: self.message,
            file_count: unsigned(self.file_count),
            size_bytes: unsigned(self.size_bytes),
            digest: self.digest,
            parent: self.parent,
            // what cannot be read is not worth losing the version for
            source: self.source.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        }
    }
}

/// # Errors
/// `already_exists` when the name is taken.
pub fn insert_dataset(conn: &mut Conn, project: &str, row: &DatasetRow) -> Result<()> {
    use diesel::result::{DatabaseErrorKind::UniqueViolation, Error as DieselError};
    match diesel::insert_into(datasets::table).values((row, datasets::project_id.eq(project))).execute(conn) {
        Ok(_) => Ok(()),
        Err(DieselError::DatabaseError(UniqueViolation, _)) => {
            Err(Error::exists(format!("There is already a dataset called {}.", row.name)))
        }
        Err(source) => Err(Error::internal(source)),
    }
}

/// # Errors
/// `not_found` when there is none of that name.
pub fn dataset(conn: &mut Conn, name: &str) -> Result<DatasetRow> {
    datasets::table
        .filter(datasets::name.eq(name))
        .select(DatasetRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)?
        .ok_or_else(|| Error::not_found(format!("There is no dataset called {name}.")))
}

/// # Errors
/// `not_found` when it is gone.
pub fn dataset_by_id(conn: &mut Conn, id: &str) -> Result<DatasetRow> {
    let found = datasets::table.find(id).select(DatasetRow::as_select()).first(conn).optional();
    found.map_err(Error::internal)?.ok_or_else(|| Error::not_found("The dataset was deleted meanwhile."))
}

/// Every dataset that is shown with its latest version, by name.
pub fn all_datasets(conn: &mut Conn, scope: &Scope) -> Result<Vec<(DatasetRow, Option<VersionRow>, i64)>> {
    let counts = version_counts(conn)?;
    let latest =
        dataset_versions::dataset_id.eq(datasets::id).and(dataset_versions::version.eq(datasets::last_version));
    let rows: Vec<(DatasetRow, Option<VersionRow>)> = datasets::table
        .left_join(dataset_versions::table.on(latest))
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(&scope.sql("datasets.project_id")))
        .select((DatasetRow::as_select(), Option::<VersionRow>::as_select()))
        .order(datasets::name)
        .load(conn)
        .map_err(Error::internal)?;
    let count = |id: &str| counts.get(id).copied().unwrap_or(0);
    Ok(rows
        .into_iter()
        .map(|(dataset, latest)| (count(&dataset.id), dataset, latest))
        .map(|(n, d, l)| (d, l, n))
        .collect())
}

fn version_counts(conn: &mut Conn) -> Result<std::collections::HashMap<String, i64>> {
    let rows: Vec<(String, i64)> = dataset_versions::table
        .group_by(dataset_versions::dataset_id)
        .select((dataset_versions::dataset_id, diesel::dsl::count_star()))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(rows.into_iter().collect())
}

pub fn count(conn: &mut Conn) -> Result<u64> {
    datasets::table.count().get_result(conn).map(unsigned).map_err(Error::internal)
}

/// Removes the dataset with its versions and tags; what it holds becomes a leftover.
pub fn delete_dataset(conn: &mut Conn, id: &str) -> Result<()> {
    content::note_leftover(conn, &uuid::Uuid::now_v7().to_string(), id)?;
    diesel::delete(datasets::table.find(id)).execute(conn).map(drop).map_err(Error::internal)
}

/// Removes one version with its tags; what only it has becomes a leftover.
pub fn delete_version(conn: &mut Conn, dataset_id: &str, version: i64) -> Result<()> {
    content::note_leftover(conn, &uuid::Uuid::now_v7().to_string(), dataset_id)?;
    diesel::delete(dataset_versions::table.find((dataset_id, version))).execute(conn).map_err(Error::internal)?;
    let newest: Option<i64> = dataset_versions::table
        .filter(dataset_versions::dataset_id.eq(dataset_id))
        .select(diesel::dsl::max(dataset_versions::version))
        .first(conn)
        .map_err(Error::internal)?;
    diesel::update(datasets::table.find(dataset_id))
        .set(datasets::last_version.eq(newest.unwrap_or(0)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Replaces the rules and starts a new revision of them. `yaml` is the text that they were read from, if they were.
pub fn set_rules(conn: &mut Conn, id: &str, list: &[Rule], yaml: Option<&str>) -> Result<()> {
    diesel::update(datasets::table.find(id))
        .set((
            datasets::rules.eq(to_json(&list)?),
            datasets::rules_yaml.eq(yaml),
            datasets::rules_revision.eq(datasets::rules_revision + 1),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Versions of a dataset, newest first.
pub fn versions(conn: &mut Conn, dataset_id: &str) -> Result<Vec<VersionRow>> {
    dataset_versions::table
        .filter(dataset_versions::dataset_id.eq(dataset_id))
        .order(dataset_versions::version.desc())
        .select(VersionRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// # Errors
/// `not_found` when the dataset has no such version.
pub fn version(conn: &mut Conn, dataset: &DatasetRow, number: i64) -> Result<VersionRow> {
    dataset_versions::table
        .find((&dataset.id, number))
        .select(VersionRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)?
        .ok_or_else(|| match dataset.last_version {
            0 => Error::not_found(format!("The dataset {} has no version yet.", dataset.name)),
            last => {
                Error::not_found(format!("The dataset {} has no version {number}; the latest is {last}.", dataset.name))
            }
        })
}

/// Adds a version, whose manifest is kept already, and makes it the latest.
pub fn insert_version(conn: &mut Conn, row: &VersionRow) -> Result<()> {
    diesel::insert_into(dataset_versions::table).values(row).execute(conn).map_err(Error::internal)?;
    diesel::update(datasets::table.find(&row.dataset_id))
        .set((datasets::last_version.eq(row.version), datasets::versions_made.eq(row.version)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Every version as `mounts` names its folder.
pub fn folder_names(conn: &mut Conn) -> Result<std::collections::HashSet<String>> {
    let rows: Vec<(String, i64)> = dataset_versions::table
        .select((dataset_versions::dataset_id, dataset_versions::version))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(rows.into_iter().map(|(id, version)| format!("{id}-{version}")).collect())
}

/// How many versions the dataset has.
pub fn version_count(conn: &mut Conn, dataset_id: &str) -> Result<i64> {
    dataset_versions::table
        .filter(dataset_versions::dataset_id.eq(dataset_id))
        .count()
        .get_result(conn)
        .map_err(Error::internal)
}

/// Names and numbers of the versions that were made from the job's output, oldest first.
pub fn made_by_job(conn: &mut Conn, job_id: &str) -> Result<Vec<(String, i64)>> {
    use diesel::sql_types::{Nullable, Text};
    // as the index has it
    let job = diesel::dsl::sql::<Nullable<Text>>("json_extract(source, '$.job_id')");
    datasets::table
        .inner_join(dataset_versions::table)
        .filter(job.eq(job_id))
        .order((dataset_versions::created_at, dataset_versions::version))
        .limit(200)
        .select((datasets::name, dataset_versions::version))
        .load(conn)
        .map_err(Error::internal)
}

pub fn source_text(source: &VersionSource) -> Result<String> {
    to_json(source)
}

/// What was found out about a version.
#[derive(Debug, Default, PartialEq)]
pub struct Analysis {
    /// Absent: still to be made.
    pub profiles: Option<Vec<FileProfile>>,
    pub images: Option<ImageProfile>,
    /// If it is about the present rules.
    pub report: Option<ValidationReport>,
}

pub fn analysis(conn: &mut Conn, dataset: &DatasetRow, version: i64) -> Result<Analysis> {
    use dataset_versions as v;
    type Found = (Option<String>, Option<String>, Option<String>, Option<i64>);
    let (profiles, images, report, revision): Found = v::table
        .find((&dataset.id, version))
        .select((v::profiles, v::images, v::report, v::report_revision))
        .first(conn)
        .map_err(Error::internal)?;
    let current = revision == Some(dataset.rules_revision) && dataset.has_rules();
    Ok(Analysis {
        profiles: profiles.map(|text| from_json(&text)).transpose()?,
        images: images.map(|text| from_json(&text)).transpose()?,
        report: report.filter(|_| current).map(|text| from_json(&text)).transpose()?,
    })
}

/// Keeps what was found out about a version's files. A version that is gone by now is no error.
pub fn set_profiles(
    conn: &mut Conn,
    dataset_id: &str,
    version: i64,
    profiles: &[FileProfile],
    images: Option<&ImageProfile>,
) -> Result<()> {
    diesel::update(dataset_versions::table.find((dataset_id, version)))
        .set((
            dataset_versions::profiles.eq(to_json(&profiles)?),
            dataset_versions::images.eq(images.map(to_json).transpose()?),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Keeps a version's report against the rules of that revision. A version that is gone by now is no error.
pub fn set_report(
    conn: &mut Conn,
    dataset_id: &str,
    version: i64,
    report: &ValidationReport,
    revision: i64,
) -> Result<()> {
    diesel::update(dataset_versions::table.find((dataset_id, version)))
        .set((
            dataset_versions::report.eq(to_json(report)?),
            dataset_versions::report_passed.eq(report.passed),
            dataset_versions::report_revision.eq(revision),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Versions whose profile is to be made, oldest first.
pub fn without_profile(conn: &mut Conn) -> Result<Vec<(DatasetRow, VersionRow)>> {
    datasets::table
        .inner_join(dataset_versions::table)
        .filter(dataset_versions::profiles.is_null())
        .filter(dataset_versions::manifest.is_not_null())
        .order(dataset_versions::created_at)
        .select((DatasetRow::as_select(), VersionRow::as_select()))
        .load(conn)
        .map_err(Error::internal)
}

/// Latest versions without a report about the present rules, oldest first.
pub fn without_report(conn: &mut Conn) -> Result<Vec<(DatasetRow, VersionRow)>> {
    let stale = dataset_versions::report_revision
        .is_null()
        .or(dataset_versions::report_revision.assume_not_null().ne(datasets::rules_revision));
    datasets::table
        .inner_join(dataset_versions::table)
        .filter(dataset_versions::version.eq(datasets::last_version))
        .filter(datasets::rules.ne("[]"))
        .filter(dataset_versions::manifest.is_not_null())
        .filter(stale)
        .order(dataset_versions::created_at)
        .select((DatasetRow::as_select(), VersionRow::as_select()))
        .load(conn)
        .map_err(Error::internal)
}

fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::internal)
}

/// SQLite's integers are signed; counts and sizes in it are never negative.
pub fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// No size on a disk exceeds `i64::MAX`.
pub fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
