//! Tables of `registry`.
