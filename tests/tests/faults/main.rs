//! Faults on purpose, against the real program: what was acknowledged is kept, what is damaged is never served, and whoever holds a
//! door open keeps nobody else out. Each test is one row of the table that `make faults` prints; `make test` makes a few of each.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_jobs;
mod bombs;
mod bombs_ports;
mod cut;
mod docker_away;
mod docker_away_logs;
mod docker_away_releases;
mod full_disk;
mod full_disk_jobs;
mod full_disk_releases;
mod gpu_faults;
mod image_tricks;
mod injected;
mod job_kills;
mod kills;
mod paths;
mod paths_ports;
mod rot;
mod signatures;
mod slow;
mod torn;
