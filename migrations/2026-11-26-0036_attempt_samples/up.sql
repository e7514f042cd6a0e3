-- what an attempt used, a row per minute: series as JSON, packed with zstd
CREATE TABLE attempt_samples (
  job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  minute INTEGER NOT NULL,                     -- since 1970
  data BLOB NOT NULL,
  PRIMARY KEY (job_id, number, minute)
) WITHOUT ROWID;
