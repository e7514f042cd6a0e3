//! What every HTTP face shares: the guard before each request, the dashboard's files, the box's authority, server-sent events, and how
//! malformed bodies, queries and paths are answered. No feature's knowledge lives here.

pub mod assets;
pub mod ca;
pub mod door;
pub mod extract;
pub mod guard;
pub mod live;
pub mod patience;
pub mod room;
