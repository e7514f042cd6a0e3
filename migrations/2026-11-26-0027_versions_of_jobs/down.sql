DROP INDEX dataset_versions_job;
