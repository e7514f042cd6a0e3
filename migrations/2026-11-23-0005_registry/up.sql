-- Registered models and their versions. A version's number is never given twice, even when the version is deleted.

CREATE TABLE registered_models (
  id INTEGER NOT NULL PRIMARY KEY,
  project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
  name TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  last_version INTEGER NOT NULL DEFAULT 0,
  UNIQUE (project_id, name)
);

CREATE TABLE registered_model_tags (
  model INTEGER NOT NULL REFERENCES registered_models (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) WITHOUT ROWID;

CREATE TABLE model_versions (
  id INTEGER NOT NULL PRIMARY KEY,
  model INTEGER NOT NULL REFERENCES registered_models (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  user_name TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  -- What the client named: runs:/…, models:/m-…, models:/name/1, mlflow-artifacts:/…
  source TEXT NOT NULL,
  -- Where the files are, as far as the source says; what get-download-uri answers.
  storage_location TEXT NOT NULL,
  run_id TEXT,
  run_link TEXT NOT NULL DEFAULT '',
  model_id TEXT,
  stage TEXT NOT NULL DEFAULT 'None',
  status TEXT NOT NULL DEFAULT 'READY',
  UNIQUE (model, version)
);
CREATE INDEX model_versions_by_run ON model_versions (run_id) WHERE run_id IS NOT NULL;

CREATE TABLE model_version_tags (
  version INTEGER NOT NULL REFERENCES model_versions (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (version, key)
) WITHOUT ROWID;

CREATE TABLE model_aliases (
  model INTEGER NOT NULL REFERENCES registered_models (id) ON DELETE CASCADE,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  set_at INTEGER NOT NULL,
  set_by TEXT NOT NULL,
  PRIMARY KEY (model, alias)
) WITHOUT ROWID;
