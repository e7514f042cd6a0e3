-- Added beside the YAML: no apply removes it, unless it has a schedule of the same name.
ALTER TABLE pipeline_schedules ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0;
