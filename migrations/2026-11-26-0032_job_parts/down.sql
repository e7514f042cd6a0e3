DROP INDEX jobs_parent;
ALTER TABLE runs DROP COLUMN awaits_job;
DROP TABLE secrets;
