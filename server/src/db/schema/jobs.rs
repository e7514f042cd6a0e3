//! Tables of `jobs`.
