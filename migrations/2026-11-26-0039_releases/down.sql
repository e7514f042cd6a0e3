DROP TABLE release_events;
DROP TABLE releases;
UPDATE revisions SET state = 'starting' WHERE state = 'candidate';
UPDATE revisions SET state = 'draining' WHERE state IN ('warm', 'withdrawing');
ALTER TABLE revisions DROP COLUMN warm_until;
ALTER TABLE revisions DROP COLUMN release;
