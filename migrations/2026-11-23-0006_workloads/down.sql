DROP TABLE workload_observations;
DROP TABLE workloads;
