//! Versioned graphs of tasks, their runs, schedules and triggers.
