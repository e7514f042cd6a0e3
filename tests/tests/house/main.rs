//! The house's own rules, checked on its source: which floor may see which, what may enter a crate, which licences.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod dependencies;
mod floors;
mod licences;
mod source;
mod styles;
