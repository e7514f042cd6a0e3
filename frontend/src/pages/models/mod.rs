//! Registered models: the list; one with its versions, its aliases and their history, its cards and its lineage.

mod aliases;
mod card;
mod compare;
mod delete;
mod describe;
mod detail;
mod history;
mod list;
mod rename;
mod versions;

pub use detail::ModelPage;
pub use list::ModelsPage;
