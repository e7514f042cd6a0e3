//! Rows of packages and their files. Each function composes in the caller's transaction.

use std::str::FromStr;

use diesel::{dsl::sql, prelude::*, sql_types::Bool};
use pep440_rs::Version;

use crate::{
    accounts::Scope,
    clock,
    db::{
        Conn,
        schema::packages::{package_files, packages},
    },
    error::{Error, Result},
};

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = packages)]
pub struct Package {
    pub id: i64,
    pub name: String,
    pub shown: String,
    pub summary: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = package_files)]
pub struct File {
    pub package: i64,
    pub filename: String,
    pub version: String,
    pub tags: String,
    pub digest: String,
    pub size_bytes: i64,
    pub requires_python: Option<String>,
    pub requires: String,
    pub metadata: String,
    pub yanked: Option<String>,
    pub uploaded_at: i64,
    pub uploaded_by: String,
}

impl File {
    /// Versions were checked when the file came.
    pub fn parsed_version(&self) -> Option<Version> {
        Version::from_str(&self.version).ok()
    }

    pub fn requirements(&self) -> Vec<String> {
        serde_json::from_str(&self.requires).unwrap_or_default()
    }
}

/// Newest version first, files of one version by name.
pub fn newest_first(files: &mut [File]) {
    files.sort_by_cached_key(|file| (std::cmp::Reverse(file.parsed_version()), file.filename.clone()));
}

pub fn find(conn: &mut Conn, name: &str) -> Result<Option<Package>> {
    packages::table
        .filter(packages::name.eq(name))
        .select(Package::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// # Errors
/// `not_found`, in words.
pub fn require(conn: &mut Conn, name: &str) -> Result<Package> {
    find(conn, name)?.ok_or_else(|| absent(name))
}

pub fn absent(name: &str) -> Error {
    Error::not_found(format!("There is no package {name} in the index of this box."))
}

/// The package, made by its first wheel.
pub fn ensure(conn: &mut Conn, project: &str, name: &str, shown: &str, summary: Option<&str>) -> Result<Package> {
    diesel::insert_into(packages::table)
        .values((
            packages::project_id.eq(project),
            packages::name.eq(name),
            packages::shown.eq(shown),
            packages::summary.eq(summary),
            packages::created_at.eq(clock::now_ms()),
        ))
        .on_conflict(packages::name)
        .do_update()
        .set((packages::shown.eq(shown), packages::summary.eq(summary)))
        .execute(conn)
        .map_err(Error::internal)?;
    require(conn, name)
}

pub fn insert(conn: &mut Conn, file: &File) -> Result<()> {
    use diesel::result::{DatabaseErrorKind::ForeignKeyViolation, Error as DieselError};
    match diesel::insert_into(package_files::table).values(file).execute(conn) {
        Ok(_) => Ok(()),
        Err(DieselError::DatabaseError(ForeignKeyViolation, _)) => {
            Err(Error::conflict(format!("The bytes of {} are gone already; upload it again.", file.filename)))
        }
        Err(source) => Err(Error::internal(source)),
    }
}

pub fn file(conn: &mut Conn, filename: &str) -> Result<Option<File>> {
    package_files::table
        .filter(package_files::filename.eq(filename))
        .select(File::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// # Errors
/// `not_found`, in words.
pub fn require_file(conn: &mut Conn, package: &str, filename: &str) -> Result<File> {
    let package = require(conn, package)?;
    let found = file(conn, filename)?.filter(|file| file.package == package.id);
    found.ok_or_else(|| Error::not_found(format!("{} has no file {filename}.", package.name)))
}

/// Newest version first.
pub fn files(conn: &mut Conn, package: i64) -> Result<Vec<File>> {
    let mut found: Vec<File> = package_files::table
        .filter(package_files::package.eq(package))
        .select(File::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    newest_first(&mut found);
    Ok(found)
}

/// All files that are shown with the names of their packages, by package.
pub fn everything(conn: &mut Conn, scope: &Scope) -> Result<Vec<(Package, File)>> {
    packages::table
        .inner_join(package_files::table)
        .filter(sql::<Bool>(&scope.sql("packages.project_id")))
        .order(packages::name)
        .select((Package::as_select(), File::as_select()))
        .load(conn)
        .map_err(Error::internal)
}

pub fn names(conn: &mut Conn, scope: &Scope) -> Result<Vec<String>> {
    packages::table
        .filter(sql::<Bool>(&scope.sql("project_id")))
        .order(packages::name)
        .select(packages::name)
        .load(conn)
        .map_err(Error::internal)
}

/// Packages of which `search` is part of the name or the summary, by name; and how many there are.
pub fn page(
    conn: &mut Conn,
    scope: &Scope,
    search: Option<&str>,
    offset: i64,
    limit: i64,
) -> Result<(Vec<Package>, i64)> {
    let pattern =
        search.map(|text| format!("%{}%", text.trim().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")));
    let matching = || {
        let mut query = packages::table.into_boxed();
        if *scope != Scope::All {
            query = query.filter(sql::<Bool>(&scope.sql("packages.project_id")));
        }
        if let Some(pattern) = &pattern {
            let named = packages::name.like(pattern.clone()).escape('\\');
            let shown = packages::shown.like(pattern.clone()).escape('\\');
            let told = packages::summary.like(pattern.clone()).escape('\\').assume_not_null();
            query = query.filter(named.or(shown).or(packages::summary.is_not_null().and(told)));
        }
        query
    };
    let total = matching().count().get_result(conn).map_err(Error::internal)?;
    let found = matching()
        .order(packages::name)
        .offset(offset)
        .limit(limit)
        .select(Package::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    Ok((found, total))
}

/// Packages, files, bytes.
pub fn totals(conn: &mut Conn) -> Result<(i64, i64, i64)> {
    use diesel::dsl::count_star;
    let all = packages::table.select(count_star()).first(conn).map_err(Error::internal)?;
    let files = package_files::table.select(count_star()).first(conn).map_err(Error::internal)?;
    let sizes: Vec<i64> = package_files::table.select(package_files::size_bytes).load(conn).map_err(Error::internal)?;
    Ok((all, files, sizes.iter().sum()))
}

pub fn set_yanked(conn: &mut Conn, filename: &str, reason: Option<&str>) -> Result<()> {
    diesel::update(package_files::table.filter(package_files::filename.eq(filename)))
        .set(package_files::yanked.eq(reason))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// With the package when it was the last one.
pub fn delete_file(conn: &mut Conn, file: &File) -> Result<()> {
    diesel::delete(package_files::table.filter(package_files::filename.eq(&file.filename)))
        .execute(conn)
        .map_err(Error::internal)?;
    if files(conn, file.package)?.is_empty() { delete(conn, file.package) } else { Ok(()) }
}

/// With its files, by foreign key.
pub fn delete(conn: &mut Conn, package: i64) -> Result<()> {
    diesel::delete(packages::table.find(package)).execute(conn).map(drop).map_err(Error::internal)
}
