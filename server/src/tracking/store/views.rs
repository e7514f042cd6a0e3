//! Rows of saved views.

use diesel::prelude::*;

use crate::{
    db::{
        Conn,
        schema::{accounts::people, tracking::saved_views as views},
    },
    error::{Error, Result},
};

/// A saved view with the name of who saved it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct View {
    pub id: String,
    pub owner: String,
    pub kind: String,
    pub name: String,
    pub query: String,
    pub updated_at: i64,
    pub username: String,
}

diesel::allow_tables_to_appear_in_same_query!(views, people);

#[diesel::dsl::auto_type(no_type_alias)]
fn rows() -> _ {
    views::table.inner_join(people::table.on(people::id.eq(views::owner))).select((
        views::id,
        views::owner,
        views::kind,
        views::name,
        views::query,
        views::updated_at,
        people::username,
    ))
}

pub fn find(conn: &mut Conn, id: &str) -> Result<Option<View>> {
    rows().filter(views::id.eq(id)).first(conn).optional().map_err(Error::internal)
}

/// The person's named views of the kind, by name.
pub fn of_person(conn: &mut Conn, owner: &str, kind: &str) -> Result<Vec<View>> {
    rows()
        .filter(views::owner.eq(owner))
        .filter(views::kind.eq(kind))
        .filter(views::name.ne(""))
        .order(views::name)
        .load(conn)
        .map_err(Error::internal)
}

/// Everybody's named views of the kind, by name; the first thousand.
pub fn of_all(conn: &mut Conn, kind: &str) -> Result<Vec<View>> {
    rows()
        .filter(views::kind.eq(kind))
        .filter(views::name.ne(""))
        .order((views::name, views::updated_at.desc()))
        .limit(1_000)
        .load(conn)
        .map_err(Error::internal)
}

/// The id of the person's view of that kind and name; of an unnamed one with the same content.
pub fn same(conn: &mut Conn, owner: &str, kind: &str, name: &str, query: &str) -> Result<Option<String>> {
    let mut wanted = views::table
        .filter(views::owner.eq(owner))
        .filter(views::kind.eq(kind))
        .filter(views::name.eq(name))
        .select(views::id)
        .into_boxed();
    if name.is_empty() {
        wanted = wanted.filter(views::query.eq(query));
    }
    wanted.first(conn).optional().map_err(Error::internal)
}

pub fn count(conn: &mut Conn, owner: &str) -> Result<i64> {
    views::table.filter(views::owner.eq(owner)).count().get_result(conn).map_err(Error::internal)
}

/// Keeps a new view; made now is changed now.
pub fn insert(conn: &mut Conn, project: &str, view: &View) -> Result<()> {
    diesel::insert_into(views::table)
        .values((
            views::id.eq(&view.id),
            views::project_id.eq(project),
            views::owner.eq(&view.owner),
            views::kind.eq(&view.kind),
            views::name.eq(&view.name),
            views::query.eq(&view.query),
            views::created_at.eq(view.updated_at),
            views::updated_at.eq(view.updated_at),
        ))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(())
}

pub fn set_query(conn: &mut Conn, id: &str, query: &str, at: i64) -> Result<()> {
    diesel::update(views::table.find(id))
        .set((views::query.eq(query), views::updated_at.eq(at)))
        .execute(conn)
        .map_err(Error::internal)?;
    Ok(())
}

pub fn delete(conn: &mut Conn, id: &str) -> Result<()> {
    diesel::delete(views::table.find(id)).execute(conn).map_err(Error::internal)?;
    Ok(())
}
