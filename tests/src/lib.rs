//! What the end-to-end tests share: a real server per test, people who talk to it, a browser, Docker's own view.
//!
//! Always holds: nothing here stands in for a part of Drydock. The server is the release binary, Docker is the machine's,
//! clients come from PyPI. Whatever a test starts ends with the value that started it.

pub mod api;
pub mod bridge;
pub mod browser;
pub mod browser_net;
pub mod ceph;
pub mod clients;
pub mod dice;
pub mod disk;
pub mod docker;
pub mod dockerd;
pub mod echo;
pub mod fault;
pub mod fuzz;
pub mod gpu_box;
pub mod images;
pub mod ledger;
pub mod load;
pub mod netns;
pub mod nvml;
pub mod pipelines;
pub mod prometheus;
pub mod proxy;
pub mod raw;
pub mod receiver;
pub mod relay;
pub mod s3;
pub mod server;
pub mod sse;
pub mod wait;
pub mod wheels;

pub use api::Api;
pub use browser::Browser;
pub use ceph::Ceph;
pub use dice::Dice;
pub use dockerd::Dockerd;
pub use fault::Fault;
pub use gpu_box::GpuBox;
pub use load::Load;
pub use nvml::Nvml;
pub use prometheus::Prometheus;
pub use receiver::Receiver;
pub use relay::Relay;
pub use server::{PASSWORD, Server, Setup};
pub use sse::LogStream;
pub use wait::until;
