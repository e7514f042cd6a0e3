//! Wheels of the Python package index.
