-- Marks of the tags that came last, by key, as JSON: a tag whose value here has another mark was edited here, and stays.
ALTER TABLE imported ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
