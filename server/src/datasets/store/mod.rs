//! Rows of datasets and versions; of held content (`content`), tags (`tags`), uploads (`uploads`) and of versions in the form
//! of earlier releases (`old`). Each function composes in the caller's transaction.

mod content;
mod old;
mod tags;
mod uploads;

pub use content::{forget_leftover, held_size, hold, holdings, leftovers, note_leftover, release};
pub use old::{old_files, old_versions, turn};
pub use tags::{remove_tag, set_tag, tag, tags};
pub use uploads::{forget_uploads, insert_upload, upload_size};

use diesel::prelude::*;
use drydock_wire::datasets::{FileProfile, ImageProfile, Rule, ValidationReport, VersionSource, VersionSummary};
use serde::{Serialize, de::DeserializeOwned};

use super::rules;
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
pub fn insert_dataset(conn: &mut Conn, row: &DatasetRow) -> Result<()> {
    use diesel::result::{DatabaseErrorKind::UniqueViolation, Error as DieselError};
    match diesel::insert_into(datasets::table).values(row).execute(conn) {
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

/// Every dataset with its latest version, by name.
pub fn all_datasets(conn: &mut Conn) -> Result<Vec<(DatasetRow, Option<VersionRow>, i64)>> {
    let counts = version_counts(conn)?;
    let latest =
        dataset_versions::dataset_id.eq(datasets::id).and(dataset_versions::version.eq(datasets::last_version));
    let rows: Vec<(DatasetRow, Option<VersionRow>)> = datasets::table
        .left_join(dataset_versions::table.on(latest))
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
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use drydock_wire::ErrorCode;
    use drydock_wire::datasets::{Check, ValidationState};

    use super::*;
    use crate::db::testing::connection;

    fn insert(conn: &mut Conn, name: &str) -> DatasetRow {
        let row = DatasetRow {
            id: format!("id-{name}"),
            name: name.into(),
            description: String::new(),
            created_at: 1,
            rules: "[]".into(),
            rules_revision: 0,
            last_version: 0,
            versions_made: 0,
            rules_yaml: None,
        };
        insert_dataset(conn, &row).unwrap();
        row
    }

    fn root(conn: &mut Conn) -> String {
        crate::objects::store::touch_blob(conn, "root", 1, Some(b"r"), None, 1).unwrap();
        "root".into()
    }

    fn add_version(conn: &mut Conn, name: &str, number: i64) {
        let row = VersionRow {
            dataset_id: format!("id-{name}"),
            version: number,
            created_at: number,
            author: "ann".into(),
            message: String::new(),
            file_count: 1,
            size_bytes: 7,
            digest: "d".into(),
            report_passed: None,
            report_revision: None,
            manifest: Some(root(conn)),
            parent: None,
            source: None,
        };
        insert_version(conn, &row).unwrap();
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut conn = connection();
        let row = insert(&mut conn, "a");
        assert_eq!(
            insert_dataset(&mut conn, &DatasetRow { id: "other".into(), ..row }).unwrap_err().code,
            ErrorCode::AlreadyExists
        );
    }

    #[test]
    fn the_list_shows_each_dataset_with_its_latest_version() {
        let mut conn = connection();
        insert(&mut conn, "b");
        insert(&mut conn, "a");
        add_version(&mut conn, "b", 1);
        add_version(&mut conn, "b", 2);
        let listed: Vec<(String, Option<i64>)> =
            all_datasets(&mut conn).unwrap().into_iter().map(|(row, v, _)| (row.name, v.map(|v| v.version))).collect();
        assert_eq!(listed, [("a".into(), None), ("b".into(), Some(2))]);
        let missing = dataset(&mut conn, "b").and_then(|row| version(&mut conn, &row, 3)).unwrap_err();
        assert_eq!(missing.message, "The dataset b has no version 3; the latest is 2.");
    }

    #[test]
    fn deleting_a_dataset_takes_versions_and_tags_along_and_leaves_its_content_to_the_background() {
        let mut conn = connection();
        insert(&mut conn, "a");
        add_version(&mut conn, "a", 1);
        set_tag(&mut conn, "id-a", "prod", 1).unwrap();
        delete_dataset(&mut conn, "id-a").unwrap();
        assert!(versions(&mut conn, "id-a").unwrap().is_empty() && tags(&mut conn, "id-a").unwrap().is_empty());
        assert_eq!(leftovers(&mut conn).unwrap().len(), 1);
    }

    #[test]
    fn a_deleted_versions_number_is_not_given_again_and_the_newest_left_is_the_latest() {
        let mut conn = connection();
        insert(&mut conn, "a");
        for number in 1..=3 {
            add_version(&mut conn, "a", number);
        }
        set_tag(&mut conn, "id-a", "prod", 3).unwrap();
        delete_version(&mut conn, "id-a", 3).unwrap();
        let row = dataset(&mut conn, "a").unwrap();
        assert_eq!((row.last_version, row.versions_made), (2, 3));
        assert!(tags(&mut conn, "id-a").unwrap().is_empty());
        assert_eq!(version_count(&mut conn, "id-a").unwrap(), 2);
    }

    #[test]
    fn new_rules_make_older_reports_void_and_the_latest_version_due() {
        let mut conn = connection();
        insert(&mut conn, "a");
        add_version(&mut conn, "a", 1);
        assert!(without_report(&mut conn).unwrap().is_empty());
        let rule = Rule { file: None, check: Check::NotNull { column: "x".into() } };
        set_rules(&mut conn, "id-a", std::slice::from_ref(&rule), None).unwrap();
        assert_eq!(without_report(&mut conn).unwrap().len(), 1);
        let report = ValidationReport { passed: true, checked_at: 5, results: vec![] };
        set_report(&mut conn, "id-a", 1, &report, 1).unwrap();
        assert!(without_report(&mut conn).unwrap().is_empty());
        let row = dataset(&mut conn, "a").unwrap();
        assert_eq!(version(&mut conn, &row, 1).unwrap().view(&row).validation, ValidationState::Passed);
        assert_eq!(analysis(&mut conn, &row, 1).unwrap().report, Some(report));
        set_rules(&mut conn, "id-a", &[], None).unwrap();
        let row = dataset(&mut conn, "a").unwrap();
        assert_eq!(version(&mut conn, &row, 1).unwrap().view(&row).validation, ValidationState::Unchecked);
        assert_eq!(analysis(&mut conn, &row, 1).unwrap(), Analysis::default());
        assert_eq!(row.rules().unwrap(), []);
    }

    #[test]
    fn an_upload_is_its_uploaders_alone_until_it_is_forgotten() {
        let mut conn = connection();
        insert_upload(&mut conn, "ann", "d", 7, 10).unwrap();
        assert_eq!(upload_size(&mut conn, "ann", "d").unwrap(), Some(7));
        assert_eq!(upload_size(&mut conn, "bob", "d").unwrap(), None);
        insert_upload(&mut conn, "ann", "d", 7, 30).unwrap();
        assert_eq!(forget_uploads(&mut conn, 20).unwrap(), 0);
        assert_eq!(forget_uploads(&mut conn, 31).unwrap(), 1);
        assert_eq!(upload_size(&mut conn, "ann", "d").unwrap(), None);
    }
}
