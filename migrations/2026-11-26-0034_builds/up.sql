-- Image builds, and the layers that Docker keeps of them. What a build is made of is held by objects (bucket `builds`).

CREATE TABLE builds (
    id TEXT PRIMARY KEY NOT NULL,
    project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    -- JSON of the wire's SubmitBuild
    spec TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'pushing', 'succeeded', 'failed', 'cancelled')),
    reason TEXT,
    -- "3 of 7: RUN pip install …"
    step TEXT,
    -- as a person reads it; NULL until the context was opened
    dockerfile TEXT,
    -- JSON: the images it is built from, pinned
    bases TEXT NOT NULL DEFAULT '[]',
    -- JSON of the wire's MissingPackages
    missing TEXT,
    -- of the image in the registry
    digest TEXT,
    size_bytes INTEGER,
    tries INTEGER NOT NULL DEFAULT 0,
    person_id TEXT NOT NULL REFERENCES people (id),
    cancel_requested_at INTEGER,
    submitted_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER
);
CREATE INDEX builds_project ON builds (project_id, submitted_at);
CREATE INDEX builds_person ON builds (person_id);
CREATE INDEX builds_state ON builds (state, submitted_at);

-- Intermediate images that our builds made, by id. Others are never removed.
CREATE TABLE build_layers (
    image_id TEXT PRIMARY KEY NOT NULL,
    -- beyond the image that it was made from
    size_bytes INTEGER NOT NULL,
    -- made later than what it stands on
    position INTEGER NOT NULL,
    used_at INTEGER NOT NULL
);
CREATE INDEX build_layers_used ON build_layers (used_at);
