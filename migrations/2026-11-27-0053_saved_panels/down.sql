CREATE TABLE saved_views_kept AS SELECT * FROM saved_views WHERE kind <> 'monitoring';
DROP TABLE saved_views;
CREATE TABLE saved_views (
  id TEXT PRIMARY KEY NOT NULL,
  project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
  owner TEXT NOT NULL REFERENCES people (id),
  kind TEXT NOT NULL CHECK (kind IN ('runs', 'compare')),
  -- Empty for comparisons that nobody named.
  name TEXT NOT NULL,
  query TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
INSERT INTO saved_views SELECT * FROM saved_views_kept;
DROP TABLE saved_views_kept;
CREATE INDEX saved_views_by_project ON saved_views (project_id);
CREATE UNIQUE INDEX saved_views_by_owner ON saved_views (owner, kind, name) WHERE name <> '';
CREATE INDEX saved_views_owner ON saved_views (owner);
