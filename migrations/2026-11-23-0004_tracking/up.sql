-- Experiments, runs and what they log. Rows refer to runs and series by surrogate integers: a point costs no text.

CREATE TABLE experiments (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
  name TEXT NOT NULL,
  artifact_location TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER,
  UNIQUE (project_id, name)
);

-- Clients that never choose an experiment use "0".
INSERT INTO experiments (id, name, artifact_location, created_at, updated_at)
VALUES (0, 'Default', 'mlflow-artifacts:/0', CAST(unixepoch('subsec') * 1000 AS INTEGER), CAST(unixepoch('subsec') * 1000 AS INTEGER));

CREATE TABLE experiment_tags (
  experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (experiment_id, key)
) WITHOUT ROWID;

CREATE TABLE runs (
  id INTEGER NOT NULL PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  experiment_id INTEGER NOT NULL REFERENCES experiments (id),
  name TEXT NOT NULL,
  user_name TEXT NOT NULL,
  status TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  deleted_at INTEGER,
  -- The workload whose token created the run; set by the server alone.
  job_id TEXT
);
CREATE INDEX runs_by_experiment ON runs (experiment_id, started_at);
CREATE INDEX runs_by_start ON runs (started_at);
CREATE INDEX runs_by_job ON runs (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX runs_deleted ON runs (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE run_params (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) WITHOUT ROWID;

CREATE TABLE run_tags (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) WITHOUT ROWID;

-- One series per (run, key); the columns beside it are its latest point.
CREATE TABLE metrics (
  id INTEGER NOT NULL PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  step INTEGER NOT NULL,
  at INTEGER NOT NULL,
  value DOUBLE NOT NULL,
  is_nan BOOLEAN NOT NULL,
  UNIQUE (run, key)
);

-- Equal points are kept once: the whole row is the key. NaN is value 0 with is_nan set.
CREATE TABLE metric_points (
  series INTEGER NOT NULL REFERENCES metrics (id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  at INTEGER NOT NULL,
  value DOUBLE NOT NULL,
  is_nan BOOLEAN NOT NULL,
  PRIMARY KEY (series, step, at, value, is_nan)
) WITHOUT ROWID;

-- Datasets that runs declared as inputs (not Drydock's own versioned datasets).
CREATE TABLE run_datasets (
  id INTEGER NOT NULL PRIMARY KEY,
  experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  source_type TEXT NOT NULL,
  source TEXT NOT NULL,
  dataset_schema TEXT,
  profile TEXT,
  UNIQUE (experiment_id, name, digest)
);

CREATE TABLE run_inputs (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  dataset INTEGER NOT NULL REFERENCES run_datasets (id) ON DELETE CASCADE,
  context TEXT,
  -- JSON object of the input's tags.
  tags TEXT NOT NULL,
  PRIMARY KEY (run, dataset)
) WITHOUT ROWID;
CREATE INDEX run_inputs_by_dataset ON run_inputs (dataset);

CREATE TABLE logged_models (
  id INTEGER NOT NULL PRIMARY KEY,
  model_id TEXT NOT NULL UNIQUE,
  experiment_id INTEGER NOT NULL REFERENCES experiments (id),
  name TEXT NOT NULL,
  model_type TEXT NOT NULL,
  source_run_id TEXT,
  status INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER
);
CREATE INDEX logged_models_by_experiment ON logged_models (experiment_id, created_at);
CREATE INDEX logged_models_by_run ON logged_models (source_run_id) WHERE source_run_id IS NOT NULL;

CREATE TABLE logged_model_params (
  model INTEGER NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) WITHOUT ROWID;

CREATE TABLE logged_model_tags (
  model INTEGER NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (model, key)
) WITHOUT ROWID;

CREATE TABLE logged_model_metrics (
  model INTEGER NOT NULL REFERENCES logged_models (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  at INTEGER NOT NULL,
  step INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  value DOUBLE NOT NULL,
  is_nan BOOLEAN NOT NULL,
  dataset_name TEXT,
  dataset_digest TEXT,
  PRIMARY KEY (model, key, at, step, run_id)
) WITHOUT ROWID;

-- Logged models a run read (direction 0) or made (direction 1).
CREATE TABLE run_models (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  direction INTEGER NOT NULL,
  model_id TEXT NOT NULL,
  step INTEGER NOT NULL,
  PRIMARY KEY (run, direction, model_id, step)
) WITHOUT ROWID;
