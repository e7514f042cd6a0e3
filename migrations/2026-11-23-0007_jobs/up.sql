-- `spec` is the request as accepted: image and dataset versions filled in
CREATE TABLE jobs (
  id TEXT PRIMARY KEY NOT NULL,
  project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects(id),
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN
    ('queued', 'starting', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled', 'lost')),
  reason TEXT,
  spec TEXT NOT NULL,
  person_id TEXT NOT NULL REFERENCES people(id),
  submitted_by TEXT NOT NULL,
  submitted_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  exit_code INTEGER,
  cancel_requested_at INTEGER
);
CREATE INDEX jobs_project ON jobs(project_id, submitted_at);
CREATE INDEX jobs_person ON jobs(person_id);
CREATE INDEX jobs_state ON jobs(state, submitted_at);

-- one per container of the job; its number is the workload's generation. `gpu_uuids` is its lease, a JSON list
CREATE TABLE job_attempts (
  job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  state TEXT NOT NULL,
  admitted_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  exit_code INTEGER,
  out_of_memory INTEGER NOT NULL DEFAULT 0,
  timed_out INTEGER NOT NULL DEFAULT 0,
  reason TEXT,
  gpu_uuids TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (job_id, number)
);
