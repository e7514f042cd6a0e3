//! Rows of people, sessions and tokens; keys of the S3 face have a file of their own.

mod logins;
mod s3_keys;

pub use logins::*;
pub use s3_keys::*;

use diesel::prelude::*;
use drydock_wire::accounts::{Person, Role, Session, Token};

use crate::{
    db::{
        Conn,
        schema::accounts::{people, sessions, tokens},
    },
    error::{Error, Result},
};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = people)]
pub struct PersonRow {
    pub id: String,
    pub username: String,
    pub password_hash: String,
    pub role: String,
    pub disabled: bool,
    pub created_at: i64,
    pub last_seen_at: Option<i64>,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    pub id: String,
    pub secret_hash: String,
    pub person_id: String,
    pub created_at: i64,
    pub last_used_at: i64,
    pub address: String,
    pub user_agent: String,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = tokens)]
pub struct TokenRow {
    pub id: String,
    pub secret_hash: String,
    pub person_id: String,
    pub kind: String,
    pub workload_id: Option<String>,
    pub name: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub last_used_at: Option<i64>,
    /// The project that it is good in alone.
    pub project_id: Option<String>,
    /// The most that it may do.
    pub role: Option<String>,
}

impl PersonRow {
    /// The row's role; the table's CHECK admits no other word.
    pub fn role(&self) -> Role {
        Role::parse(&self.role).unwrap_or(Role::Viewer)
    }

    pub fn view(self) -> Person {
        Person {
            role: self.role(),
            username: self.username,
            disabled: self.disabled,
            created_at: self.created_at,
            last_seen_at: self.last_seen_at,
        }
    }
}

impl TokenRow {
    /// The most that it may do. An unreadable word lets it look alone.
    pub fn ceiling(&self) -> Option<Role> {
        self.role.as_deref().map(|role| Role::parse(role).unwrap_or(Role::Viewer))
    }

    pub fn view(self) -> Token {
        let role = self.ceiling();
        Token {
            id: self.id,
            name: self.name,
            created_at: self.created_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            role,
            project: self.project_id,
        }
    }
}

impl SessionRow {
    pub fn view(self, current: Option<&str>) -> Session {
        Session {
            current: current == Some(self.id.as_str()),
            id: self.id,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            address: self.address,
            user_agent: self.user_agent,
        }
    }
}

pub fn insert_person(conn: &mut Conn, row: &PersonRow) -> Result<()> {
    use diesel::result::{DatabaseErrorKind::UniqueViolation, Error as DieselError};
    match diesel::insert_into(people::table).values(row).execute(conn) {
        Ok(_) => Ok(()),
        Err(DieselError::DatabaseError(UniqueViolation, _)) => {
            Err(Error::exists(format!("There is already somebody called {}.", row.username)))
        }
        Err(source) => Err(Error::internal(source)),
    }
}

pub fn person_by_name(conn: &mut Conn, username: &str) -> Result<Option<PersonRow>> {
    people::table
        .filter(people::username.eq(username))
        .select(PersonRow::as_select())
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

pub fn person_by_id(conn: &mut Conn, id: &str) -> Result<Option<PersonRow>> {
    people::table.find(id).select(PersonRow::as_select()).first(conn).optional().map_err(Error::internal)
}

pub fn all_people(conn: &mut Conn) -> Result<Vec<PersonRow>> {
    people::table.select(PersonRow::as_select()).order(people::username).load(conn).map_err(Error::internal)
}

/// Admins that can log in.
pub fn active_admins(conn: &mut Conn) -> Result<i64> {
    people::table
        .filter(people::role.eq("admin"))
        .filter(people::disabled.eq(false))
        .count()
        .get_result(conn)
        .map_err(Error::internal)
}

pub fn any_admin(conn: &mut Conn) -> Result<bool> {
    diesel::select(diesel::dsl::exists(people::table.filter(people::role.eq("admin"))))
        .get_result(conn)
        .map_err(Error::internal)
}

pub fn update_person(conn: &mut Conn, row: &PersonRow) -> Result<()> {
    diesel::update(people::table.find(&row.id))
        .set((
            people::role.eq(&row.role),
            people::disabled.eq(row.disabled),
            people::password_hash.eq(&row.password_hash),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn insert_session(conn: &mut Conn, row: &SessionRow) -> Result<()> {
    diesel::insert_into(sessions::table).values(row).execute(conn).map(drop).map_err(Error::internal)?;
    diesel::update(people::table.find(&row.person_id))
        .set(people::last_seen_at.eq(row.created_at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn session_by_hash(conn: &mut Conn, hash: &str) -> Result<Option<(SessionRow, PersonRow)>> {
    sessions::table
        .inner_join(people::table)
        .filter(sessions::secret_hash.eq(hash))
        .select((SessionRow::as_select(), PersonRow::as_select()))
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

pub fn touch_session(conn: &mut Conn, id: &str, at: i64) -> Result<()> {
    diesel::update(sessions::table.find(id))
        .set(sessions::last_used_at.eq(at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn sessions_of(conn: &mut Conn, person_id: &str) -> Result<Vec<SessionRow>> {
    sessions::table
        .filter(sessions::person_id.eq(person_id))
        .order(sessions::last_used_at.desc())
        .select(SessionRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

/// Ends one session of that person; whether there was one.
pub fn delete_session(conn: &mut Conn, person_id: &str, id: &str) -> Result<bool> {
    diesel::delete(sessions::table.filter(sessions::id.eq(id)).filter(sessions::person_id.eq(person_id)))
        .execute(conn)
        .map(|count| count > 0)
        .map_err(Error::internal)
}

/// Ends all sessions of that person but `keep`.
pub fn delete_sessions(conn: &mut Conn, person_id: &str, keep: Option<&str>) -> Result<()> {
    let of_person = sessions::table.filter(sessions::person_id.eq(person_id));
    diesel::delete(of_person.filter(sessions::id.ne(keep.unwrap_or(""))))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn insert_token(conn: &mut Conn, row: &TokenRow) -> Result<()> {
    diesel::insert_into(tokens::table).values(row).execute(conn).map(drop).map_err(Error::internal)
}

pub fn token_by_hash(conn: &mut Conn, hash: &str) -> Result<Option<(TokenRow, PersonRow)>> {
    tokens::table
        .inner_join(people::table)
        .filter(tokens::secret_hash.eq(hash))
        .select((TokenRow::as_select(), PersonRow::as_select()))
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

pub fn touch_token(conn: &mut Conn, id: &str, at: i64) -> Result<()> {
    diesel::update(tokens::table.find(id))
        .set(tokens::last_used_at.eq(at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Tokens that the person made by hand.
pub fn tokens_of(conn: &mut Conn, person_id: &str) -> Result<Vec<TokenRow>> {
    tokens::table
        .filter(tokens::person_id.eq(person_id))
        .filter(tokens::kind.eq("person"))
        .order(tokens::created_at.desc())
        .select(TokenRow::as_select())
        .load(conn)
        .map_err(Error::internal)
}

pub fn delete_token(conn: &mut Conn, person_id: &str, id: &str) -> Result<bool> {
    diesel::delete(tokens::table.filter(tokens::id.eq(id)).filter(tokens::person_id.eq(person_id)))
        .execute(conn)
        .map(|count| count > 0)
        .map_err(Error::internal)
}

pub fn delete_tokens_of_workload(conn: &mut Conn, workload_id: &str) -> Result<()> {
    diesel::delete(tokens::table.filter(tokens::workload_id.eq(workload_id)))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}
