//! Charts (lines, points, parallel axes) on a canvas of our own: many points, live data, drag to zoom, hover, keyboard, both themes.
//!
//! Drawing happens at most once per frame and puts at most four points into a pixel column, however long the series is.
//! What the picture shows is also there as a table, for those who do not see it.

#[cfg(target_arch = "wasm32")]
mod frame;
#[cfg(target_arch = "wasm32")]
mod line;
#[cfg(target_arch = "wasm32")]
mod overlay;
#[cfg(target_arch = "wasm32")]
mod paint;
#[cfg(target_arch = "wasm32")]
mod parallel;
#[cfg(target_arch = "wasm32")]
mod points;
pub mod scale;
#[cfg(target_arch = "wasm32")]
mod tools;

#[cfg(target_arch = "wasm32")]
pub use line::LineChart;
#[cfg(target_arch = "wasm32")]
pub use parallel::{Brush, ParallelAxis, ParallelChart};
#[cfg(target_arch = "wasm32")]
pub use points::{PointChart, Points};
#[cfg(target_arch = "wasm32")]
pub use tools::{ChartTools, Settings};

/// Colours there are for series; `Series::colour` counts modulo this.
pub const COLOURS: usize = 8;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub label: String,
    pub steps: Vec<f64>,
    /// Milliseconds since the epoch.
    pub at: Vec<f64>,
    /// Not finite: the line has a gap there.
    pub values: Vec<f64>,
    pub colour: usize,
}

/// Something that happened, shown as an upright line.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// In the units of the axis; of a clock seconds since 1970.
    pub x: f64,
    pub text: String,
}

/// What the horizontal axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    Step,
    /// Time since the series' first point.
    Elapsed,
    /// Time of day.
    Clock,
}

impl Axis {
    /// The axis of that word in the address.
    pub fn parse(text: &str) -> Self {
        match text {
            "elapsed" => Self::Elapsed,
            "clock" => Self::Clock,
            _ => Self::Step,
        }
    }
}
