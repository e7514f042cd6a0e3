-- What came from another MLflow, under which id there and here: a second import of the same thing finds it.

CREATE TABLE imported (
  -- experiment, run, logged_model, model, version, trace
  kind TEXT NOT NULL,
  -- Its id there, and when it was made: two stores may both have an experiment 1.
  foreign_id TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  local_id TEXT NOT NULL,
  -- Of what was read there, files included; another one says that it changed since. Empty until all of it is here.
  digest TEXT NOT NULL DEFAULT '',
  -- Folder, file or address, as the person named it.
  source TEXT NOT NULL,
  imported_at INTEGER NOT NULL,
  imported_by TEXT NOT NULL,
  PRIMARY KEY (kind, foreign_id, made_at)
) WITHOUT ROWID;
CREATE INDEX imported_by_local ON imported (kind, local_id);
