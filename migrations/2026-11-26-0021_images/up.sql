-- The OCI registry: repositories, the blobs and manifests in each, the tags. `name` of a blob or manifest is its digest as
-- clients write it (`sha256:…`, `sha512:…`); `digest` is the content in the store.

CREATE TABLE repositories (
    id INTEGER PRIMARY KEY NOT NULL,
    project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    -- what goes by itself: NULL keeps everything; patterns are a JSON list
    keep_last INTEGER,
    keep_tags TEXT NOT NULL DEFAULT '[]',
    untagged_days INTEGER
);
CREATE INDEX repositories_by_project ON repositories (project_id);

-- Knowing a digest is not having the bytes: a blob answers only where it was pushed or mounted.
CREATE TABLE repository_blobs (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES blobs (digest),
    size_bytes INTEGER NOT NULL,
    pushed_at INTEGER NOT NULL,
    pushed_by TEXT NOT NULL,
    -- the grace of a blob that no manifest refers to counts from here
    touched_at INTEGER NOT NULL,
    PRIMARY KEY (repository, name)
) WITHOUT ROWID;
CREATE INDEX repository_blobs_by_digest ON repository_blobs (digest, repository);
CREATE INDEX repository_blobs_by_touch ON repository_blobs (touched_at);

CREATE TABLE manifests (
    id INTEGER PRIMARY KEY NOT NULL,
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES blobs (digest),
    size_bytes INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    artifact_type TEXT,
    -- digest of another manifest, which need not be there
    subject TEXT,
    -- JSON, for the list of referrers
    annotations TEXT,
    -- `linux/amd64 linux/arm64`
    platforms TEXT NOT NULL,
    -- with all it refers to, each once
    total_bytes INTEGER NOT NULL,
    pushed_at INTEGER NOT NULL,
    pushed_by TEXT NOT NULL,
    -- when its last tag went to another manifest
    untagged_at INTEGER,
    UNIQUE (repository, name)
);
CREATE INDEX manifests_by_digest ON manifests (digest, repository);
CREATE INDEX manifests_by_subject ON manifests (repository, subject) WHERE subject IS NOT NULL;

-- What a manifest refers to: `config`, `layer` (blobs), `manifest` (of an index).
CREATE TABLE manifest_refs (
    manifest INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    repository INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    PRIMARY KEY (manifest, position)
) WITHOUT ROWID;
CREATE INDEX manifest_refs_by_name ON manifest_refs (repository, name);

CREATE TABLE image_tags (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    manifest INTEGER NOT NULL REFERENCES manifests (id) ON DELETE CASCADE,
    pushed_at INTEGER NOT NULL,
    pushed_by TEXT NOT NULL,
    PRIMARY KEY (repository, tag)
) WITHOUT ROWID;
CREATE INDEX image_tags_by_manifest ON image_tags (manifest);

-- Where a tag pointed, and since when; no name: it was removed.
CREATE TABLE image_tag_moves (
    id INTEGER PRIMARY KEY NOT NULL,
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    name TEXT,
    at INTEGER NOT NULL,
    moved_by TEXT NOT NULL
);
CREATE INDEX image_tag_moves_by_tag ON image_tag_moves (repository, tag);
