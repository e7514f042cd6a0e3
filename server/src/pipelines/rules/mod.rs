//! Decisions over rows, without a database, a clock or Docker: what a run's next steps are, which runs may start, what a
//! reference means, whether a condition holds, when a schedule is due, what a cached result is the result of.

pub mod admit;
pub mod cache;
pub mod clock;
pub mod condition;
pub mod gate;
pub mod needs;
pub mod plan;
pub mod preview;
pub mod references;
pub mod units;

#[cfg(test)]
mod plan_tests;
