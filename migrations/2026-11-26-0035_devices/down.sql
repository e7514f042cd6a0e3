DROP TABLE gpu_events;
DROP TABLE gpu_leases;
DROP TABLE gpus;
