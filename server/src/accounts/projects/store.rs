//! Rows of projects and their members.

use std::collections::BTreeMap;

use diesel::{
    dsl::{count, sql},
    prelude::*,
    sql_types::BigInt,
};
use drydock_wire::{
    accounts::Role,
    projects::{ProjectContent, ProjectMember},
};

use super::super::reach::Place;
use crate::{
    db::{
        Conn,
        schema::accounts::{people, project_members as members, projects},
    },
    error::{Error, Result},
};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = projects)]
pub struct ProjectRow {
    pub id: String,
    pub name: String,
    pub created_at: i64,
    pub description: String,
    pub private: bool,
    pub created_by: String,
}

/// Tables whose rows belong to a project, and what people call them. The ones above are looked at first.
const CONTENTS: &[(&str, &str)] = &[
    ("experiments", "experiments"),
    ("registered models", "registered_models"),
    ("datasets", "datasets"),
    ("buckets", "buckets"),
    ("repositories", "repositories"),
    ("packages", "packages"),
    ("jobs", "jobs"),
    ("sweeps", "sweeps"),
    ("builds", "builds"),
    ("pipelines", "pipelines"),
    ("deployments", "deployments"),
    ("secrets", "secrets"),
    ("webhooks", "webhooks"),
    ("saved views", "saved_views"),
];

/// All projects as that person finds them.
pub fn places(conn: &mut Conn, person_id: &str) -> Result<BTreeMap<String, Place>> {
    let rows: Vec<(String, bool, Option<String>)> = projects::table
        .left_join(members::table.on(members::project_id.eq(projects::id).and(members::person_id.eq(person_id))))
        .select((projects::id, projects::private, members::role.nullable()))
        .load(conn)
        .map_err(Error::internal)?;
    let place = |private, role: Option<String>| Place { private, member: role.as_deref().and_then(Role::parse) };
    Ok(rows.into_iter().map(|(id, private, role)| (id, place(private, role))).collect())
}

pub fn all(conn: &mut Conn) -> Result<Vec<ProjectRow>> {
    projects::table.select(ProjectRow::as_select()).order(projects::id).load(conn).map_err(Error::internal)
}

/// How many there are.
pub fn how_many(conn: &mut Conn) -> Result<i64> {
    projects::table.count().get_result(conn).map_err(Error::internal)
}

pub fn find(conn: &mut Conn, id: &str) -> Result<Option<ProjectRow>> {
    projects::table.find(id).select(ProjectRow::as_select()).first(conn).optional().map_err(Error::internal)
}

pub fn insert(conn: &mut Conn, row: &ProjectRow) -> Result<()> {
    use diesel::result::{DatabaseErrorKind::UniqueViolation, Error as DieselError};
    match diesel::insert_into(projects::table).values(row).execute(conn) {
        Ok(_) => Ok(()),
        Err(DieselError::DatabaseError(UniqueViolation, _)) => {
            Err(Error::exists(format!("There is already a project {}.", row.id)))
        }
        Err(source) => Err(Error::internal(source)),
    }
}

pub fn update(conn: &mut Conn, row: &ProjectRow) -> Result<()> {
    diesel::update(projects::table.find(&row.id))
        .set((
            projects::name.eq(&row.name),
            projects::description.eq(&row.description),
            projects::private.eq(row.private),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

pub fn delete(conn: &mut Conn, id: &str) -> Result<()> {
    diesel::delete(projects::table.find(id)).execute(conn).map(drop).map_err(Error::internal)
}

/// Numbers of members by project.
pub fn member_counts(conn: &mut Conn) -> Result<BTreeMap<String, i64>> {
    let rows: Vec<(String, i64)> = members::table
        .group_by(members::project_id)
        .select((members::project_id, count(members::person_id)))
        .load(conn)
        .map_err(Error::internal)?;
    Ok(rows.into_iter().collect())
}

pub fn members(conn: &mut Conn, project: &str) -> Result<Vec<ProjectMember>> {
    let rows: Vec<(String, String, i64)> = members::table
        .inner_join(people::table)
        .filter(members::project_id.eq(project))
        .order(people::username)
        .select((people::username, members::role, members::added_at))
        .load(conn)
        .map_err(Error::internal)?;
    let view = |(username, role, added_at): (String, String, i64)| ProjectMember {
        username,
        role: Role::parse(&role).unwrap_or(Role::Viewer),
        added_at,
    };
    Ok(rows.into_iter().map(view).collect())
}

pub fn put_member(conn: &mut Conn, project: &str, person_id: &str, role: Role, at: i64) -> Result<()> {
    diesel::insert_into(members::table)
        .values((
            members::project_id.eq(project),
            members::person_id.eq(person_id),
            members::role.eq(role.as_str()),
            members::added_at.eq(at),
        ))
        .on_conflict((members::project_id, members::person_id))
        .do_update()
        .set(members::role.eq(role.as_str()))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Whether there was such a member.
pub fn delete_member(conn: &mut Conn, project: &str, person_id: &str) -> Result<bool> {
    diesel::delete(members::table.find((project, person_id)))
        .execute(conn)
        .map(|count| count > 0)
        .map_err(Error::internal)
}

/// What is in the project, kinds with none left out; what lies in the trash counts, too.
pub fn contents(conn: &mut Conn, project: &str) -> Result<Vec<ProjectContent>> {
    let mut found = Vec::new();
    for (kind, table) in CONTENTS {
        let number = sql::<BigInt>(&format!("(SELECT count(*) FROM {table} WHERE project_id = projects.id)"));
        let count: Option<i64> =
            projects::table.find(project).select(number).first(conn).optional().map_err(Error::internal)?;
        let count = u64::try_from(count.unwrap_or(0)).unwrap_or(0);
        if count > 0 {
            found.push(ProjectContent { kind: (*kind).to_owned(), count });
        }
    }
    Ok(found)
}
