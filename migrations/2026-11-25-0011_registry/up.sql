-- Every move of an alias, for good. No foreign key on purpose: what `champion` pointed at is still asked when the model is
-- gone. `model` is the model's surrogate key, which is never given twice once it is here; the name is the one of that time.
CREATE TABLE alias_moves (
  id INTEGER NOT NULL PRIMARY KEY,
  model INTEGER NOT NULL,
  model_name TEXT NOT NULL,
  alias TEXT NOT NULL,
  at INTEGER NOT NULL,
  moved_by TEXT NOT NULL,
  -- set, removed, version_deleted, model_deleted, renamed
  cause TEXT NOT NULL,
  -- absent: it pointed at nothing before, or points at nothing from now on
  from_version INTEGER,
  to_version INTEGER
);
CREATE INDEX alias_moves_by_alias ON alias_moves (model, alias, at);
CREATE INDEX alias_moves_by_name ON alias_moves (model_name, at);

-- What is known of the aliases that were there before their moves were kept: the last one.
INSERT INTO alias_moves (model, model_name, alias, at, moved_by, cause, from_version, to_version)
SELECT a.model, m.name, a.alias, a.set_at, a.set_by, 'set', NULL, a.version
FROM model_aliases a JOIN registered_models m ON m.id = a.model ORDER BY a.set_at;

-- Model cards: each save is a revision, none is ever changed. `content` is JSON of the wire's CardContent.
CREATE TABLE model_cards (
  id INTEGER NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL REFERENCES model_versions (id) ON DELETE CASCADE,
  revision INTEGER NOT NULL,
  at INTEGER NOT NULL,
  author TEXT NOT NULL,
  note TEXT NOT NULL,
  content TEXT NOT NULL,
  UNIQUE (version, revision)
);

CREATE INDEX model_versions_by_logged_model ON model_versions (model_id) WHERE model_id IS NOT NULL;
CREATE INDEX run_models_by_model ON run_models (model_id);
