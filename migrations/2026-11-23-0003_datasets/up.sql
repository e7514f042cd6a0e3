-- Datasets, their immutable versions (snapshots of blobs by path), and who uploaded what lately.
CREATE TABLE datasets (
    id TEXT PRIMARY KEY NOT NULL,
    project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- JSON list of the wire's Rule; the revision grows with each change, so that a report of older rules is known as such
    rules TEXT NOT NULL DEFAULT '[]',
    rules_revision INTEGER NOT NULL DEFAULT 0,
    -- number of the latest version, which is also their count: versions are never deleted singly
    last_version INTEGER NOT NULL DEFAULT 0,
    UNIQUE (project_id, name)
);

CREATE TABLE dataset_versions (
    dataset_id TEXT NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    author TEXT NOT NULL,
    message TEXT NOT NULL,
    file_count INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    digest TEXT NOT NULL,
    -- JSON list of the wire's FileProfile; NULL until computed
    profiles TEXT,
    -- JSON of the wire's ValidationReport against the rules of report_revision
    report TEXT,
    report_passed INTEGER,
    report_revision INTEGER,
    PRIMARY KEY (dataset_id, version)
);

CREATE INDEX dataset_versions_without_profile ON dataset_versions (created_at) WHERE profiles IS NULL;

CREATE TABLE dataset_files (
    dataset_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    path TEXT NOT NULL,
    digest TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (dataset_id, version, path),
    FOREIGN KEY (dataset_id, version) REFERENCES dataset_versions (dataset_id, version) ON DELETE CASCADE
);

-- Only its uploader may refer to an upload by digest: knowing a digest is not having the bytes.
CREATE TABLE uploads (
    digest TEXT NOT NULL,
    person_id TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    uploaded_at INTEGER NOT NULL,
    PRIMARY KEY (digest, person_id)
);

CREATE INDEX uploads_by_age ON uploads (uploaded_at);
