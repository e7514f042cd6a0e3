-- what should run; `secrets` are variables of the container that the hash leaves out, emptied once it is absent
CREATE TABLE workloads (
  id TEXT PRIMARY KEY NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('job', 'revision')),
  owner TEXT NOT NULL,
  generation INTEGER NOT NULL CHECK (generation > 0),
  desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'absent')),
  spec TEXT NOT NULL,
  secrets TEXT NOT NULL DEFAULT '{}',
  spec_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX workloads_owner ON workloads(kind, owner);

-- what does run, as the reconciler last saw it; always of the workload's present generation
CREATE TABLE workload_observations (
  workload_id TEXT PRIMARY KEY NOT NULL REFERENCES workloads(id) ON DELETE CASCADE,
  generation INTEGER NOT NULL,
  phase TEXT NOT NULL CHECK (phase IN
    ('pending', 'creating', 'starting', 'running', 'stopping', 'exited', 'vanished', 'refused', 'gone')),
  container_id TEXT,
  exit_code INTEGER,
  oom_killed INTEGER NOT NULL DEFAULT 0,
  started_at INTEGER,
  finished_at INTEGER,
  address TEXT,
  message TEXT,
  restarts INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER,
  changed_at INTEGER NOT NULL
);
-- a pass reads only what can still change
CREATE INDEX workload_observations_live ON workload_observations(workload_id) WHERE phase <> 'gone';
