//! The engine against the real Docker of this machine.
//!
//! Each test makes an instance of its own (network, image, containers) and removes it, so that tests run side by side and next to a
//! running Drydock. What is needed and missing fails with a sentence that says what to install.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod archive;
mod away;
mod life;
mod logs;
mod sandbox;
mod world;
