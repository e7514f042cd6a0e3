DROP INDEX registered_models_name;
DROP INDEX datasets_name;
ALTER TABLE tokens DROP COLUMN role;
ALTER TABLE s3_keys DROP COLUMN project_id;
ALTER TABLE tokens DROP COLUMN project_id;
DROP TABLE project_members;
ALTER TABLE projects DROP COLUMN created_by;
ALTER TABLE projects DROP COLUMN private;
ALTER TABLE projects DROP COLUMN description;
