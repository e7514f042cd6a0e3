//! The box that Drydock runs on: containers, devices and blobs on disk.
//!
//! This crate knows no HTTP server and no database. Everything that touches Docker, NVML or the bytes on disk is here,
//! so that the control plane above it decides and this floor executes.

pub mod blobs;
pub mod containers;
pub mod devices;

/// The image that jobs and deployments use unless they name another: built by `appliance/images`.
pub const RUNTIME_IMAGE: &str = "drydock/runtime:1";
