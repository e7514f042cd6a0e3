//! What the box, its GPUs, the store, the queue and deployments did over time: ready-made panels, and panels of one's own.
//!
//! All charts of a tab share the time that is shown, the place that is pointed at and the part that is zoomed to; zooming asks for that
//! part anew, more finely.

mod chart;
mod own;
mod panels;

use crate::{
    chart::{Mark, Settings},
    live::remote,
    reactive::memo,
    ui::{
        Button, Card, Each, PageHead, Show, Tabs,
        url::{Param, param},
    },
};
use chart::PanelChart;
use drydock_wire::metrics::MetricMarks;
use leptos::prelude::*;
use panels::{GROUPS, Panel, RANGES, group};
use std::{sync::Arc, time::Duration};

/// Deploys are rare.
const MARKS: Duration = Duration::from_secs(30);

/// The time that is shown: the last so many seconds, or the part that is zoomed to (in seconds since 1970).
#[derive(Clone, Copy, PartialEq)]
pub struct Span {
    pub last_s: u64,
    pub zoom: Option<(f64, f64)>,
}

impl Span {
    /// As parameters of a request.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        match self.zoom {
            Some((from, until)) => {
                vec![("from", format!("{:.0}", from * 1000.0)), ("until", format!("{:.0}", until * 1000.0))]
            }
            None => vec![("last_s", self.last_s.to_string())],
        }
    }
}

/// What the charts of the page share.
#[derive(Clone, Copy)]
pub struct Shared {
    pub span: Memo<Span>,
    pub settings: Settings,
    pub marks: Signal<Arc<Vec<Mark>>>,
}

#[component]
pub fn MonitoringPage() -> impl IntoView {
    let (tab, last, settings) = (param("tab", "box"), param("last", "3600"), Settings::new("clock"));
    let span = memo(move || Span { last_s: last.get().parse().unwrap_or(3_600), zoom: settings.zoom.get() });
    let found =
        remote::<MetricMarks>(move || Some(crate::pages::parts::query("/metrics/marks", &span.get().pairs())), &[]);
    let found = found.every(MARKS);
    let marks = Signal::derive(move || Arc::new(found.data.with(|m| m.as_ref().map(chart::marks).unwrap_or_default())));
    let shared = Shared { span, settings, marks };
    let mut tabs: Vec<(&'static str, String)> =
        GROUPS.iter().map(|(key, text, _)| (*key, (*text).to_owned())).collect();
    tabs.push(("own", "Own panels".to_owned()));
    view! {
        <section class="page">
            <PageHead title="Monitoring"/>
            <Ranges last settings/>
            <Tabs param=tab label="Panels" tabs/>
            <div role="tabpanel" class="monitoring">
                {move || {
                    let key = tab.get();
                    settings.hover.set(None);
                    match key.as_str() {
                        "own" => own::OwnPanels(own::OwnPanelsProps { shared }).into_any(),
                        key => ready(group(key), shared),
                    }
                }}
            </div>
        </section>
    }
}

fn ready(panels: &'static [Panel], shared: Shared) -> AnyView {
    let keys = Signal::stored((0..panels.len()).map(|place| place.to_string()).collect::<Vec<_>>());
    view! {
        <div class="charts">
            <Each keys let:place>
                {
                    let panel = &panels[place.parse::<usize>().unwrap_or(0).min(panels.len() - 1)];
                    view! { <Card title=panel.title><PanelChart panel=chart::Wish::of(panel) shared/></Card> }
                }
            </Each>
        </div>
    }
    .into_any()
}

/// How far back the charts go.
#[component]
fn Ranges(last: Param, settings: Settings) -> impl IntoView {
    let range = move |(seconds, text): (&'static str, &'static str)| {
        view! {
            <button type="button" aria-pressed=move || (last.is(seconds) && settings.zoom.with(Option::is_none)).to_string()
                on:click=move |_| { settings.zoom.set(None); last.set(seconds) }>{text}</button>
        }
    };
    view! {
        <div class="chart-tools">
            <div class="segments wraps" role="group" aria-label="Time shown">{RANGES.map(range).collect_view()}</div>
            <Show when=move || settings.zoom.with(Option::is_some)>
                <Button small=true icon="rotate-ccw" on_press=move |_| settings.zoom.set(None)>"Reset zoom"</Button>
            </Show>
        </div>
    }
}
