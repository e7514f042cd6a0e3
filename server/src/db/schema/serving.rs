//! Tables of `serving`.
