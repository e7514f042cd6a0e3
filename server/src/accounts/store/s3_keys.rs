//! Rows of the S3 face's keys.

use diesel::prelude::*;
use drydock_wire::storage::{KeyScope, S3Key};

use super::PersonRow;
use crate::{
    db::{
        Conn,
        schema::accounts::{people, s3_keys},
    },
    error::{Error, Result},
};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = s3_keys)]
pub struct S3KeyRow {
    pub access_key: String,
    pub sealed_secret: String,
    pub person_id: String,
    pub created_at: i64,
    pub name: String,
    pub workload_id: Option<String>,
    pub expires_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub scopes: String,
    /// The project that it is good in alone.
    pub project_id: Option<String>,
}

impl S3KeyRow {
    /// A key of a person, without an end.
    pub fn new(access_key: String, sealed_secret: String, person_id: &str, name: &str, created_at: i64) -> Self {
        Self {
            access_key,
            sealed_secret,
            person_id: person_id.to_owned(),
            created_at,
            name: name.to_owned(),
            workload_id: None,
            expires_at: None,
            last_used_at: None,
            scopes: "[]".into(),
            project_id: None,
        }
    }

    pub fn with_scopes(self, scopes: &[KeyScope]) -> Result<Self> {
        Ok(Self { scopes: serde_json::to_string(scopes).map_err(Error::internal)?, ..self })
    }

    /// What the key is limited to. An unreadable list is an error, never a key without limits.
    pub fn read_scopes(&self) -> Result<Vec<KeyScope>> {
        serde_json::from_str(&self.scopes).map_err(Error::internal)
    }

    pub fn view(self, username: String) -> Result<S3Key> {
        Ok(S3Key {
            scopes: self.read_scopes()?,
            project: self.project_id,
            access_key: self.access_key,
            name: self.name,
            username,
            created_at: self.created_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
        })
    }
}

pub fn insert_s3_key(conn: &mut Conn, row: &S3KeyRow) -> Result<()> {
    diesel::insert_into(s3_keys::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

/// The key and its person.
pub fn s3_key(conn: &mut Conn, access_key: &str) -> Result<Option<(S3KeyRow, PersonRow)>> {
    s3_keys::table
        .inner_join(people::table)
        .filter(s3_keys::access_key.eq(access_key))
        .select((S3KeyRow::as_select(), PersonRow::as_select()))
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Keys made by hand, newest first: of one person, or of all.
pub fn s3_keys(conn: &mut Conn, person_id: Option<&str>) -> Result<Vec<(S3KeyRow, String)>> {
    let mut query = s3_keys::table
        .inner_join(people::table)
        .filter(s3_keys::workload_id.is_null())
        .select((S3KeyRow::as_select(), people::username))
        .order((s3_keys::created_at.desc(), s3_keys::access_key))
        .into_boxed();
    if let Some(person_id) = person_id {
        query = query.filter(s3_keys::person_id.eq(person_id.to_owned()));
    }
    query.load(conn).map_err(Error::internal)
}

pub fn touch_s3_key(conn: &mut Conn, access_key: &str, at: i64) -> Result<()> {
    diesel::update(s3_keys::table.find(access_key))
        .set(s3_keys::last_used_at.eq(at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Ends a key made by hand, of that person or of anybody; whether there was one.
pub fn delete_s3_key(conn: &mut Conn, access_key: &str, person_id: Option<&str>) -> Result<bool> {
    let key = s3_keys::table.find(access_key).filter(s3_keys::workload_id.is_null());
    let ended = match person_id {
        Some(person_id) => diesel::delete(key.filter(s3_keys::person_id.eq(person_id))).execute(conn),
        None => diesel::delete(key).execute(conn),
    };
    ended.map(|count| count > 0).map_err(Error::internal)
}

pub fn delete_s3_keys_of_workload(conn: &mut Conn, workload_id: &str) -> Result<()> {
    diesel::delete(s3_keys::table.filter(s3_keys::workload_id.eq(workload_id)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}
