//! Rows of blobs and objects. Each function composes in the caller's transaction.

use diesel::prelude::*;

use super::Object;
use crate::{
    db::{
        Conn,
        schema::objects::{blobs, damaged_blobs, objects},
    },
    error::{Error, Result},
};

/// Notes that these bytes are kept, and renews their grace. `data` is for small ones; large ones are files, and `checks` are
/// their blocks' check sums. What was found damaged is sound again.
pub fn touch_blob(
    conn: &mut Conn,
    digest: &str,
    size_bytes: i64,
    data: Option<&[u8]>,
    checks: Option<&[u8]>,
    at: i64,
) -> Result<()> {
    let content = (blobs::size_bytes.eq(size_bytes), blobs::data.eq(data), blobs::block_checks.eq(checks));
    let fresh = diesel::insert_or_ignore_into(blobs::table)
        .values((blobs::digest.eq(digest), content, blobs::touched_at.eq(at)))
        .execute(conn)
        .map_err(Error::internal)?;
    let healed = diesel::delete(damaged_blobs::table.find(digest)).execute(conn).map_err(Error::internal)?;
    if fresh > 0 {
        return Ok(());
    }
    let kept = blobs::table.find(digest);
    // Not the bytes again: ten thousand uploads of the same would be written ten thousand times.
    diesel::update(kept).set(blobs::touched_at.eq(at)).execute(conn).map_err(Error::internal)?;
    if healed > 0 || checks.is_some() {
        diesel::update(kept).set(content).execute(conn).map_err(Error::internal)?;
    } else if data.is_some() {
        // What nobody has found damaged yet may be so all the same, and these bytes are about to be acknowledged.
        diesel::update(kept.filter(blobs::data.ne(data))).set(content).execute(conn).map_err(Error::internal)?;
    }
    Ok(())
}

/// What is known of a blob.
#[derive(Debug, Queryable)]
pub struct StoredBlob {
    pub size_bytes: i64,
    /// The bytes of a small one; a large one is a file.
    pub data: Option<Vec<u8>>,
    /// As `BlockChecks::to_bytes`; absent for small ones, and for files from before there were any.
    pub block_checks: Option<Vec<u8>>,
}

pub fn blob(conn: &mut Conn, digest: &str) -> Result<Option<StoredBlob>> {
    blobs::table
        .find(digest)
        .select((blobs::size_bytes, blobs::data, blobs::block_checks))
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Makes (bucket, key) refer to the blob; an older reference is replaced.
///
/// # Errors
/// `conflict` when the blob is not (or no longer) there: its bytes have to be uploaded again.
pub fn link(conn: &mut Conn, bucket: &str, key: &str, digest: &str, at: i64) -> Result<()> {
    let row =
        (objects::bucket.eq(bucket), objects::key.eq(key), objects::digest.eq(digest), objects::created_at.eq(at));
    let linked = diesel::insert_into(objects::table)
        .values(row)
        .on_conflict((objects::bucket, objects::key))
        .do_update()
        .set((objects::digest.eq(digest), objects::created_at.eq(at)))
        .execute(conn);
    use diesel::result::{DatabaseErrorKind::ForeignKeyViolation, Error as DieselError};
    match linked {
        Ok(_) => Ok(()),
        Err(DieselError::DatabaseError(ForeignKeyViolation, _)) => {
            Err(Error::conflict(format!("The content {digest} is not on the box; upload it again.")))
        }
        Err(source) => Err(Error::internal(source)),
    }
}

/// The object under (bucket, key).
pub fn get(conn: &mut Conn, bucket: &str, key: &str) -> Result<Option<Object>> {
    rows()
        .filter(objects::bucket.eq(bucket))
        .filter(objects::key.eq(key))
        .first(conn)
        .optional()
        .map_err(Error::internal)
}

/// Whether some object of the bucket has this content.
pub fn has(conn: &mut Conn, bucket: &str, digest: &str) -> Result<bool> {
    let of_it = objects::table.filter(objects::digest.eq(digest)).filter(objects::bucket.eq(bucket));
    diesel::select(diesel::dsl::exists(of_it)).get_result(conn).map_err(Error::internal)
}

/// Whether one of these contents was found damaged and is not whole again.
pub fn any_damaged(conn: &mut Conn, digests: &[String]) -> Result<bool> {
    for some in digests.chunks(500) {
        let found = damaged_blobs::table.filter(damaged_blobs::digest.eq_any(some));
        if diesel::select(diesel::dsl::exists(found)).get_result(conn).map_err(Error::internal)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Objects of the bucket whose key starts with `prefix`, in key order.
pub fn list_prefix(conn: &mut Conn, bucket: &str, prefix: &str) -> Result<Vec<Object>> {
    let mut query = rows().filter(objects::bucket.eq(bucket)).filter(objects::key.ge(prefix)).into_boxed();
    if let Some(end) = prefix_end(prefix) {
        query = query.filter(objects::key.lt(end));
    }
    query.order(objects::key).load(conn).map_err(Error::internal)
}

/// Removes one reference; whether there was one.
pub fn delete(conn: &mut Conn, bucket: &str, key: &str) -> Result<bool> {
    diesel::delete(objects::table.filter(objects::bucket.eq(bucket)).filter(objects::key.eq(key)))
        .execute(conn)
        .map(|count| count > 0)
        .map_err(Error::internal)
}

/// Removes every reference under the prefix; how many there were.
pub fn delete_prefix(conn: &mut Conn, bucket: &str, prefix: &str) -> Result<usize> {
    let under = objects::table.filter(objects::bucket.eq(bucket)).filter(objects::key.ge(prefix));
    let deleted = match prefix_end(prefix) {
        Some(end) => diesel::delete(under.filter(objects::key.lt(end))).execute(conn),
        None => diesel::delete(under).execute(conn),
    };
    deleted.map_err(Error::internal)
}

/// Removes the bucket's references that were made before `before`; how many there were.
pub fn delete_older(conn: &mut Conn, bucket: &str, before: i64) -> Result<usize> {
    diesel::delete(objects::table.filter(objects::bucket.eq(bucket)).filter(objects::created_at.lt(before)))
        .execute(conn)
        .map_err(Error::internal)
}

/// As `delete_prefix`, and ends the grace of content that nobody uploaded again since it was linked here, so that a
/// collection need not wait for it. The digests that lost a reference.
pub fn release_prefix(conn: &mut Conn, bucket: &str, prefix: &str) -> Result<Vec<String>> {
    let under = list_prefix(conn, bucket, prefix)?;
    delete_prefix(conn, bucket, prefix)?;
    end_grace(conn, under)
}

/// As `release_prefix`, of these objects alone.
pub fn release(conn: &mut Conn, some: Vec<Object>) -> Result<Vec<String>> {
    for object in &some {
        delete(conn, &object.bucket, &object.key)?;
    }
    end_grace(conn, some)
}

fn end_grace(conn: &mut Conn, released: Vec<Object>) -> Result<Vec<String>> {
    let mut digests = Vec::with_capacity(released.len());
    for object in released {
        // An upload that is younger than the link belongs to somebody who is about to link it.
        diesel::update(blobs::table.find(&object.digest).filter(blobs::touched_at.le(object.created_at)))
            .set(blobs::touched_at.eq(0))
            .execute(conn)
            .map_err(Error::internal)?;
        digests.push(object.digest);
    }
    digests.sort();
    digests.dedup();
    Ok(digests)
}

/// Digest and size of every blob, in digest order.
pub fn all_blobs(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    blobs::table.select((blobs::digest, blobs::size_bytes)).order(blobs::digest).load(conn).map_err(Error::internal)
}

/// Digests of all that is no row of the database alone, in order.
pub fn files(conn: &mut Conn) -> Result<Vec<String>> {
    let rows = blobs::table.filter(blobs::data.is_null()).select(blobs::digest).order(blobs::digest);
    rows.load(conn).map_err(Error::internal)
}

/// Distinct blobs and the sum of their sizes in bytes.
pub fn totals(conn: &mut Conn) -> Result<(u64, u64)> {
    use diesel::{
        dsl::{count_star, sql},
        sql_types::BigInt,
    };
    let (count, bytes): (i64, i64) = blobs::table
        .select((count_star(), sql::<BigInt>("coalesce(sum(size_bytes), 0)")))
        .first(conn)
        .map_err(Error::internal)?;
    Ok((u64::try_from(count).unwrap_or(0), u64::try_from(bytes).unwrap_or(0)))
}

/// The smallest text greater than every text with this prefix; `None` for the empty prefix.
pub fn prefix_end(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (last as u32 + 1..=char::MAX as u32).find_map(char::from_u32) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

type ObjectColumns = (objects::bucket, objects::key, objects::digest, blobs::size_bytes, objects::created_at);

#[diesel::dsl::auto_type(no_type_alias)]
fn rows() -> _ {
    let columns: ObjectColumns =
        (objects::bucket, objects::key, objects::digest, blobs::size_bytes, objects::created_at);
    objects::table.inner_join(blobs::table).select(columns)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::db::testing::connection;

    #[test]
    fn a_prefix_lists_its_own_and_nothing_else() {
        let mut conn = connection();
        touch_blob(&mut conn, "d", 1, Some(b"x"), None, 1).unwrap();
        for key in ["a", "a/1", "a/2", "a0", "b/1"] {
            link(&mut conn, "t", key, "d", 1).unwrap();
        }
        let keys: Vec<String> = list_prefix(&mut conn, "t", "a/").unwrap().into_iter().map(|o| o.key).collect();
        assert_eq!(keys, ["a/1", "a/2"]);
        assert_eq!(delete_prefix(&mut conn, "t", "a/").unwrap(), 2);
        assert_eq!(list_prefix(&mut conn, "t", "").unwrap().len(), 3);
    }

    #[test]
    fn a_reference_to_absent_bytes_is_refused() {
        let mut conn = connection();
        let error = link(&mut conn, "t", "k", "0000", 1).unwrap_err();
        assert_eq!(error.code, drydock_wire::ErrorCode::Conflict);
    }
}
