//! Registered models: the list, one with its versions and aliases.

mod aliases;
mod detail;
mod list;

pub use detail::ModelPage;
pub use list::ModelsPage;
