DROP TABLE uploads;
DROP TABLE dataset_files;
DROP TABLE dataset_versions;
DROP TABLE datasets;
