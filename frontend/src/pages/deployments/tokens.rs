//! Tokens of a deployment that speaks OpenAI's protocol: how many, how fast, for whom.

use super::traffic::{brief, milliseconds, per_second, series};
use crate::{
    app::app,
    chart::{Axis, LineChart, Settings},
    format,
    reactive::memo,
    ui::{Button, Card, EmptyState, LinkButton, Show},
};
use drydock_wire::serving::{CallerTokens, DeploymentDetail, TokenCounts, TokenMinute, TokenTraffic};
use leptos::prelude::*;

const HOUR_MS: i64 = 3_600_000;

#[component]
pub fn TokensPanel(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let tokens = memo(move || deployment.with(|d| d.tokens.clone().unwrap_or_default()));
    view! {
        <Show when=move || tokens.with(|t| t.total.answers > 0) fallback=|| view! {
            <Card title="Tokens"><EmptyState icon="bot" title="No tokens were counted yet"
                text="Each answer of /v1 that tells its `usage` is counted here by minute and by caller; of streams without it, the parts are.">
                <LinkButton href="?tab=predict" icon="send">"Try it"</LinkButton>
            </EmptyState></Card>
        }>
            <Figures tokens/>
            <Charts tokens/>
            <Callers tokens/>
        </Show>
    }
}

/// Completions, with what was estimated.
fn written(counts: &TokenCounts) -> u64 {
    counts.completion + counts.estimated
}

#[component]
fn Figures(tokens: Memo<TokenTraffic>) -> impl IntoView {
    let figure = |label: &'static str, value: Signal<String>, note: Signal<String>| {
        view! { <div class="card stat"><span>{label}</span><b>{move || value.get()}</b><small class="dim">{move || note.get()}</small></div> }
    };
    let total = move || tokens.with(|t| t.total);
    let hour = move || {
        let since = app().now.get() - HOUR_MS;
        let mut all = TokenCounts::default();
        tokens.with(|t| t.minutes.iter().filter(|m| m.at >= since).for_each(|m| all.add(&m.tokens)));
        all
    };
    let rates = per_second(move || [total().all()]);
    let now = Signal::derive(move || rates.get().map_or("–".to_owned(), |r| format!("{}/s", brief(r[0]))));
    let all = Signal::derive(move || format!("{} in all", format::number(total().all())));
    let count = move |of: fn(&TokenCounts) -> u64| Signal::derive(move || format::number(of(&total())));
    let lately = move |of: fn(&TokenCounts) -> u64| {
        Signal::derive(move || format!("{} in the last hour", format::number(of(&hour()))))
    };
    let each = Signal::derive(move || {
        let total = total();
        format!("{} tokens written each", format::number(written(&total) / total.answers.max(1)))
    });
    let estimated = Signal::derive(move || match total().estimated {
        0 => format!("{} in the last hour", format::number(written(&hour()))),
        n => format!("about {} of them, as the stream told none", format::number(n)),
    });
    let first = move |of: fn(&TokenTraffic) -> Option<f64>| {
        Signal::derive(move || tokens.with(of).map_or("–".to_owned(), milliseconds))
    };
    let streams = Signal::stored("of streams, last hour".to_owned());
    view! {
        <div class="stats">
            {figure("Tokens now", now, all)}
            {figure("Prompt tokens", count(|t| t.prompt), lately(|t| t.prompt))}
            {figure("Completion tokens", count(written), estimated)}
            {figure("Answers", count(|t| t.answers), each)}
            {figure("First token (p50)", first(|t| t.first_token_p50_ms), streams)}
            {figure("First token (p95)", first(|t| t.first_token_p95_ms), streams)}
        </div>
    }
}

#[component]
fn Charts(tokens: Memo<TokenTraffic>) -> impl IntoView {
    let settings = Settings::new("clock");
    let minutes = memo(move || tokens.with(|t| t.minutes.clone()));
    let counts = Signal::derive(move || {
        let lines: [super::traffic::Line<TokenMinute>; 2] = [
            ("prompt", 0, |m| m.map_or(0.0, |m| m.tokens.prompt as f64)),
            ("completion", 1, |m| m.map_or(0.0, |m| written(&m.tokens) as f64)),
        ];
        minutes.with(|m| series(m, &lines))
    });
    let first = Signal::derive(move || {
        let lines: [super::traffic::Line<TokenMinute>; 2] = [
            ("p50 (ms)", 4, |m| m.and_then(|m| m.first_token_p50_ms).unwrap_or(f64::NAN)),
            ("p95 (ms)", 2, |m| m.and_then(|m| m.first_token_p95_ms).unwrap_or(f64::NAN)),
        ];
        minutes.with(|m| series(m, &lines))
    });
    view! {
        <Show when=move || minutes.with(|m| !m.is_empty()) fallback=|| view! {
            <p class="dim">"No tokens in the last hour."</p>
        }>
            <Show when=move || settings.zoom.with(Option::is_some)>
                <div><Button small=true icon="rotate-ccw" on_press=move |_| settings.zoom.set(None)>"Reset zoom"</Button></div>
            </Show>
            <div class="charts">
                <Card title="Tokens per minute"><LineChart title="Tokens per minute" series=counts settings axis=Axis::Clock/></Card>
                <Card title="Time to the first token"><LineChart title="Time to the first token of a stream, in milliseconds" series=first settings axis=Axis::Clock/></Card>
            </div>
        </Show>
    }
}

#[component]
fn Callers(tokens: Memo<TokenTraffic>) -> impl IntoView {
    let rows = move || {
        let (callers, all) = tokens.with(|t| (t.callers.clone(), t.total.all()));
        callers.into_iter().map(|caller| row(caller, all)).collect_view()
    };
    view! {
        <Card title="By caller" class="flush" aside=move || view! { <span class="dim">"since it was deployed first"</span> }>
            <div class="scroll-x" role="region" aria-label="Tokens by caller" tabindex="0">
                <table class="grid" aria-label="Tokens by caller">
                    <thead><tr><th scope="col">"Caller"</th><th scope="col" class="num">"Answers"</th><th scope="col" class="num">"Prompt"</th>
                        <th scope="col" class="num">"Completion"</th><th scope="col" class="num">"Of all tokens"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </Card>
    }
}

fn row(CallerTokens { caller, tokens }: CallerTokens, all: u64) -> impl IntoView {
    let share = tokens.all() as f64 / all.max(1) as f64;
    let about = if tokens.estimated > 0 { "about " } else { "" };
    view! {
        <tr>
            <td>{caller}</td>
            <td class="num">{format::number(tokens.answers)}</td>
            <td class="num">{format::number(tokens.prompt)}</td>
            <td class="num">{about}{format::number(written(&tokens))}</td>
            <td class="num">{format::percent(share)}<span class="bar quota" aria-hidden="true"><i style:width=format!("{:.1}%", share * 100.0)></i></span></td>
        </tr>
    }
}
