//! Pure decisions about jobs: what may be asked for, who is next, what a container's state means for its job.

mod admission;
mod parts;
mod progress;
mod wishes;

pub use admission::{Capacity, Need, Turn, admit};
pub use parts::{check_param_name, check_params, filled, param_variable};
pub use progress::{End, Facts, Step, step};
pub use wishes::check;
