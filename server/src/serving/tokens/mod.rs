//! Tokens of deployments that speak OpenAI's protocol: read out of the answers that pass, counted by minute and by caller.
//!
//! Always holds: an answer passes as it is, whether it is understood or not; what the server counted is kept apart from what is only
//! estimated. Never here: holding an answer back, or asking the server for what the caller did not ask for.

mod json;
mod meter;
mod reader;
mod store;

pub use meter::{Kept, Minute, TokenMeter};
pub use reader::Reader;
pub use store::{keep, kept, prune};
