//! Jobs: the list, the form that submits one or a sweep, one with its log, charts and outputs.

mod detail;
mod form;
mod list;

pub use code::{join_words, split_words};
pub use detail::JobPage;
pub use form::NewJobPage;
pub use list::JobsPage;
