DROP TABLE scrub;
DROP TABLE damaged_blobs;
ALTER TABLE blobs DROP COLUMN block_checks;
