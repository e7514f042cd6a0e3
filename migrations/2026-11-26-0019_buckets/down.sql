DROP TABLE bucket_objects;
DROP TABLE bucket_parts;
DROP TABLE bucket_uploads;
DROP TABLE bucket_grants;
DROP TABLE buckets;
