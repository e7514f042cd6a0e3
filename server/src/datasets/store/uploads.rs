//! Rows of what people uploaded and no version has yet.

use diesel::prelude::*;

use super::{signed, unsigned};
use crate::{
    db::{Conn, schema::datasets::uploads},
    error::{Error, Result},
};

/// Notes that the person has uploaded these bytes.
pub fn insert_upload(conn: &mut Conn, person_id: &str, digest: &str, size_bytes: u64, at: i64) -> Result<()> {
    diesel::insert_into(uploads::table)
        .values((
            uploads::digest.eq(digest),
            uploads::person_id.eq(person_id),
            uploads::size_bytes.eq(signed(size_bytes)),
            uploads::uploaded_at.eq(at),
        ))
        .on_conflict((uploads::digest, uploads::person_id))
        .do_update()
        .set(uploads::uploaded_at.eq(at))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Size in bytes of the person's upload, if it is one.
pub fn upload_size(conn: &mut Conn, person_id: &str, digest: &str) -> Result<Option<u64>> {
    let size: Option<i64> = uploads::table
        .find((digest, person_id))
        .select(uploads::size_bytes)
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    Ok(size.map(unsigned))
}

/// Forgets uploads from before that instant; how many there were.
pub fn forget_uploads(conn: &mut Conn, before: i64) -> Result<usize> {
    diesel::delete(uploads::table.filter(uploads::uploaded_at.lt(before))).execute(conn).map_err(Error::internal)
}
