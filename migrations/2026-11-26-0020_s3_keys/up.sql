-- Keys get a name, an end, a last use and limits, and a job's attempt gets one of its own.
ALTER TABLE s3_keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
-- Of one attempt of a job, and ends with it; NULL: made by a person.
ALTER TABLE s3_keys ADD COLUMN workload_id TEXT;
ALTER TABLE s3_keys ADD COLUMN expires_at INTEGER;
ALTER TABLE s3_keys ADD COLUMN last_used_at INTEGER;
-- JSON list of {bucket, prefix, may_write}; empty: whatever the person may.
ALTER TABLE s3_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]';
CREATE INDEX s3_keys_workload ON s3_keys(workload_id) WHERE workload_id IS NOT NULL;
