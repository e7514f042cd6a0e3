//! A log as it is written, drawn only where it is in sight: 50,000 lines scroll as smoothly as fifty.

use super::tail::{Phase, Tail};
use crate::{
    format::{number, plural},
    reactive::{effect, memo},
    ui::{Button, Icon, Pill, Show, Status, Tone, toast},
};
use drydock_wire::{jobs::LogLine, logs::NOTE};
use js_sys::Date;
use leptos::{ev, html, prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::ResizeObserver;

const ROW_PX: f64 = 20.0;
/// Rows drawn above and below what is in sight.
const SPARE: usize = 12;

/// State of one viewer.
#[derive(Clone, Copy)]
struct Viewer {
    tail: Tail,
    pane: NodeRef<html::Div>,
    follow: RwSignal<bool>,
    search: RwSignal<String>,
    /// Places in `tail.lines` that hold what is searched.
    hits: Memo<Vec<usize>>,
    /// The hit that was jumped to last.
    hit: RwSignal<usize>,
    scroll: RwSignal<f64>,
    height: RwSignal<f64>,
}

/// The log at `path` (`/jobs/…/log`): follows while more comes, searches, copies; the whole of it can be downloaded.
#[component]
pub fn LogView(
    #[prop(into)] path: Signal<String>,
    /// Name of the downloaded file.
    #[prop(into)]
    file: Signal<String>,
    /// Of its address: `attempt=2`.
    #[prop(optional, into)]
    query: Signal<String>,
    /// The address at which the search over all logs shows these lines.
    #[prop(optional, into)]
    everywhere: Option<Signal<String>>,
) -> impl IntoView {
    let asked = move |place: &str| {
        let query = query.get();
        format!("{}{place}{}{query}", path.get(), if query.is_empty() { "" } else { "?" })
    };
    let tail = Tail::new(Signal::derive(move || asked("/stream")));
    let whole = Signal::derive(move || format!("/api/v1{}", asked("")));
    let search = RwSignal::new(String::new());
    let hits = memo(move || {
        let wanted = search.get().to_lowercase();
        if wanted.is_empty() {
            return vec![];
        }
        tail.lines.with(|l| {
            l.iter().enumerate().filter(|(_, l)| l.text.to_lowercase().contains(&wanted)).map(|(i, _)| i).collect()
        })
    });
    let viewer = Viewer {
        tail,
        pane: NodeRef::new(),
        follow: RwSignal::new(true),
        search,
        hits,
        hit: RwSignal::new(0),
        scroll: RwSignal::new(0.0),
        height: RwSignal::new(480.0),
    };
    keep_at_end(viewer);
    view! {
        <div class="log-view">
            <Bar viewer whole file everywhere/>
            <Lines viewer/>
        </div>
    }
}

fn keep_at_end(viewer: Viewer) {
    effect(move || {
        let count = viewer.tail.lines.with(|l| l.len());
        if viewer.follow.get()
            && let Some(pane) = viewer.pane.get()
        {
            request_animation_frame(move || pane.set_scroll_top((count as f64 * ROW_PX) as i32 + 64));
        }
    });
    viewer.pane.on_load(move |pane| {
        let element = pane.clone();
        let measure = Closure::<dyn FnMut()>::new(move || {
            let _ = viewer.height.try_set(f64::from(element.client_height()));
        });
        let Ok(observer) = ResizeObserver::new(measure.as_ref().unchecked_ref()) else { return };
        observer.observe(&pane);
        let keep = StoredValue::new_local((observer, measure));
        on_cleanup(move || {
            let _ = keep.try_with_value(|k| k.0.disconnect());
        });
    });
}

/// Search, follow, copy, download.
#[component]
fn Bar(
    viewer: Viewer,
    whole: Signal<String>,
    file: Signal<String>,
    everywhere: Option<Signal<String>>,
) -> impl IntoView {
    let found = move || {
        (!viewer.search.get().is_empty()).then(|| match viewer.hits.with(Vec::len) {
            0 => "no line".to_owned(),
            n => format!("{} of {}", number(viewer.hit.get().min(n - 1) as u64 + 1), number(n as u64)),
        })
    };
    let status = move || match viewer.tail.phase.get() {
        Phase::Connecting => Status::live(Tone::Neutral, "Connecting"),
        Phase::Open => Status::live(Tone::Info, "Live"),
        Phase::Broken => Status::live(Tone::Warn, "Reconnecting"),
        Phase::Ended => Status::new(Tone::Neutral, "Complete"),
    };
    let on_key = move |e: ev::KeyboardEvent| match e.key().as_str() {
        "Enter" => {
            e.prevent_default();
            jump(viewer, !e.shift_key());
        }
        "Escape" => viewer.search.set(String::new()),
        _ => {}
    };
    view! {
        <div class="toolbar">
            <label class="search"><Icon name="search"/><span class="sr">"Search the log"</span>
                <input type="search" placeholder="Search the log" prop:value=move || viewer.search.get() spellcheck="false" autocomplete="off"
                    on:input:target=move |e| { viewer.search.set(e.target().value()); viewer.hit.set(0); show_hit(viewer) }
                    on:keydown=on_key/>
            </label>
            <Show when=move || !viewer.search.with(String::is_empty)>
                <span class="dim tabular" role="status">{found}</span>
                <button type="button" class="icon-btn" aria-label="Previous match" title="Previous match (Shift+Enter)"
                    on:click=move |_| jump(viewer, false)><Icon name="chevron-up"/></button>
                <button type="button" class="icon-btn" aria-label="Next match" title="Next match (Enter)"
                    on:click=move |_| jump(viewer, true)><Icon name="chevron-down"/></button>
            </Show>
            <span class="push"></span>
            {move || view! { <Pill status=status()/> }}
            <button type="button" class="btn small" aria-pressed=move || viewer.follow.get().to_string()
                on:click=move |_| viewer.follow.update(|f| *f = !*f)><Icon name="arrow-down-to-line"/>"Follow"</button>
            <Button small=true icon="copy" on_press=move |_| copy(viewer)>"Copy"</Button>
            {everywhere.map(|href| view! { <a class="btn small" href=move || href.get()><Icon name="scroll-text"/>"Search all logs"</a> })}
            <a class="btn small" href=move || whole.get() download=move || file.get()><Icon name="download"/>"Download"</a>
        </div>
    }
}

#[component]
fn Lines(viewer: Viewer) -> impl IntoView {
    let total = memo(move || viewer.tail.lines.with(|l| l.len()));
    let range = memo(move || {
        let first = ((viewer.scroll.get() / ROW_PX) as usize).saturating_sub(SPARE);
        let last = first + (viewer.height.get() / ROW_PX) as usize + 2 * SPARE;
        (first.min(total.get()), last.min(total.get()))
    });
    let rows = move || {
        let (from, to) = range.get();
        viewer.tail.lines.with(|l| l.iter().skip(from).take(to.saturating_sub(from)).cloned().collect::<Vec<_>>())
    };
    let wanted_line = memo(move || {
        let place = viewer.hits.with(|h| h.get(viewer.hit.get()).copied())?;
        viewer.tail.lines.with(|l| l.get(place).map(|l| l.seq))
    });
    let scrolled = move |pane: web_sys::Element| {
        let top = f64::from(pane.scroll_top());
        let before = viewer.scroll.get_untracked();
        let at_end = top + f64::from(pane.client_height()) >= f64::from(pane.scroll_height()) - ROW_PX;
        viewer.scroll.set(top);
        // whoever scrolls up wants to read; whoever comes back to the end wants to follow
        if top < before - 1.0 && !at_end {
            viewer.follow.set(false);
        } else if at_end && !viewer.follow.get_untracked() {
            viewer.follow.set(true);
        }
    };
    let note = move || match (total.get(), viewer.tail.phase.get(), viewer.tail.dropped.get()) {
        (0, Phase::Ended, _) => Some("Nothing was written.".to_owned()),
        (0, Phase::Broken, _) => Some("The log cannot be reached now; it is tried again every few seconds.".to_owned()),
        (0, ..) => Some("Nothing is written yet. Lines appear here as they come.".to_owned()),
        (_, _, dropped) if dropped > 0 => {
            Some(format!("{} before these are in the download.", plural(dropped, "line")))
        }
        _ => None,
    };
    view! {
        {move || note().map(|text| view! { <p class="log-note dim" role="status">{text}</p> })}
        <div class="log-pane" node_ref=viewer.pane tabindex="0" role="log" aria-live="off" aria-label="Log lines" data-testid="log"
            class:blank=move || total.get() == 0
            on:scroll:target=move |e| scrolled(e.target().into())>
            <div class="log-runway" style:height=move || format!("{}px", total.get() as f64 * ROW_PX)>
                <div class="log-lines" style:transform=move || format!("translateY({}px)", range.get().0 as f64 * ROW_PX)>
                    <For each=rows key=|l| l.seq let:line>{row(viewer, wanted_line, line)}</For>
                </div>
            </div>
        </div>
    }
}

fn row(viewer: Viewer, wanted: Memo<Option<u64>>, line: LogLine) -> impl IntoView {
    let LogLine { seq, at, stream, text } = line;
    let error = stream == "stderr";
    let note = stream == NOTE;
    view! {
        <div class="log-line" class:err=error class:note-line=note class:hit=move || wanted.get() == Some(seq)>
            <time title=full_time(at)>{clock(at)}</time>
            {error.then(|| view! { <b title="stderr">"err"</b> })}
            {note.then(|| view! { <b title="From Drydock">"drydock"</b> })}
            <span>{move || marked(&text, &viewer.search.get())}</span>
        </div>
    }
}

/// The text with what is searched marked in it.
pub fn marked(text: &str, wanted: &str) -> AnyView {
    let folded = text.to_lowercase();
    // letters that change their length when folded: no marks rather than wrong ones
    if wanted.is_empty() || folded.len() != text.len() {
        return text.to_owned().into_any();
    }
    let wanted = wanted.to_lowercase();
    let mut parts = vec![];
    let mut from = 0;
    for (at, hit) in folded.match_indices(&wanted) {
        let (Some(before), Some(inside)) = (text.get(from..at), text.get(at..at + hit.len())) else { continue };
        parts.push(before.to_owned().into_any());
        parts.push(view! { <mark>{inside.to_owned()}</mark> }.into_any());
        from = at + hit.len();
    }
    parts.push(text.get(from..).unwrap_or_default().to_owned().into_any());
    parts.into_any()
}

fn jump(viewer: Viewer, forward: bool) {
    let count = viewer.hits.with_untracked(Vec::len);
    if count == 0 {
        return;
    }
    let step = if forward { 1 } else { count - 1 };
    viewer.hit.update(|h| *h = ((*h).min(count - 1) + step) % count);
    show_hit(viewer);
}

fn show_hit(viewer: Viewer) {
    let place = viewer.hits.with_untracked(|h| h.get(viewer.hit.get_untracked()).copied());
    if let (Some(place), Some(pane)) = (place, viewer.pane.get_untracked()) {
        viewer.follow.set(false);
        pane.set_scroll_top((place as f64 * ROW_PX - viewer.height.get_untracked() / 2.0) as i32);
    }
}

fn copy(viewer: Viewer) {
    let text = viewer.tail.lines.with_untracked(|l| l.iter().fold(String::new(), |all, l| all + &l.text + "\n"));
    let count = viewer.tail.lines.with_untracked(|l| l.len());
    let writing = window().navigator().clipboard().write_text(&text);
    spawn_local(async move {
        match JsFuture::from(writing).await {
            Ok(_) => toast(Tone::Good, "Log copied", &plural(count as u64, "line")),
            Err(_) => toast(Tone::Bad, "The browser did not allow copying", "Use Download instead."),
        }
    });
}

pub fn clock(at: i64) -> String {
    let date = Date::new(&JsValue::from_f64(at as f64));
    let (h, m, s, ms) = (date.get_hours(), date.get_minutes(), date.get_seconds(), date.get_milliseconds());
    format!("{h:02}:{m:02}:{s:02}.{ms:03}")
}

pub fn full_time(at: i64) -> String {
    Date::new(&JsValue::from_f64(at as f64)).to_locale_string("default", &JsValue::UNDEFINED).into()
}
