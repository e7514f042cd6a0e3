//! The bucket browser in a real Chromium.
