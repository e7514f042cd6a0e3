-- Each project has a bucket of its own for what its deployments capture; until now there was one for all.
ALTER TABLE captured_files ADD COLUMN bucket TEXT NOT NULL DEFAULT 'drydock-captured';
