DROP TABLE audit;
DROP TABLE s3_keys;
DROP TABLE tokens;
DROP TABLE sessions;
DROP TABLE people;
DROP TABLE projects;
DROP TABLE settings;
