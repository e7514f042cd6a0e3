//! Jobs: the list, the form that submits one, one with its log.

mod code;
mod detail;
mod list;
mod submit;

pub use code::{join_words, split_words};
pub use detail::JobPage;
pub use list::JobsPage;
pub use submit::NewJobPage;
