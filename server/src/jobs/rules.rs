//! Pure decisions about jobs: what may be asked for, what a container's state means for its job, what follows an attempt.

mod admission;
mod causes;
mod parts;
mod progress;
mod retry;
mod wishes;

pub use admission::Capacity;
pub use causes::Cause;
pub use parts::{check_param_name, check_params, filled, param_variable};
pub use progress::{End, Facts, Step, step};
pub use retry::{Next, Policy, after};
pub use wishes::check;
