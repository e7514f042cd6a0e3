ALTER TABLE captured_files DROP COLUMN bucket;
