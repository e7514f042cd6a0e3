DROP TABLE replicas;
ALTER TABLE revisions DROP COLUMN served_by;
ALTER TABLE deployments DROP COLUMN wanted_replicas;
ALTER TABLE deployments DROP COLUMN alias;
ALTER TABLE deployments DROP COLUMN settings;
