-- A name that people call, and the revision that it is meant to be.
CREATE TABLE deployments (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects(id),
    name TEXT NOT NULL,
    goal INTEGER NOT NULL,                -- number of the revision that someone asked for last
    deleting INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    total_requests INTEGER NOT NULL DEFAULT 0,
    total_errors INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX deployments_by_name ON deployments(name);
CREATE INDEX deployments_by_project ON deployments(project_id);

-- One model version with its resources, served by one container. Its id is also its workload's.
CREATE TABLE revisions (
    id TEXT NOT NULL PRIMARY KEY,
    deployment_id TEXT NOT NULL REFERENCES deployments(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    resources TEXT NOT NULL,              -- JSON: cpus, memory_bytes, gpus
    state TEXT NOT NULL,                  -- placing, starting, live, draining, retiring, retired, failing, failed
    reason TEXT,
    address TEXT,                         -- host:port that answered; only then does the gateway send it requests
    address_since INTEGER,                -- start of the container's run that answered there
    example TEXT,                         -- JSON body that the model accepts
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    ready_at INTEGER,
    ended_at INTEGER
);
CREATE UNIQUE INDEX revisions_by_number ON revisions(deployment_id, number);
CREATE INDEX revisions_by_state ON revisions(state);
CREATE INDEX revisions_by_model ON revisions(model, version);

-- Requests by minute; the histogram is serving::gateway::histogram's encoding of microseconds.
CREATE TABLE gateway_minutes (
    deployment_id TEXT NOT NULL REFERENCES deployments(id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    histogram BLOB NOT NULL,
    PRIMARY KEY (deployment_id, at)
) WITHOUT ROWID;
CREATE INDEX gateway_minutes_by_at ON gateway_minutes(at);
