//! Decisions on texts: what a Dockerfile asks for, what `.dockerignore` leaves out, the Dockerfile of a form, what pip was asked to install, what the log says.

pub mod dockerfile;
pub mod dockerignore;
pub mod form;
pub mod progress;
pub mod requirements;
pub mod wishes;
