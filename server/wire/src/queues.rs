//! Queues that jobs wait in, and the order in which they start.
