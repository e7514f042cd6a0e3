-- Versioned graphs of tasks, their runs, schedules and triggers. A run's state machine lies in these rows: each of its steps is one
-- transaction that holds the row's change and the step's effect (a job, a version, a revision) together.

CREATE TABLE pipelines (
    id TEXT PRIMARY KEY NOT NULL,
    project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
    name TEXT NOT NULL UNIQUE,
    -- neither schedules nor triggers make runs
    paused INTEGER NOT NULL DEFAULT 0,
    last_version INTEGER NOT NULL,
    -- number of the newest run; never given again
    last_run INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX pipelines_project ON pipelines (project_id);

-- What was applied: never changed.
CREATE TABLE pipeline_versions (
    pipeline_id TEXT NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    yaml TEXT NOT NULL,
    -- JSON of the checked form
    spec TEXT NOT NULL,
    author_id TEXT NOT NULL REFERENCES people (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (pipeline_id, version)
) WITHOUT ROWID;
CREATE INDEX pipeline_versions_author ON pipeline_versions (author_id);

CREATE TABLE pipeline_runs (
    id TEXT PRIMARY KEY NOT NULL,
    pipeline_id TEXT NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    number INTEGER NOT NULL,
    parameters TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'succeeded', 'failed', 'cancelled', 'skipped')),
    reason TEXT,
    -- JSON: a person, a schedule with its instant, a trigger with its event
    cause TEXT NOT NULL,
    -- schedule and instant, or trigger and event: the same makes no second run
    dedupe TEXT UNIQUE,
    -- in whose name
    person_id TEXT NOT NULL REFERENCES people (id),
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    UNIQUE (pipeline_id, number)
);
CREATE INDEX pipeline_runs_person ON pipeline_runs (person_id);
CREATE INDEX pipeline_runs_open ON pipeline_runs (state) WHERE state IN ('waiting', 'running');
CREATE INDEX pipeline_runs_created ON pipeline_runs (created_at);

-- Tries of tasks. item -1: the task as a whole; the highest number counts.
CREATE TABLE pipeline_tasks (
    run_id TEXT NOT NULL REFERENCES pipeline_runs (id) ON DELETE CASCADE,
    task TEXT NOT NULL,
    item INTEGER NOT NULL DEFAULT -1,
    number INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'waits_for_person', 'succeeded', 'cached', 'skipped', 'failed', 'blocked', 'cancelled')),
    -- failures since it was first tried, or cleared
    retried INTEGER NOT NULL DEFAULT 0,
    -- it was cleared: nothing from the cache
    fresh INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER,
    started_at INTEGER,
    ended_at INTEGER,
    -- what it started: job/…, version/model/3, deployment/name/2, approval/…
    subject TEXT,
    -- JSON: the item's; of a task that fans out, the list
    value TEXT,
    -- JSON
    outputs TEXT,
    cache_key TEXT,
    -- the run whose outputs these are
    cached_from TEXT,
    reason TEXT,
    PRIMARY KEY (run_id, task, item, number)
) WITHOUT ROWID;
CREATE INDEX pipeline_tasks_key ON pipeline_tasks (cache_key) WHERE state = 'running' AND cache_key IS NOT NULL;
CREATE INDEX pipeline_tasks_person ON pipeline_tasks (run_id) WHERE state = 'waits_for_person';

-- The newest outputs of equal inputs.
CREATE TABLE pipeline_cache (
    pipeline_id TEXT NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    run_id TEXT NOT NULL,
    outputs TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (pipeline_id, key)
) WITHOUT ROWID;

CREATE TABLE pipeline_schedules (
    id TEXT PRIMARY KEY NOT NULL,
    pipeline_id TEXT NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    cron TEXT NOT NULL,
    zone TEXT NOT NULL,
    catch_up TEXT NOT NULL CHECK (catch_up IN ('none', 'last', 'all')),
    parameters TEXT NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    person_id TEXT NOT NULL REFERENCES people (id),
    -- runs of instants up to this one were made, or are not made any more
    done_until INTEGER NOT NULL,
    UNIQUE (pipeline_id, name)
);
CREATE INDEX pipeline_schedules_person ON pipeline_schedules (person_id);

CREATE TABLE pipeline_triggers (
    id TEXT PRIMARY KEY NOT NULL,
    pipeline_id TEXT NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- of another pipeline: how it must have ended; NULL: however
    state TEXT,
    parameters TEXT NOT NULL,
    -- a webhook's token, sealed with the box key, since signatures are made with it
    sealed_token TEXT,
    person_id TEXT NOT NULL REFERENCES people (id)
);
CREATE INDEX pipeline_triggers_pipeline ON pipeline_triggers (pipeline_id);
CREATE INDEX pipeline_triggers_person ON pipeline_triggers (person_id);
CREATE INDEX pipeline_triggers_of ON pipeline_triggers (kind, subject);

-- What happened and may start pipelines: written in the transaction of what happened, taken by the runner.
CREATE TABLE pipeline_events (
    id INTEGER PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- of a webhook: its trigger alone
    trigger_id TEXT,
    detail TEXT NOT NULL,
    at INTEGER NOT NULL,
    taken_at INTEGER
);
CREATE INDEX pipeline_events_new ON pipeline_events (id) WHERE taken_at IS NULL;

CREATE TABLE pipeline_approvals (
    run_id TEXT NOT NULL REFERENCES pipeline_runs (id) ON DELETE CASCADE,
    task TEXT NOT NULL,
    item INTEGER NOT NULL,
    number INTEGER NOT NULL,
    person_id TEXT NOT NULL REFERENCES people (id),
    approved INTEGER NOT NULL,
    comment TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (run_id, task, item, number)
) WITHOUT ROWID;
CREATE INDEX pipeline_approvals_person ON pipeline_approvals (person_id);
