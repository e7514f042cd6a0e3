ALTER TABLE pipeline_schedules DROP COLUMN by_hand;
