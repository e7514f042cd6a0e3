-- every distinct content once; small ones ride in `data`, large ones are files named by digest
CREATE TABLE blobs (
  digest TEXT PRIMARY KEY NOT NULL,
  size_bytes INTEGER NOT NULL,
  data BLOB,
  -- last time somebody uploaded these bytes; grace for collection counts from here
  touched_at INTEGER NOT NULL
);
CREATE INDEX blobs_touched ON blobs(touched_at);

CREATE TABLE objects (
  bucket TEXT NOT NULL,
  key TEXT NOT NULL,
  digest TEXT NOT NULL REFERENCES blobs(digest),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE INDEX objects_digest ON objects(digest);
