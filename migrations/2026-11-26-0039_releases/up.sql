-- How a revision was to come in (JSON); NULL: rolling.
ALTER TABLE revisions ADD COLUMN release TEXT;
-- Until when a replaced revision (state warm) is kept running, so that one can switch back at once.
ALTER TABLE revisions ADD COLUMN warm_until INTEGER;

-- A revision on its way from candidate to live. At most one of a deployment is open.
CREATE TABLE releases (
    id TEXT NOT NULL PRIMARY KEY,
    deployment_id TEXT NOT NULL REFERENCES deployments(id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,            -- number of the candidate
    stable INTEGER NOT NULL,              -- number of the revision that it is to replace
    plan TEXT NOT NULL,                   -- JSON: strategy, steps, limits
    state TEXT NOT NULL,                  -- starting, running, promoted, rolled_back, replaced
    step INTEGER NOT NULL DEFAULT 0,      -- of a canary; as many as it has steps: all are done
    step_began_at INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    looks TEXT NOT NULL DEFAULT '[]',     -- JSON: what the analysis saw last
    began_at INTEGER NOT NULL,
    began_by TEXT NOT NULL,
    ended_at INTEGER
);
CREATE INDEX releases_by_deployment ON releases(deployment_id, began_at);
CREATE UNIQUE INDEX releases_open ON releases(deployment_id) WHERE ended_at IS NULL;

-- Who did what in a release.
CREATE TABLE release_events (
    id INTEGER NOT NULL PRIMARY KEY,
    release_id TEXT NOT NULL REFERENCES releases(id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    by TEXT,                              -- NULL: Drydock itself
    what TEXT NOT NULL
);
CREATE INDEX release_events_by_release ON release_events(release_id);
