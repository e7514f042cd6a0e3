-- Lineage asks which versions a job's output became: without this it would read the profiles of all versions on its way.
CREATE INDEX dataset_versions_job ON dataset_versions (json_extract(source, '$.job_id'))
    WHERE json_extract(source, '$.job_id') IS NOT NULL;
