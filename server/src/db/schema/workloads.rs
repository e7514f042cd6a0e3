//! Tables of `workloads`.
