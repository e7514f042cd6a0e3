-- More projects than one, who is in them with which role, and tokens and keys that are good in one project alone.
ALTER TABLE projects ADD COLUMN description TEXT NOT NULL DEFAULT '';
-- Seen by its members and the box's admins alone.
ALTER TABLE projects ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN created_by TEXT NOT NULL DEFAULT '';

CREATE TABLE project_members (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'engineer', 'admin')),
    added_at INTEGER NOT NULL,
    PRIMARY KEY (project_id, person_id)
) WITHOUT ROWID;
CREATE INDEX project_members_person ON project_members (person_id);

-- NULL: wherever the person may. No foreign key: a project that is gone opens nothing.
ALTER TABLE tokens ADD COLUMN project_id TEXT;
ALTER TABLE s3_keys ADD COLUMN project_id TEXT;
-- The most that the token may do; NULL: whatever the person may.
ALTER TABLE tokens ADD COLUMN role TEXT;

-- Names of these are one space for the whole box, as those of buckets, pipelines and deployments are.
CREATE UNIQUE INDEX datasets_name ON datasets (name);
CREATE UNIQUE INDEX registered_models_name ON registered_models (name);
