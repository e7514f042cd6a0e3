//! Rows of secrets.

use std::collections::HashMap;

use diesel::{prelude::*, sql_types::Text};
use drydock_wire::secrets::Secret;

use crate::{
    db::{Conn, schema::jobs::secrets},
    error::{Error, Result},
};

/// Writes a value; whether the secret is new.
pub fn put(
    conn: &mut Conn,
    (project, name): (&str, &str),
    sealed: &str,
    size_bytes: i64,
    by: &str,
    at: i64,
) -> Result<bool> {
    let known = secrets::table.find((project, name));
    let value = (
        secrets::sealed.eq(sealed),
        secrets::size_bytes.eq(size_bytes),
        secrets::updated_at.eq(at),
        secrets::updated_by.eq(by),
    );
    if diesel::update(known).set(value).execute(conn).map_err(Error::internal)? > 0 {
        return Ok(false);
    }
    let row = (secrets::project_id.eq(project), secrets::name.eq(name), secrets::created_at.eq(at), value);
    diesel::insert_into(secrets::table).values(row).execute(conn).map_err(Error::internal)?;
    Ok(true)
}

/// The sealed value.
pub fn sealed(conn: &mut Conn, project: &str, name: &str) -> Result<Option<String>> {
    secrets::table.find((project, name)).select(secrets::sealed).first(conn).optional().map_err(Error::internal)
}

/// All of the project by name, each with the jobs that name it and have not ended.
pub fn all(conn: &mut Conn, project: &str) -> Result<Vec<Secret>> {
    let rows: Vec<(String, i64, i64, i64, String)> = secrets::table
        .filter(secrets::project_id.eq(project))
        .order(secrets::name)
        .select((secrets::name, secrets::size_bytes, secrets::created_at, secrets::updated_at, secrets::updated_by))
        .load(conn)
        .map_err(Error::internal)?;
    let mut users = users(conn, project)?;
    let secret = |(name, size_bytes, created_at, updated_at, updated_by): (String, i64, i64, i64, String)| Secret {
        job_ids: users.remove(&name).unwrap_or_default(),
        size_bytes: u64::try_from(size_bytes).unwrap_or(0),
        name,
        created_at,
        updated_at,
        updated_by,
    };
    Ok(rows.into_iter().map(secret).collect())
}

pub fn delete(conn: &mut Conn, project: &str, name: &str) -> Result<()> {
    diesel::delete(secrets::table.find((project, name))).execute(conn).map(drop).map_err(Error::internal)
}

/// Ids of the project's unfinished jobs by the secrets that they name.
fn users(conn: &mut Conn, project: &str) -> Result<HashMap<String, Vec<String>>> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Text)]
        name: String,
    }
    let rows: Vec<Found> = diesel::sql_query(
        "SELECT j.id, json_extract(s.value, '$.name') AS name FROM jobs j, json_each(j.spec, '$.secrets') s
         WHERE j.project_id = ? AND j.state IN ('queued', 'starting', 'running', 'cancelling') ORDER BY j.submitted_at",
    )
    .bind::<Text, _>(project)
    .load(conn)
    .map_err(Error::internal)?;
    let mut users: HashMap<String, Vec<String>> = HashMap::new();
    for row in rows {
        users.entry(row.name).or_default().push(row.id);
    }
    Ok(users)
}
