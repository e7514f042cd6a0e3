-- What the audit trail was, signed by the box: who may write the database cannot cut the trail or write it anew unseen.
CREATE TABLE audit_checkpoints (
    row_id INTEGER PRIMARY KEY NOT NULL,
    row_hash TEXT NOT NULL,
    at INTEGER NOT NULL,
    signature TEXT NOT NULL
) WITHOUT ROWID;
