//! To come with the datasets branch.
