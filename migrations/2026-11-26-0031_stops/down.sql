DROP INDEX jobs_newest;
ALTER TABLE workloads DROP COLUMN stop_words;
ALTER TABLE workloads DROP COLUMN stop_cause;
