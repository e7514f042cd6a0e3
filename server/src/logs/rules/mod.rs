//! Pure decisions: what a line says (`parse`, `level`) and what a person asks for (`query`). No IO.

pub mod level;
pub mod parse;
pub mod query;
pub mod words;
