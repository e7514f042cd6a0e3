//! Which revision gets how much of the requests: as planned, and as it happens while the page is looked at.

use super::traffic::{brief, milliseconds};
use crate::{
    chart::{Axis, COLOURS, LineChart, Series, Settings},
    format,
    live::Remote,
    reactive::memo,
    ui::{Card, Pill, Show, Status},
};
use drydock_wire::serving::{ReleasePage, ReleaseShare};
use leptos::prelude::*;
use std::{collections::VecDeque, sync::Arc, time::Duration};

const PERIOD: Duration = Duration::from_secs(2);
/// Three minutes.
const KEPT: usize = 90;
/// So many looks are averaged over.
const LOOKS: usize = 4;

/// What each revision had answered at a time.
struct Look {
    at: f64,
    requests: Vec<(i64, u64)>,
}

/// Requests a second of each revision at a time.
#[derive(Clone, PartialEq)]
struct Moment {
    at: f64,
    rates: Vec<(i64, f64)>,
}

/// Revisions that follow each other never have the same.
fn colour(revision: i64) -> usize {
    usize::try_from(revision).unwrap_or_default() % COLOURS
}

#[component]
pub fn Flow(page: Remote<ReleasePage>) -> impl IntoView {
    let shares = memo(move || page.data.with(|p| p.as_ref().map(|p| p.shares.clone()).unwrap_or_default()));
    let moments = watch(shares);
    // silence is no picture
    let flows = memo(move || {
        let any = |m: &Moment| m.rates.iter().any(|r| r.1 > 0.0);
        moments.with(|all| all.len() > 2 && all.iter().any(any))
    });
    let rows = move || {
        let now = moments.with(|all| all.back().cloned());
        shares.get().into_iter().map(move |share| row(share, now.as_ref())).collect_view()
    };
    view! {
        <Show when=move || shares.with(|s| !s.is_empty())>
            <Card title="Requests go to" class="flush">
                <div class="flow">
                    <Bar shares/>
                    <Show when=move || flows.get()><Curve moments/></Show>
                </div>
                <div class="scroll-x" role="region" aria-label="Requests of each revision" tabindex="0">
                    <table class="grid" aria-label="Requests of each revision">
                        <thead><tr><th scope="col">"Revision"</th><th scope="col">"State"</th><th scope="col" class="num">"Share"</th><th scope="col" class="num">"Now"</th>
                            <th scope="col" class="num">"Requests"</th><th scope="col" class="num">"Failed"</th><th scope="col" class="num">"p95"</th></tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </Card>
        </Show>
    }
}

/// Looks at the counts again and again.
fn watch(shares: Memo<Vec<ReleaseShare>>) -> RwSignal<VecDeque<Moment>> {
    let moments = RwSignal::new(VecDeque::new());
    let looks = StoredValue::new(VecDeque::<Look>::new());
    let look = move || {
        let requests = shares.get_untracked().iter().map(|s| (s.revision, s.requests)).collect();
        let moment = looks.try_update_value(|looks| {
            looks.push_back(Look { at: js_sys::Date::now(), requests });
            let moment = moment(looks);
            if looks.len() > LOOKS {
                looks.pop_front();
            }
            moment
        });
        let Some(Some(moment)) = moment else { return };
        let _ = moments.try_update(|all: &mut VecDeque<Moment>| {
            all.push_back(moment);
            if all.len() > KEPT {
                all.pop_front();
            }
        });
    };
    if let Ok(handle) = set_interval_with_handle(look, PERIOD) {
        on_cleanup(move || handle.clear());
    }
    moments
}

/// What was answered since the first look. Counts begin anew with each step.
fn moment(looks: &VecDeque<Look>) -> Option<Moment> {
    let (first, last) = (looks.front()?, looks.back()?);
    let seconds = (last.at - first.at) / 1000.0;
    let rate = |&(revision, count): &(i64, u64)| {
        let before = first.requests.iter().find(|(other, _)| *other == revision).map_or(count, |(_, n)| *n);
        (revision, count.checked_sub(before).unwrap_or(count) as f64 / seconds)
    };
    (seconds > 1.0).then(|| Moment { at: last.at, rates: last.requests.iter().map(rate).collect() })
}

/// The planned shares beside each other.
#[component]
fn Bar(shares: Memo<Vec<ReleaseShare>>) -> impl IntoView {
    let parts = move || {
        let mut all: Vec<_> = shares.get().into_iter().filter(|s| s.weight > 0).collect();
        all.sort_by_key(|s| s.revision);
        all
    };
    let part = |share: ReleaseShare| {
        let words = format!("Revision {}: {} %", share.revision, share.weight);
        view! {
            <i class=format!("s{}", colour(share.revision)) style:flex-grow=share.weight.to_string() title=words></i>
        }
    };
    let label = move || {
        let words = |s: &ReleaseShare| format!("{} % to revision {}", s.weight, s.revision);
        parts().iter().map(words).collect::<Vec<_>>().join(", ")
    };
    view! { <div class="split-bar" role="img" aria-label=label>{move || parts().into_iter().map(part).collect_view()}</div> }
}

#[component]
fn Curve(moments: RwSignal<VecDeque<Moment>>) -> impl IntoView {
    let settings = Settings::new("clock");
    let series = Signal::derive(move || {
        moments.with(|all| {
            let mut revisions: Vec<i64> = all.iter().flat_map(|m| m.rates.iter().map(|r| r.0)).collect();
            revisions.sort_unstable();
            revisions.dedup();
            let at: Vec<f64> = all.iter().map(|m| m.at).collect();
            let value = |m: &Moment, revision| m.rates.iter().find(|r| r.0 == revision).map_or(f64::NAN, |r| r.1);
            let line = |revision: i64| Series {
                label: format!("revision {revision}"),
                steps: (0..all.len()).map(|i| i as f64).collect(),
                at: at.clone(),
                values: all.iter().map(|m| value(m, revision)).collect(),
                colour: colour(revision),
            };
            Arc::new(revisions.into_iter().map(line).collect::<Vec<_>>())
        })
    });
    view! { <h3 class="label">"Requests per second, while you look"</h3><LineChart title="Requests per second of each revision" series settings axis=Axis::Clock/> }
}

fn row(share: ReleaseShare, now: Option<&Moment>) -> impl IntoView + use<> {
    let rate = now.and_then(|m| m.rates.iter().find(|r| r.0 == share.revision)).map(|r| format!("{}/s", brief(r.1)));
    view! {
        <tr>
            <td><span class="with-dot"><i class=format!("dot s{}", colour(share.revision)) aria-hidden="true"></i>{format!("Revision {}", share.revision)}</span></td>
            <td><Pill status=Status::revision(&share.state)/></td>
            <td class="num">{format!("{} %", share.weight)}</td>
            <td class="num">{rate.unwrap_or_else(|| "–".to_owned())}</td>
            <td class="num">{format::number(share.requests)}</td>
            <td class="num" class:missing={share.failed > 0}>{format::number(share.failed)}</td>
            <td class="num">{share.p95_ms.map_or("–".to_owned(), milliseconds)}</td>
        </tr>
    }
}
