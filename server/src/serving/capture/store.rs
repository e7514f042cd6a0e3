//! Rows of captured files and of feedback. Each function composes in the caller's transaction.

use diesel::prelude::*;

use crate::db::Conn;
use crate::db::schema::accounts::people;
use crate::db::schema::serving::{captured_files as files, deployments, feedback};
use crate::error::{Error, Result};

pub const WAITING: &str = "waiting";
pub const JOINED: &str = "joined";
pub const REFUSED: &str = "refused";

/// A file, without the hashes of its requests.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = files)]
pub struct FileRow {
    pub id: i64,
    pub deployment_id: String,
    pub bucket: String,
    pub key: String,
    pub from_at: i64,
    pub until_at: i64,
    pub row_count: i64,
    pub size_bytes: i64,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = files)]
pub struct NewFile {
    pub deployment_id: String,
    pub bucket: String,
    pub key: String,
    pub from_at: i64,
    pub until_at: i64,
    pub row_count: i64,
    pub size_bytes: i64,
    pub ids: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = feedback)]
pub struct FeedbackRow {
    pub deployment_id: String,
    pub request_id: String,
    /// -1: of the whole request.
    pub row: i64,
    pub truth: String,
    pub score: Option<f64>,
    pub received_at: i64,
    pub received_from: String,
    pub state: String,
    pub searched_to: i64,
    pub predicted: Option<String>,
    pub predicted_at: Option<i64>,
    pub revision: Option<i64>,
    pub model: Option<String>,
    pub version: Option<i64>,
    pub refusal: Option<String>,
}

/// Id and name of every deployment, with its settings.
pub fn deployments(conn: &mut Conn) -> Result<Vec<(String, String, String)>> {
    let all = deployments::table.select((deployments::id, deployments::name, deployments::settings));
    all.load(conn).map_err(Error::internal)
}

/// The project of a deployment.
///
/// # Errors
/// `not_found` when it is gone.
pub fn project_of(conn: &mut Conn, deployment_id: &str) -> Result<String> {
    let found = crate::serving::store::project_of(conn, deployment_id)?;
    found.ok_or_else(|| Error::not_found("The deployment was deleted meanwhile."))
}

/// The first admin, who is made the owner of the bucket.
pub fn an_admin(conn: &mut Conn) -> Result<Option<String>> {
    people::table
        .filter(people::role.eq("admin"))
        .filter(people::disabled.eq(false))
        .order(people::created_at)
        .select(people::id)
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

pub fn insert_file(conn: &mut Conn, file: &NewFile) -> Result<()> {
    diesel::insert_into(files::table).values(file).execute(conn).map(drop).map_err(Error::internal)
}

pub fn delete_files(conn: &mut Conn, ids: &[i64]) -> Result<()> {
    diesel::delete(files::table.filter(files::id.eq_any(ids))).execute(conn).map(drop).map_err(Error::internal)
}

/// Files of all deployments, newest first.
pub fn all_files(conn: &mut Conn) -> Result<Vec<FileRow>> {
    files::table.order(files::id.desc()).select(FileRow::as_select()).load(conn).map_err(Error::internal)
}

/// The deployment's files up to that one, newest first.
pub fn files_up_to(conn: &mut Conn, deployment_id: &str, id: i64, limit: i64) -> Result<Vec<FileRow>> {
    files::table
        .filter(files::deployment_id.eq(deployment_id))
        .filter(files::id.le(id))
        .order(files::id.desc())
        .limit(limit)
        .select(FileRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// Those with requests of that time, oldest first.
pub fn files_between(conn: &mut Conn, deployment_id: &str, from: i64, until: i64) -> Result<Vec<FileRow>> {
    files::table
        .filter(files::deployment_id.eq(deployment_id))
        .filter(files::until_at.ge(from))
        .filter(files::from_at.lt(until))
        .order(files::id)
        .select(FileRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// How many files, rows and bytes there are.
pub fn totals(conn: &mut Conn, deployment_id: &str) -> Result<(i64, i64, i64)> {
    let of_it = files::table.filter(files::deployment_id.eq(deployment_id));
    let sizes: Vec<(i64, i64)> =
        of_it.select((files::row_count, files::size_bytes)).load(conn).map_err(Error::internal)?;
    let count = i64::try_from(sizes.len()).unwrap_or(i64::MAX);
    Ok(sizes.iter().fold((count, 0, 0), |sum, size| (sum.0, sum.1 + size.0, sum.2 + size.1)))
}

/// When the first request of the oldest file was made.
pub fn oldest(conn: &mut Conn, deployment_id: &str) -> Result<Option<i64>> {
    let of_it = files::table.filter(files::deployment_id.eq(deployment_id));
    of_it.select(diesel::dsl::min(files::from_at)).first(conn).map_err(Error::internal)
}

/// The newest file's id; 0 without any.
pub fn newest_file(conn: &mut Conn, deployment_id: &str) -> Result<i64> {
    let of_it = files::table.filter(files::deployment_id.eq(deployment_id));
    let newest: Option<i64> = of_it.select(diesel::dsl::max(files::id)).first(conn).map_err(Error::internal)?;
    Ok(newest.unwrap_or(0))
}

/// Calls `look` with each file after that one, its bucket and key, and the hashes of its requests, oldest first.
pub fn each_index(
    conn: &mut Conn,
    deployment_id: &str,
    after: i64,
    mut look: impl FnMut(i64, (&str, &str), &[u8]),
) -> Result<()> {
    let query = files::table
        .filter(files::deployment_id.eq(deployment_id))
        .filter(files::id.gt(after))
        .order(files::id)
        .select((files::id, files::bucket, files::key, files::ids));
    let rows = query.load_iter::<(i64, String, String, Vec<u8>), diesel::connection::DefaultLoadingMode>(conn);
    for row in rows.map_err(Error::internal)? {
        let (id, bucket, key, ids) = row.map_err(Error::internal)?;
        look(id, (&bucket, &key), &ids);
    }
    Ok(())
}

/// Instead of what was said of the same row before.
pub fn put_feedback(conn: &mut Conn, row: &FeedbackRow) -> Result<()> {
    diesel::replace_into(feedback::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

pub fn delete_feedback(conn: &mut Conn, row: &FeedbackRow) -> Result<()> {
    let key = (&row.deployment_id, &row.request_id, row.row);
    diesel::delete(feedback::table.find(key)).execute(conn).map(drop).map_err(Error::internal)
}

/// Waiting ones that were not looked for in that file.
pub fn waiting(conn: &mut Conn, deployment_id: &str, newest_file: i64, limit: i64) -> Result<Vec<FeedbackRow>> {
    feedback::table
        .filter(feedback::deployment_id.eq(deployment_id))
        .filter(feedback::state.eq(WAITING))
        .filter(feedback::searched_to.lt(newest_file))
        .limit(limit)
        .select(FeedbackRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// The newest of those that met their prediction, predicted from that instant on.
pub fn joined(conn: &mut Conn, deployment_id: &str, from: i64, limit: i64) -> Result<Vec<FeedbackRow>> {
    feedback::table
        .filter(feedback::deployment_id.eq(deployment_id))
        .filter(feedback::state.eq(JOINED))
        .filter(feedback::predicted_at.ge(from))
        .order(feedback::predicted_at.desc())
        .limit(limit)
        .select(FeedbackRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

pub fn count_feedback(conn: &mut Conn, deployment_id: &str, state: &str) -> Result<i64> {
    let of_it = feedback::table.filter(feedback::deployment_id.eq(deployment_id)).filter(feedback::state.eq(state));
    of_it.count().get_result(conn).map_err(Error::internal)
}

/// Why the last refused one was.
pub fn last_refusal(conn: &mut Conn, deployment_id: &str) -> Result<Option<String>> {
    let refused = feedback::table.filter(feedback::deployment_id.eq(deployment_id)).filter(feedback::state.eq(REFUSED));
    let newest = refused.order(feedback::received_at.desc()).select(feedback::refusal);
    Ok(newest.first::<Option<String>>(conn).optional().map_err(Error::internal)?.flatten())
}

/// Forgets what waits since before one instant, and whatever was received before the other.
pub fn forget_feedback(conn: &mut Conn, deployment_id: &str, waiting_before: i64, before: i64) -> Result<()> {
    let of_it = || feedback::table.filter(feedback::deployment_id.eq(deployment_id.to_owned()));
    let unmet = of_it().filter(feedback::state.ne(JOINED)).filter(feedback::received_at.lt(waiting_before));
    diesel::delete(unmet).execute(conn).map_err(Error::internal)?;
    let old = of_it().filter(feedback::received_at.lt(before));
    diesel::delete(old).execute(conn).map(drop).map_err(Error::internal)
}
