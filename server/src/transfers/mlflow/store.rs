//! Rows of what came from elsewhere.

use diesel::prelude::*;

use crate::{
    db::{Conn, schema::transfers::imported},
    error::{Error, Result},
    tracking::TagMarks,
};

/// What a thing is called there: kind, id, when it was made.
pub type Foreign<'a> = (&'a str, &'a str, i64);

/// What is known of a thing that came before.
#[derive(Debug, Clone, Queryable)]
pub struct Came {
    pub local_id: String,
    /// Of what was read; empty until all of it was here.
    pub digest: String,
    tags: String,
}

impl Came {
    pub fn marks(&self) -> Result<TagMarks> {
        serde_json::from_str(&self.tags).map_err(Error::internal)
    }
}

pub fn find(conn: &mut Conn, (kind, id, made_at): Foreign<'_>) -> Result<Option<Came>> {
    imported::table
        .find((kind, id, made_at))
        .select((imported::local_id, imported::digest, imported::tags))
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Keeps which tags came, if that is not known.
pub fn keep_marks(conn: &mut Conn, (kind, id, made_at): Foreign<'_>, marks: &TagMarks) -> Result<()> {
    let text = serde_json::to_string(marks).map_err(Error::internal)?;
    diesel::update(imported::table.find((kind, id, made_at)).filter(imported::tags.ne(&text)))
        .set(imported::tags.eq(&text))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Notes that the thing comes. It has no digest until `finish` sets one.
pub fn begin(
    conn: &mut Conn,
    (kind, id, made_at): Foreign<'_>,
    local_id: &str,
    source: &str,
    at: i64,
    by: &str,
) -> Result<()> {
    diesel::insert_into(imported::table)
        .values((
            imported::kind.eq(kind),
            imported::foreign_id.eq(id),
            imported::made_at.eq(made_at),
            imported::local_id.eq(local_id),
            imported::source.eq(source),
            imported::imported_at.eq(at),
            imported::imported_by.eq(by),
        ))
        .on_conflict((imported::kind, imported::foreign_id, imported::made_at))
        .do_update()
        // what an earlier import brought may have been purged since: not whole until it says so
        .set((imported::local_id.eq(local_id), imported::digest.eq("")))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Notes that all of the thing, as that digest says it, is here.
pub fn finish(conn: &mut Conn, (kind, id, made_at): Foreign<'_>, digest: &str) -> Result<()> {
    diesel::update(imported::table.find((kind, id, made_at)))
        .set(imported::digest.eq(digest))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::db::testing::connection;

    #[test]
    fn a_thing_that_begins_anew_is_not_whole_until_it_says_so() {
        let mut conn = connection();
        let key = ("run", "r1", 5);
        let digest = |conn: &mut Conn| find(conn, key).unwrap().map(|came| came.digest);
        assert_eq!(digest(&mut conn), None);
        begin(&mut conn, key, "r1", "there", 1, "ann").unwrap();
        assert_eq!(digest(&mut conn).as_deref(), Some(""));
        finish(&mut conn, key, "d1").unwrap();
        assert_eq!(digest(&mut conn).as_deref(), Some("d1"));
        // It was purged here, and comes again.
        begin(&mut conn, key, "r1", "there", 2, "ann").unwrap();
        assert_eq!(digest(&mut conn).as_deref(), Some(""));
        assert!(find(&mut conn, ("run", "r1", 6)).unwrap().is_none(), "made at another time: another thing");
    }
}
