//! Drydock's control plane: one program that keeps data, runs training, tracks it, registers models and serves them.
//!
//! Floors, lowest first; imports point down, never up, and never into another feature's `store`:
//! `error clock config download events percent remembered` · `db` · `objects` · `background` · `accounts` · `app` · `workloads` ·
//! `storage images tracking registry webhooks datasets traces scheduling devices packages` · `jobs serving builds` · `pipelines monitoring logs overview lineage demo transfers trash` · `web` · `router` ·
//! `boot` · `main`.

pub mod error;

pub mod client;
pub mod clock;
pub mod config;
pub mod download;
pub mod events;
pub mod percent;
pub mod remembered;

pub mod db;

pub mod objects;

pub mod background;
pub mod spool;

pub mod accounts;
pub mod app;

pub mod workloads;

pub mod datasets;
pub mod devices;
pub mod packages;
pub mod registry;
pub mod scheduling;
pub mod traces;
pub mod tracking;
pub mod webhooks;

pub mod builds;
pub mod images;
pub mod jobs;
pub mod serving;
pub mod storage;

pub mod demo;
pub mod lineage;
pub mod logs;
pub mod monitoring;
pub mod overview;
pub mod pipelines;
pub mod transfers;
pub mod trash;
pub mod upkeep;

pub mod web;

pub mod boot;
pub mod console;
pub mod router;
