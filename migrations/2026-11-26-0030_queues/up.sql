-- Queues with weights and caps, fair shares per person, retries of attempts, sweeps. Amounts that the scheduler adds up are columns, so
-- that a decision over thousands of waiting jobs parses no JSON.

CREATE TABLE queues (
    id TEXT PRIMARY KEY NOT NULL,
    project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
    name TEXT NOT NULL UNIQUE,
    weight INTEGER NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    -- JSON of the wire's Caps: of the queue as a whole, and of each person in it
    caps TEXT NOT NULL DEFAULT '{}',
    person_caps TEXT NOT NULL DEFAULT '{}',
    -- how long a person's line may see nothing start in its turn before it comes first
    patience_s INTEGER NOT NULL DEFAULT 14400,
    -- the limit of a job that names none: every job has one, or nothing could be promised to the one behind it
    longest_s INTEGER NOT NULL DEFAULT 2592000,
    highest_priority INTEGER NOT NULL DEFAULT 10,
    preempts INTEGER NOT NULL DEFAULT 0,
    paused INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX queues_project ON queues (project_id);
INSERT INTO queues (id, name, created_at, updated_at) VALUES ('default', 'default', 0, 0);

-- A person's jobs in a queue: the last start in turn, and use of the box in hours, faded to used_at (half in a day).
CREATE TABLE queue_lines (
    queue_id TEXT NOT NULL REFERENCES queues (id) ON DELETE CASCADE,
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    turn_at INTEGER,
    used_hours REAL NOT NULL DEFAULT 0,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (queue_id, person_id)
) WITHOUT ROWID;
CREATE INDEX queue_lines_person ON queue_lines (person_id);

CREATE TABLE sweeps (
    id TEXT PRIMARY KEY NOT NULL,
    project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
    name TEXT NOT NULL,
    -- JSON of the wire's SubmitSweep
    spec TEXT NOT NULL,
    most_at_once INTEGER NOT NULL,
    person_id TEXT NOT NULL REFERENCES people (id),
    created_at INTEGER NOT NULL,
    cancelled_at INTEGER
);
CREATE INDEX sweeps_project ON sweeps (project_id);
CREATE INDEX sweeps_person ON sweeps (person_id);

-- NULL of a job that a version before this one inserted: the queue 'default'
ALTER TABLE jobs ADD COLUMN queue_id TEXT REFERENCES queues (id);
ALTER TABLE jobs ADD COLUMN sweep_id TEXT REFERENCES sweeps (id);
-- the job that this one runs again
ALTER TABLE jobs ADD COLUMN parent_id TEXT;
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
-- waits from here on: its submission, or the end of an attempt that failed; NULL: submitted_at
ALTER TABLE jobs ADD COLUMN since INTEGER;
-- not to be started before: the pause before a retry
ALTER TABLE jobs ADD COLUMN not_before INTEGER;
-- attempts that count against its limit of retries
ALTER TABLE jobs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN limit_s INTEGER;
ALTER TABLE jobs ADD COLUMN cpus_milli INTEGER NOT NULL DEFAULT 1000;
ALTER TABLE jobs ADD COLUMN memory_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN disk_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN gpus INTEGER NOT NULL DEFAULT 0;
-- a share of one GPU by its memory; NULL: whole GPUs
ALTER TABLE jobs ADD COLUMN gpu_memory_bytes INTEGER;
ALTER TABLE jobs ADD COLUMN resumable INTEGER NOT NULL DEFAULT 0;
-- not NULL while queued: room is reserved for it, by this instant
ALTER TABLE jobs ADD COLUMN promised_by INTEGER;
UPDATE jobs SET queue_id = 'default', since = submitted_at,
    limit_s = json_extract(spec, '$.timeout_s'),
    cpus_milli = CAST(ROUND(1000 * COALESCE(json_extract(spec, '$.resources.cpus'), 1)) AS INTEGER),
    memory_bytes = COALESCE(json_extract(spec, '$.resources.memory_bytes'), 1073741824),
    gpus = COALESCE(json_extract(spec, '$.resources.gpus'), 0);
CREATE INDEX jobs_queue ON jobs (queue_id);
CREATE INDEX jobs_sweep ON jobs (sweep_id);

-- why it ended, in one word: exit memory disk time log image cancelled preempted reboot gpu vanished docker
ALTER TABLE job_attempts ADD COLUMN cause TEXT;
-- the tracked run that was made for it
ALTER TABLE job_attempts ADD COLUMN run_id TEXT;
-- sha256:… as Docker had the image
ALTER TABLE job_attempts ADD COLUMN image_id TEXT;
ALTER TABLE job_attempts ADD COLUMN peak_memory_bytes INTEGER;
-- of the kernel that it ran under: another one means that the box was restarted
ALTER TABLE job_attempts ADD COLUMN boot_id TEXT;
