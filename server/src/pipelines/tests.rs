//! Store and runner on a real database.
