//! Images built on the box.
