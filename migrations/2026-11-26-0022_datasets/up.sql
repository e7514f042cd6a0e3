-- A version's files are a manifest in content-addressed chunks that versions share; what a dataset keeps alive is held once
-- per content, not once per version and path. Rows of dataset_files are turned into manifests when the server starts.

-- the manifest's root; NULL of a version of the old form that has not been turned yet
ALTER TABLE dataset_versions ADD COLUMN manifest TEXT REFERENCES blobs (digest);
-- the version it was made from, and JSON of the wire's VersionSource; NULL: the first, an upload
ALTER TABLE dataset_versions ADD COLUMN parent INTEGER;
ALTER TABLE dataset_versions ADD COLUMN source TEXT;
-- JSON of the wire's ImageProfile, once computed and if there are images
ALTER TABLE dataset_versions ADD COLUMN images TEXT;
CREATE INDEX dataset_versions_manifest ON dataset_versions (manifest);
UPDATE dataset_versions SET parent = version - 1 WHERE version > 1;

-- the greatest number ever given; last_version is the newest that is there (0: none)
ALTER TABLE datasets ADD COLUMN versions_made INTEGER NOT NULL DEFAULT 0;
UPDATE datasets SET versions_made = last_version;
-- the rules as their author wrote them; NULL: only the parsed form
ALTER TABLE datasets ADD COLUMN rules_yaml TEXT;

-- Chunks of manifests and the files in them. No foreign key to datasets: a deleted dataset's rows go in small steps.
CREATE TABLE dataset_content (
    dataset_id TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (dataset_id, digest)
) WITHOUT ROWID;
CREATE INDEX dataset_content_digest ON dataset_content (digest);

-- Datasets some of whose content may be in no version any more: a version or the dataset was deleted, or one was being made.
CREATE TABLE dataset_leftovers (
    id TEXT PRIMARY KEY NOT NULL,
    dataset_id TEXT NOT NULL
);

CREATE TABLE dataset_tags (
    dataset_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (dataset_id, tag),
    FOREIGN KEY (dataset_id, version) REFERENCES dataset_versions (dataset_id, version) ON DELETE CASCADE
);
CREATE INDEX dataset_tags_version ON dataset_tags (dataset_id, version);
