//! Tables of `objects`.
