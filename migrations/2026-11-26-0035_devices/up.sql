-- GPUs, who holds them, and what happened to them. A MIG instance is a GPU of its own here; the GPU that it is cut from stays as a row,
-- since faults are told of it, and is never given to anybody.

CREATE TABLE gpus (
    uuid TEXT PRIMARY KEY NOT NULL,
    parent_uuid TEXT REFERENCES gpus (uuid),
    name TEXT NOT NULL,
    -- the driver's, for people: it can change when the machine starts anew
    number INTEGER NOT NULL,
    memory_bytes INTEGER NOT NULL,
    -- held by programs outside Drydock: nobody is promised this
    foreign_bytes INTEGER NOT NULL DEFAULT 0,
    -- cut into MIG instances, which are given in its place
    is_divided INTEGER NOT NULL DEFAULT 0,
    -- may be given by shares of its memory
    sharable INTEGER NOT NULL DEFAULT 1,
    state TEXT NOT NULL CHECK (state IN ('usable', 'quarantined', 'missing')),
    reason TEXT,
    state_since INTEGER NOT NULL,
    -- what ends a quarantine: 'quiet' (half a minute of good readings with nobody on it), 'boot' (that, after a restart of the box, or an
    -- admin), 'hand' (an admin)
    frees TEXT CHECK (frees IN ('quiet', 'boot', 'hand')),
    -- of the kernel under which it was put into quarantine
    boot_id TEXT,
    -- when it frees itself if it stays quiet; NULL while something speaks against it
    frees_itself_at INTEGER
);
CREATE INDEX gpus_parent ON gpus (parent_uuid);

CREATE TABLE gpu_leases (
    workload_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    gpu_uuid TEXT NOT NULL REFERENCES gpus (uuid),
    -- NULL: the whole GPU
    memory_bytes INTEGER,
    taken_at INTEGER NOT NULL,
    ended_at INTEGER,
    ended_because TEXT,
    PRIMARY KEY (workload_id, generation, gpu_uuid)
) WITHOUT ROWID;
CREATE INDEX gpu_leases_gpu ON gpu_leases (gpu_uuid, ended_at);
CREATE INDEX gpu_leases_ended ON gpu_leases (ended_at);
-- the database itself refuses a second whole lease
CREATE UNIQUE INDEX gpu_leases_whole ON gpu_leases (gpu_uuid) WHERE ended_at IS NULL AND memory_bytes IS NULL;

CREATE TABLE gpu_events (
    id INTEGER PRIMARY KEY NOT NULL,
    gpu_uuid TEXT NOT NULL REFERENCES gpus (uuid),
    at INTEGER NOT NULL,
    -- one word: xid ecc gone silent quarantined freed over_share foreign missing back sharing
    kind TEXT NOT NULL,
    -- of an Xid its number
    code INTEGER,
    words TEXT NOT NULL,
    workload_id TEXT
);
CREATE INDEX gpu_events_gpu ON gpu_events (gpu_uuid, at);
