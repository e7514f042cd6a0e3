-- What a person calls up again by name or link: filter, sort and columns of the runs table (kind 'runs'), or the runs of a
-- comparison that are too many for an address (kind 'compare'). `query` is the address after its question mark.
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
CREATE INDEX saved_views_by_project ON saved_views (project_id);
CREATE UNIQUE INDEX saved_views_by_owner ON saved_views (owner, kind, name) WHERE name <> '';
CREATE INDEX saved_views_owner ON saved_views (owner);
