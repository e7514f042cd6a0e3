//! Rows of the registry. Each function composes in the caller's transaction; none decides anything.

pub mod cards;
pub mod holders;
pub mod models;
pub mod moves;
pub mod search;
pub mod versions;
