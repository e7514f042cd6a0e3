DROP TABLE gateway_minutes;
DROP TABLE revisions;
DROP TABLE deployments;
