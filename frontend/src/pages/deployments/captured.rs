//! What was asked and answered: a table of the captured requests, and the files that they are in.

use crate::{
    api::seg,
    format,
    live::{Remote, remote},
    pages::{
        deployments::traffic::milliseconds,
        parts::{Listing, query},
    },
    reactive::memo,
    ui::{
        Button, Card, Chips, Dialog, EmptyState, Icon, LinkButton, Loaded, Look, Pill, Show, Status, TimeAgo, Tone,
        list::Chip, opened_by, url::param,
    },
};
use drydock_wire::{
    events::Topic,
    serving::{CaptureState, CapturedFile, CapturedPage, CapturedRow, DeploymentDetail},
};
use leptos::prelude::*;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// Rows come without a hint.
const PERIOD: Duration = Duration::from_secs(10);

#[component]
pub fn CapturedPanel(deployment: Signal<DeploymentDetail>) -> impl IntoView {
    let name = memo(move || deployment.with(|d| d.summary.name.clone()));
    let (status, revision, before) = (param("status", ""), param("revision", ""), param("before", ""));
    let path = move || {
        let base = format!("/deployments/{}/captured", seg(&name.get()));
        let asked = [
            ("status", status.get()),
            ("revision", revision.get()),
            ("before", before.get()),
            ("limit", "50".to_owned()),
        ];
        Some(query(&base, &asked))
    };
    let page = remote::<CapturedPage>(path, &[]).every(PERIOD);
    let shown = RwSignal::new(None::<CapturedRow>);
    let chips = Signal::stored(vec![
        chip("", "All", None),
        chip("2xx", "Answered", Some(Tone::Good)),
        chip("error", "Errors", Some(Tone::Bad)),
    ]);
    let numbers = move || deployment.with(|d| d.revisions.iter().map(|r| r.number).collect::<Vec<_>>());
    let none = move || page.data.with(|p| p.as_ref().is_some_and(|p| p.rows.is_empty() && p.next.is_none()));
    let untouched = move || status.is("") && revision.is("") && before.is("");
    view! {
        <Loaded remote=page lines=8 let:captured>
            <State state=memo(move || captured.with(|c| c.state.clone())).into()/>
            <div class="toolbar">
                <Chips param=status label="Status" chips/>
                <label class="pick"><span>"Revision "</span>
                    <select prop:value=move || revision.get() on:change:target=move |e| { before.clear(); revision.set(&e.target().value()) }>
                        <option value="">"all"</option>
                        {move || numbers().into_iter().map(|n| view! { <option value=n.to_string() selected=revision.is(&n.to_string())>{n}</option> }).collect_view()}
                    </select>
                </label>
            </div>
            <Show when=move || !none() fallback=move || view! {
                <EmptyState icon="table" title=if untouched() { "Nothing captured yet" } else { "No captured request matches" }
                    text="With capture on under Settings, requests and answers are kept here and as Parquet files in the store.">
                    <LinkButton href="?tab=settings" icon="settings">"Go to the settings"</LinkButton>
                </EmptyState>
            }>
                <Rows captured shown/>
            </Show>
            <Pages page before/>
        </Loaded>
        <Files name/>
        <RowDialog shown/>
    }
}

fn chip(value: &'static str, label: &'static str, tone: Option<Tone>) -> Chip {
    Chip { value, label, tone, count: None }
}

#[component]
fn Pages(page: Remote<CapturedPage>, before: crate::ui::url::Param) -> impl IntoView {
    let next = move || page.data.with(|p| p.as_ref().and_then(|p| p.next.clone()));
    view! {
        <Show when=move || next().is_some() || !before.is("")>
            <div class="pager">
                <span class="dim">"Newest first"</span>
                <Show when=move || !before.is("")><Button small=true on_press=move |_| before.clear()>"To the newest"</Button></Show>
                <Show when=move || next().is_some()>
                    <Button small=true icon="chevron-right" on_press=move |_| if let Some(next) = untrack(next) { before.push(&next) }>"Older"</Button>
                </Show>
            </div>
        </Show>
    }
}

/// Whether requests are captured, and how much there is.
#[component]
fn State(state: Signal<CaptureState>) -> impl IntoView {
    move || {
        let s = state.get();
        let pill =
            if s.on { Status::live(Tone::Good, "Capturing") } else { Status::new(Tone::Neutral, "Capture is off") };
        let amount = match s.files {
            0 => "No file yet".to_owned(),
            files => {
                let (rows, files) = (format::plural(s.rows, "row"), format::plural(files, "file"));
                format!("{rows} in {files} ({})", format::bytes(s.bytes))
            }
        };
        let waiting = (s.waiting_rows > 0)
            .then(|| format!(" · {} on the way into a file", format::plural(s.waiting_rows, "row")));
        let href = format!("/buckets/{}", seg(&s.bucket));
        view! {
            <div class="row wraps"><Pill status=pill/><span class="dim tabular">{amount}{waiting}</span>
                {(s.files > 0).then(|| view! { <a href=href>"Bucket "{s.bucket}</a> })}</div>
            {(s.dropped > 0).then(|| view! { <p class="callout warn"><Icon name="triangle-alert"/>
                <span>{format!("{} were not captured, since too many came at once. Capture a smaller share.", format::plural(s.dropped, "request"))}</span></p> })}
            {s.problem.map(|p| view! { <p class="callout bad" role="alert"><Icon name="triangle-alert"/><span>{p}</span></p> })}
        }
    }
}

/// The most columns of inputs that stand in the table; all of them are in the dialog.
const COLUMNS: usize = 5;

#[component]
fn Rows(captured: Signal<CapturedPage>, shown: RwSignal<Option<CapturedRow>>) -> impl IntoView {
    let columns = memo(move || {
        let names = |p: &CapturedPage| {
            let first = |r: &CapturedRow| r.inputs.keys().cloned().collect::<Vec<_>>();
            p.rows.iter().map(first).max_by_key(Vec::len).unwrap_or_default()
        };
        captured.with(|p| names(p).into_iter().take(COLUMNS).collect::<Vec<_>>())
    });
    let head =
        move || columns.get().into_iter().map(|c| view! { <th scope="col" class="mono">{c}</th> }).collect_view();
    let body = move || {
        let columns = columns.get();
        captured.with(|p| p.rows.iter().map(|r| row(r.clone(), &columns, shown)).collect_view())
    };
    view! {
        <div class="pane" role="region" aria-label="Captured requests" tabindex="0">
            <table class="grid" aria-label="Captured requests">
                <thead><tr><th scope="col">"When"</th><th scope="col">"Status"</th><th scope="col">"Prediction"</th><th scope="col" class="num">"Took"</th>
                    <th scope="col">"Caller"</th><th scope="col">"Revision"</th>{head}<th scope="col"><span class="sr">"Actions"</span></th></tr></thead>
                <tbody>{body}</tbody>
            </table>
        </div>
    }
}

fn row(r: CapturedRow, columns: &[String], shown: RwSignal<Option<CapturedRow>>) -> impl IntoView + use<> {
    let cells: Vec<_> = columns.iter().map(|c| view! { <td class="mono">{r.inputs.get(c).map(brief)}</td> }).collect();
    let predicted = r.predictions.values().map(brief).collect::<Vec<_>>().join(", ");
    let all = r.clone();
    view! {
        <tr>
            <td class="dim"><TimeAgo at=r.at/></td>
            <td><Pill status=status_of(r.status)/></td>
            <td class="mono"><b>{predicted}</b></td>
            <td class="num">{milliseconds(r.latency_ms)}</td>
            <td>{r.caller.unwrap_or_else(|| "–".to_owned())}</td>
            <td>{r.revision}</td>
            {cells}
            <td class="row-actions"><button type="button" class="icon-btn" aria-label="Show the whole request"
                on:click=move |_| shown.set(Some(all.clone()))><Icon name="eye"/></button></td>
        </tr>
    }
}

fn status_of(status: Option<u16>) -> Status {
    match status {
        None => Status::new(Tone::Bad, "No answer"),
        Some(n @ 200..=299) => Status::new(Tone::Good, &n.to_string()),
        Some(n @ 400..=499) => Status::new(Tone::Warn, &n.to_string()),
        Some(n) => Status::new(Tone::Bad, &n.to_string()),
    }
}

/// Enough of a value to tell it by.
fn brief(value: &Value) -> String {
    if let Some(number) = value.as_f64().filter(|n| n.fract() != 0.0) {
        return format::value(number);
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() <= 40 { text } else { format!("{}…", text.chars().take(39).collect::<String>()) }
}

#[component]
fn RowDialog(shown: RwSignal<Option<CapturedRow>>) -> impl IntoView {
    let open = opened_by(shown);
    let table = |label: &'static str, values: &BTreeMap<String, Value>| {
        let line = |(name, value): (&String, &Value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            view! { <tr><th scope="row">{name.clone()}</th><td class="mono">{text}</td></tr> }
        };
        if values.is_empty() {
            return view! { <h3>{label}</h3><p class="dim">"None."</p> }.into_any();
        }
        let lines = values.iter().map(line).collect_view();
        view! { <h3>{label}</h3><div class="pairs" role="region" aria-label=label tabindex="0"><table class="plain"><tbody>{lines}</tbody></table></div> }.into_any()
    };
    let content = move || {
        shown.get().map(|r| {
            let model = (!r.model.is_empty()).then(|| format!(" · {} version {}", r.model, r.version));
            view! {
                <p class="dim">"Request "<code>{r.request_id.clone()}</code>{(r.row > 0).then(|| format!(", row {}", r.row))}{model}</p>
                {table("Predictions", &r.predictions)}
                {table("Inputs", &r.inputs)}
            }
        })
    };
    view! {
        <Dialog open title=Signal::stored("A captured request".to_owned()) wide=true>
            {content}
            <div class="actions"><Button on_press=move |_| open.set(false)>"Close"</Button></div>
        </Dialog>
    }
}

/// The Parquet files, to download.
#[component]
fn Files(name: Memo<String>) -> impl IntoView {
    let path = move || Some(format!("/deployments/{}/captured/files", seg(&name.get())));
    let files = remote::<Listing<CapturedFile>>(path, &[Topic::Deployments]).every(PERIOD);
    let all = memo(move || files.data.with(|l| l.as_ref().map(|l| l.items().to_vec()).unwrap_or_default()));
    let row = |f: CapturedFile| {
        let file = f.key.rsplit('/').next().unwrap_or_default().to_owned();
        view! {
            <tr><td class="mono">{file}</td><td class="dim"><TimeAgo at=f.from_at/>" to "<TimeAgo at=f.until_at/></td>
                <td class="num">{format::number(f.rows)}</td><td class="num">{format::bytes(f.size_bytes)}</td>
                <td class="row-actions"><a class="icon-btn" href=f.download download="" rel="external" aria-label=format!("Download {}", f.key)><Icon name="download"/></a></td></tr>
        }
    };
    let open = RwSignal::new(false);
    view! {
        <Show when=move || all.with(|a| !a.is_empty())>
            <Card title="Files" class="flush" aside=move || view! { <Button small=true look=Look::Quiet on_press=move |_| open.update(|o| *o = !*o)>
                {move || if open.get() { "Show fewer" } else { "Show all" }}</Button> }>
                <div class="scroll-x" role="region" aria-label="Files" tabindex="0">
                    <table class="grid" aria-label="Files">
                        <thead><tr><th scope="col">"File"</th><th scope="col">"Requests"</th><th scope="col" class="num">"Rows"</th>
                            <th scope="col" class="num">"Size"</th><th scope="col"><span class="sr">"Actions"</span></th></tr></thead>
                        <tbody>{move || all.get().into_iter().take(if open.get() { usize::MAX } else { 5 }).map(row).collect_view()}</tbody>
                    </table>
                </div>
            </Card>
        </Show>
    }
}
