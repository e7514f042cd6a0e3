//! What a box has, as far as a wish for a job can be granted at all.

/// What the box has.
#[derive(Debug, Clone, PartialEq)]
pub struct Capacity {
    pub cpus: f64,
    pub memory_bytes: u64,
    pub gpu_uuids: Vec<String>,
}
