//! Counts as small bars.

use crate::format::number;
use leptos::prelude::*;

/// A bar per count, as high as its share of the whole. Each bar's words say what it counts.
#[component]
pub fn Bars(
    #[prop(into)] label: String,
    /// Words and count of each bar.
    #[prop(into)]
    bars: Vec<(String, u64)>,
    /// What a full bar is; absent: the greatest of them.
    #[prop(optional)]
    of: Option<u64>,
) -> impl IntoView {
    let most = of.unwrap_or_else(|| bars.iter().map(|b| b.1).max().unwrap_or(0)).max(1) as f64;
    view! {
        <div class="bars" role="img" aria-label=label>
            {bars.into_iter().map(|(words, count)| {
                // a count that is not zero stays visible
                let share = if count == 0 { 0.0 } else { (count as f64 / most * 100.0).max(4.0) };
                view! { <span title=format!("{words}: {}", number(count))><i style:height=format!("{share:.1}%")></i></span> }
            }).collect_view()}
        </div>
    }
}
