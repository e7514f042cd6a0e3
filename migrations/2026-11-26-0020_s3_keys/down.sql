DROP INDEX s3_keys_workload;
ALTER TABLE s3_keys DROP COLUMN scopes;
ALTER TABLE s3_keys DROP COLUMN last_used_at;
ALTER TABLE s3_keys DROP COLUMN expires_at;
ALTER TABLE s3_keys DROP COLUMN workload_id;
ALTER TABLE s3_keys DROP COLUMN name;
