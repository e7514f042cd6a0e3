DROP TABLE log_sources;
