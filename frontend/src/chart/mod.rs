//! Line charts on a canvas.
