-- The Python package index: wheels by file name. Both columns that refer to blobs hold their bytes.

CREATE TABLE packages (
    id INTEGER PRIMARY KEY NOT NULL,
    project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
    -- normalized (PEP 503), as addresses have it
    name TEXT NOT NULL UNIQUE,
    -- as its metadata writes it
    shown TEXT NOT NULL,
    summary TEXT,
    created_at INTEGER NOT NULL
);
CREATE INDEX packages_project ON packages (project_id);

CREATE TABLE package_files (
    package INTEGER NOT NULL REFERENCES packages (id) ON DELETE CASCADE,
    -- never other bytes under the same name
    filename TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    -- python-abi-platform, each perhaps several with dots
    tags TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES blobs (digest),
    size_bytes INTEGER NOT NULL,
    requires_python TEXT,
    -- JSON: a list of Requires-Dist as written
    requires TEXT NOT NULL,
    -- the wheel's METADATA, given out by itself (PEP 658)
    metadata TEXT NOT NULL REFERENCES blobs (digest),
    -- the reason; NULL: it is not
    yanked TEXT,
    uploaded_at INTEGER NOT NULL,
    uploaded_by TEXT NOT NULL,
    PRIMARY KEY (package, filename)
) WITHOUT ROWID;
CREATE INDEX package_files_digest ON package_files (digest);
CREATE INDEX package_files_metadata ON package_files (metadata);
