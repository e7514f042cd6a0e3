//! To come with this feature's branch.
