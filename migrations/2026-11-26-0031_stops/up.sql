-- Why a workload was told to stop, by whoever told it: one word for rules (disk log preempted gpu …) and a sentence for people. Of the
-- present generation; the first reason stays.
ALTER TABLE workloads ADD COLUMN stop_cause TEXT;
ALTER TABLE workloads ADD COLUMN stop_words TEXT;
-- a page of jobs of all states is newest first
CREATE INDEX jobs_newest ON jobs (submitted_at, id);
