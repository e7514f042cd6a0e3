-- How the gateway treats callers, and how many replicas there are (JSON: ServingSettings).
ALTER TABLE deployments ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
-- The alias that it was made with, as @champion; NULL: a number.
ALTER TABLE deployments ADD COLUMN alias TEXT;
-- How many replicas scaling wants now; NULL: as the settings say.
ALTER TABLE deployments ADD COLUMN wanted_replicas INTEGER;
-- What answers in a revision's containers (JSON: ServedBy).
ALTER TABLE revisions ADD COLUMN served_by TEXT NOT NULL DEFAULT '{}';

-- One container of a revision. Its id is also its workload's; the first has its revision's id.
CREATE TABLE replicas (
    id TEXT NOT NULL PRIMARY KEY,
    revision_id TEXT NOT NULL REFERENCES revisions(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,              -- from 1
    state TEXT NOT NULL,                  -- starting, ready, unwell, draining, ending
    reason TEXT,
    address TEXT,                         -- host:port that answered; only then does the gateway send it requests
    address_since INTEGER,                -- start of the container's run that answered there
    gpu TEXT,                             -- UUID of the GPU that it has leased
    created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX replicas_by_number ON replicas(revision_id, number);
INSERT INTO replicas (id, revision_id, number, state, address, address_since, created_at)
SELECT id, id, 1,
       CASE WHEN address IS NULL THEN 'starting' ELSE 'ready' END,
       address, address_since, created_at
FROM revisions WHERE state NOT IN ('placing', 'retired', 'failed');
