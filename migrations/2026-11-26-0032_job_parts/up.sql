-- Secrets of the project: sealed with the box key, which is not in the database.
CREATE TABLE secrets (
    project_id TEXT NOT NULL DEFAULT 'default' REFERENCES projects (id),
    name TEXT NOT NULL,
    -- base64 of nonce, ciphertext, tag (AES-256-GCM)
    sealed TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    PRIMARY KEY (project_id, name)
) WITHOUT ROWID;

-- 1: made for a job whose program has not started a run yet; the first run that it starts is this one
ALTER TABLE runs ADD COLUMN awaits_job INTEGER NOT NULL DEFAULT 0;
CREATE INDEX jobs_parent ON jobs (parent_id) WHERE parent_id IS NOT NULL;
