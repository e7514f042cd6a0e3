//! The audit trail: rows that follow from one another by hash, and checkpoints that this box signed.
//!
//! The chain shows an edit, a row taken out and another order. Who may write the database could write a whole new chain,
//! or cut its end off: the checkpoints show that, as they are signed with a key that is not in the database (Ed25519,
//! RFC 8032; the key is derived from the box key). The last one lies beside the database too.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use diesel::prelude::*;
use drydock_wire::accounts::AuditEntry;
use futures_util::future::BoxFuture;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::secrets::BoxKey;
use crate::{
    background::Task,
    clock,
    db::{
        Conn, Db,
        schema::accounts::{audit, audit_checkpoints},
    },
    error::{Error, Result},
};

/// The last checkpoint, beside the database: it outlives a database that is put back to an earlier state.
pub const LAST_CHECKPOINT: &str = "audit.checkpoint";

/// A row as it is hashed. As a line of JSON it is what `drydock audit export` writes.
#[derive(Debug, Clone, Queryable, Selectable, Serialize, Deserialize)]
#[diesel(table_name = audit)]
pub struct AuditRow {
    /// From 1, without gaps.
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub actor: String,
    pub address: String,
    pub action: String,
    pub subject: String,
    /// JSON.
    pub detail: String,
    /// SHA-256 in hex.
    pub hash: String,
}

impl AuditRow {
    fn chained(&self, before: &str) -> String {
        chain_hash(before, self.at, [&self.actor, &self.address, &self.action, &self.subject, &self.detail])
    }
}

/// That the trail was `row_id` rows long and ended with that hash.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, Serialize, Deserialize)]
#[diesel(table_name = audit_checkpoints)]
pub struct Checkpoint {
    /// The last row then.
    pub row_id: i64,
    pub row_hash: String,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Ed25519 over the lines `drydock audit checkpoint 1`, row, hash and time, in hex.
    pub signature: String,
}

impl Checkpoint {
    fn signed_text(&self) -> String {
        format!("drydock audit checkpoint 1\n{}\n{}\n{}", self.row_id, self.row_hash, self.at)
    }

    fn is_signed_with(&self, public_key: &[u8]) -> bool {
        hex::decode(&self.signature).is_ok_and(|signature| {
            UnparsedPublicKey::new(&ED25519, public_key).verify(self.signed_text().as_bytes(), &signature).is_ok()
        })
    }
}

fn key_pair(box_key: &BoxKey) -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(&box_key.mark("audit checkpoints", ""))
        .map_err(|_| Error::internal(anyhow::anyhow!("no signing key from the box key")))
}

/// The key with which anybody can check this box's checkpoints: 32 bytes.
pub fn public_key(box_key: &BoxKey) -> Result<Vec<u8>> {
    Ok(key_pair(box_key)?.public_key().as_ref().to_vec())
}

/// SHA-256 over the hash before and each field with its length, so that no two rows read the same.
fn chain_hash(before: &str, at: i64, fields: [&str; 5]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(before.as_bytes());
    hasher.update(at.to_be_bytes());
    for field in fields {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field.as_bytes());
    }
    hex::encode(hasher.finalize())
}

/// Appends one row to the chain.
pub fn append(conn: &mut Conn, at: i64, fields: [&str; 5]) -> Result<()> {
    let before: Option<String> =
        audit::table.order(audit::id.desc()).select(audit::hash).first(conn).optional().map_err(Error::internal)?;
    let hash = chain_hash(before.as_deref().unwrap_or(""), at, fields);
    let [actor, address, action, subject, detail] = fields;
    diesel::insert_into(audit::table)
        .values((
            audit::at.eq(at),
            audit::actor.eq(actor),
            audit::address.eq(address),
            audit::action.eq(action),
            audit::subject.eq(subject),
            audit::detail.eq(detail),
            audit::hash.eq(hash),
        ))
        .execute(conn)
        .map(drop)
        .map_err(Error::internal)
}

/// Which rows are looked for; what is absent does not matter.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Rows before this one.
    pub before: Option<i64>,
    /// Words, each of which stands in the name, the address, the action, the subject or the detail.
    pub words: Vec<String>,
    /// From then on, in milliseconds since 1970.
    pub from: Option<i64>,
    /// Until then.
    pub until: Option<i64>,
}

/// Newest first; and how many there are in all, before which row ever.
pub fn page(conn: &mut Conn, search: &Search, limit: i64) -> Result<(Vec<AuditEntry>, i64)> {
    let total = matching(search).count().get_result(conn).map_err(Error::internal)?;
    let rows: Vec<AuditRow> = matching(search)
        .filter(audit::id.lt(search.before.unwrap_or(i64::MAX)))
        .order(audit::id.desc())
        .limit(limit)
        .select(AuditRow::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    let entries = rows.into_iter().map(|row| AuditEntry {
        id: row.id,
        at: row.at,
        actor: row.actor,
        address: row.address,
        action: row.action,
        subject: row.subject,
        detail: serde_json::from_str(&row.detail).unwrap_or_default(),
    });
    Ok((entries.collect(), total))
}

fn matching(search: &Search) -> audit::BoxedQuery<'static, diesel::sqlite::Sqlite> {
    let mut query = audit::table.into_boxed();
    for word in &search.words {
        let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let like = format!("%{escaped}%");
        query = query.filter(
            audit::actor
                .like(like.clone())
                .escape('\\')
                .or(audit::address.like(like.clone()).escape('\\'))
                .or(audit::action.like(like.clone()).escape('\\'))
                .or(audit::subject.like(like.clone()).escape('\\'))
                .or(audit::detail.like(like).escape('\\')),
        );
    }
    if let Some(from) = search.from {
        query = query.filter(audit::at.ge(from));
    }
    if let Some(until) = search.until {
        query = query.filter(audit::at.lt(until));
    }
    query
}

/// Signs the end of the trail, unless that is done: the new checkpoint, if there is one.
pub fn sign_end(conn: &mut Conn, box_key: &BoxKey, at: i64) -> Result<Option<Checkpoint>> {
    let end: Option<(i64, String)> = audit::table
        .order(audit::id.desc())
        .select((audit::id, audit::hash))
        .first(conn)
        .optional()
        .map_err(Error::internal)?;
    let signed: Option<i64> = audit_checkpoints::table
        .select(diesel::dsl::max(audit_checkpoints::row_id))
        .first(conn)
        .map_err(Error::internal)?;
    let Some((row_id, row_hash)) = end.filter(|(row_id, _)| signed.is_none_or(|signed| signed < *row_id)) else {
        return Ok(None);
    };
    let mut checkpoint = Checkpoint { row_id, row_hash, at, signature: String::new() };
    checkpoint.signature = hex::encode(key_pair(box_key)?.sign(checkpoint.signed_text().as_bytes()));
    diesel::insert_into(audit_checkpoints::table).values(&checkpoint).execute(conn).map_err(Error::internal)?;
    Ok(Some(checkpoint))
}

/// All rows and checkpoints, in order.
pub fn whole(conn: &mut Conn) -> Result<(Vec<AuditRow>, Vec<Checkpoint>)> {
    let rows = audit::table.order(audit::id).select(AuditRow::as_select()).load(conn).map_err(Error::internal)?;
    let checkpoints = audit_checkpoints::table
        .order(audit_checkpoints::row_id)
        .select(Checkpoint::as_select())
        .load(conn)
        .map_err(Error::internal)?;
    Ok((rows, checkpoints))
}

/// Walks the whole chain and holds it against the checkpoints: what it is, or what is wrong with it.
pub fn verify(
    rows: &[AuditRow],
    checkpoints: &[Checkpoint],
    public_key: &[u8],
) -> std::result::Result<Verified, String> {
    let mut before = "";
    for (index, row) in rows.iter().enumerate() {
        // Ids have no gaps: AUTOINCREMENT and nobody deletes.
        if row.id != index as i64 + 1 {
            return Err(format!("row {} is missing", index + 1));
        }
        if row.hash != row.chained(before) {
            return Err(format!("row {} does not follow from the row before: it was altered", row.id));
        }
        before = &row.hash;
    }
    for checkpoint in checkpoints {
        if !checkpoint.is_signed_with(public_key) {
            return Err(format!("the checkpoint of row {} was not signed by this box", checkpoint.row_id));
        }
        let Some(row) = usize::try_from(checkpoint.row_id - 1).ok().and_then(|index| rows.get(index)) else {
            return Err(format!(
                "rows {} to {} are missing: the box signed a trail of {} rows",
                rows.len() + 1,
                checkpoint.row_id,
                checkpoint.row_id
            ));
        };
        if row.hash != checkpoint.row_hash {
            return Err(format!(
                "row {} is not the one that the box signed: the trail up to it was written anew",
                row.id
            ));
        }
    }
    Ok(Verified {
        rows: rows.len(),
        checkpoints: checkpoints.len(),
        signed_to: checkpoints.iter().map(|one| one.row_id).max().unwrap_or(0),
    })
}

/// A trail that is whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    pub rows: usize,
    pub checkpoints: usize,
    /// The last row that a checkpoint covers; 0 without one.
    pub signed_to: i64,
}

/// A line of an exported trail.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The box's key for checkpoints, in hex; the first line.
    PublicKey(String),
    Row(AuditRow),
    Checkpoint(Checkpoint),
}

/// Writes the trail as JSON lines: the key, each row, each checkpoint. [`verify_export`] reads them.
pub fn export(rows: Vec<AuditRow>, checkpoints: Vec<Checkpoint>, public_key: &[u8], out: &mut dyn Write) -> Result<()> {
    let key = std::iter::once(Line::PublicKey(hex::encode(public_key)));
    let all = key.chain(rows.into_iter().map(Line::Row)).chain(checkpoints.into_iter().map(Line::Checkpoint));
    for line in all {
        serde_json::to_writer(&mut *out, &line).map_err(Error::internal)?;
        out.write_all(b"\n").map_err(Error::internal)?;
    }
    Ok(())
}

/// Checks an exported trail; with the box's key, where the reader has it from elsewhere.
///
/// # Errors
/// `invalid` with the number of a line that is none of an export; `conflict` with what is wrong.
pub fn verify_export(text: &str, known_key: Option<&str>) -> Result<Verified> {
    let (mut rows, mut checkpoints, mut key) = (vec![], vec![], None);
    for (index, line) in text.lines().enumerate() {
        let line = serde_json::from_str(line).map_err(|cause| {
            Error::invalid(format!("Line {} is not one of an exported audit trail: {cause}.", index + 1))
        })?;
        match line {
            Line::PublicKey(own) => key = Some(own),
            Line::Row(row) => rows.push(row),
            Line::Checkpoint(checkpoint) => checkpoints.push(checkpoint),
        }
    }
    let own = key.ok_or_else(|| Error::invalid("The file has no key: it is not an exported audit trail."))?;
    if known_key.is_some_and(|known| !known.eq_ignore_ascii_case(&own)) {
        return Err(Error::conflict("The file is of another box: its key is not the one given."));
    }
    let own = hex::decode(own).map_err(|_| Error::invalid("The key is not written in hex."))?;
    verify(&rows, &checkpoints, &own).map_err(Error::conflict)
}

/// Signs the end of the trail whenever it grew.
pub(super) struct Signer {
    db: Db,
    box_key: BoxKey,
    file: PathBuf,
}

impl Signer {
    pub(super) fn new(db: Db, box_key: BoxKey, data_dir: &Path) -> Self {
        Self { db, box_key, file: data_dir.join(LAST_CHECKPOINT) }
    }

    async fn sign(&self) -> Result<()> {
        let key = self.box_key.clone();
        let signed = self.db.write(move |conn| sign_end(conn, &key, clock::now_ms())).await?;
        let Some(checkpoint) = signed else { return Ok(()) };
        let line = serde_json::to_vec(&checkpoint).map_err(Error::internal)?;
        let new = self.file.with_extension("checkpoint-new");
        tokio::fs::write(&new, line).await.map_err(Error::internal)?;
        tokio::fs::rename(&new, &self.file).await.map_err(Error::internal)
    }
}

impl Task for Signer {
    fn name(&self) -> &'static str {
        "audit checkpoints"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.sign())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use diesel::connection::SimpleConnection;

    use super::*;
    use crate::db::testing::connection;

    fn with_rows(n: i64) -> Conn {
        let mut conn = connection();
        for i in 0..n {
            append(&mut conn, i, ["ann", "::1", "x.do", "x/1", "{}"]).unwrap();
        }
        conn
    }

    fn fault(conn: &mut Conn, change: &str) -> String {
        conn.batch_execute("SAVEPOINT s").unwrap();
        conn.batch_execute(change).unwrap();
        let (rows, checkpoints) = whole(conn).unwrap();
        conn.batch_execute("ROLLBACK TO s").unwrap();
        verify(&rows, &checkpoints, &public_key(&BoxKey::testing()).unwrap()).unwrap_err()
    }

    #[test]
    fn an_edit_a_deletion_another_order_and_a_cut_are_noticed() {
        let (mut conn, key) = (with_rows(5), BoxKey::testing());
        assert_eq!(sign_end(&mut conn, &key, 7).unwrap().unwrap().row_id, 5);
        assert!(sign_end(&mut conn, &key, 8).unwrap().is_none());
        let (rows, checkpoints) = whole(&mut conn).unwrap();
        let all = Verified { rows: 5, checkpoints: 1, signed_to: 5 };
        assert_eq!(verify(&rows, &checkpoints, &public_key(&key).unwrap()), Ok(all));
        assert!(fault(&mut conn, "UPDATE audit SET actor = 'bob' WHERE id = 3").contains("row 3 does not follow"));
        assert!(fault(&mut conn, "DELETE FROM audit WHERE id = 2").contains("row 2 is missing"));
        let swap = "UPDATE audit SET id = 9 WHERE id = 2; UPDATE audit SET id = 2 WHERE id = 3; \
                    UPDATE audit SET id = 3 WHERE id = 9";
        assert!(fault(&mut conn, swap).contains("row 2 does not follow"));
        assert!(fault(&mut conn, "DELETE FROM audit WHERE id > 3").contains("rows 4 to 5 are missing"));
        let forged = "UPDATE audit_checkpoints SET row_id = 4";
        assert!(fault(&mut conn, forged).contains("not signed by this box"));
    }

    #[test]
    fn a_chain_that_was_written_anew_is_noticed() {
        let (mut conn, key) = (with_rows(2), BoxKey::testing());
        let signed = sign_end(&mut conn, &key, 7).unwrap().unwrap();
        let mut other = connection();
        for i in 0..3 {
            append(&mut other, i, ["bob", "::1", "x.do", "x/1", "{}"]).unwrap();
        }
        let (rows, _) = whole(&mut other).unwrap();
        let fault = verify(&rows, &[signed], &public_key(&key).unwrap()).unwrap_err();
        assert!(fault.contains("written anew"), "{fault}");
    }

    #[test]
    fn an_export_is_checked_without_the_box() {
        let (mut conn, key) = (with_rows(3), BoxKey::testing());
        sign_end(&mut conn, &key, 7).unwrap();
        let (rows, checkpoints) = whole(&mut conn).unwrap();
        let (public, mut out) = (public_key(&key).unwrap(), vec![]);
        export(rows, checkpoints, &public, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let known = hex::encode(&public);
        assert_eq!(verify_export(&text, Some(&known)).unwrap(), Verified { rows: 3, checkpoints: 1, signed_to: 3 });
        assert!(verify_export(&text, Some("00")).unwrap_err().message.contains("another box"));
        assert!(verify_export(&text.replace("ann", "bob"), None).unwrap_err().message.contains("row 1"));
        assert!(verify_export("{}", None).unwrap_err().message.contains("Line 1"));
        assert!(verify_export("", None).unwrap_err().message.contains("no key"));
    }

    #[test]
    fn words_and_times_find_rows_and_their_signs_mean_nothing() {
        let mut conn = with_rows(4);
        append(&mut conn, 10, ["Bob", "10.0.0.9", "token.create", "token/t_1", r#"{"name":"100%"}"#]).unwrap();
        let mut found = |words: &[&str], from, until| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            page(&mut conn, &Search { before: None, words, from, until }, 50).unwrap().1
        };
        assert_eq!(found(&[], None, None), 5);
        assert_eq!(found(&["bob", "token"], None, None), 1);
        assert_eq!(found(&["100%"], None, None), 1);
        assert_eq!((found(&["%"], None, None), found(&["_"], None, None)), (1, 1));
        assert_eq!(found(&["x.do"], Some(1), Some(3)), 2);
    }
}
