//! Tables of `datasets`.
