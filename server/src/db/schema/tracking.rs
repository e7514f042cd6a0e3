//! Tables of `tracking`.
