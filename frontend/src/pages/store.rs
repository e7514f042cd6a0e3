//! The store under everything: how full the disk is, what fills it, what can go, and whether what is kept is sound.

use crate::{
    api,
    app::ago,
    format::{bytes, percent, plural},
    live::remote,
    reactive::memo,
    session::may,
    ui::{Button, Card, CopyButton, Icon, Loaded, Meter, PageHead, Pill, Show, Status, TimeAgo, Tone, act, toast},
};
use drydock_wire::{
    accounts::Role,
    events::Topic,
    store::{
        DamagedBlob, DiskLevel, DiskState, ReclaimKind, Reclaimable, ScrubState, StoreEngine, StoreState, StoreUse,
        StoreUser,
    },
};
use leptos::prelude::*;

#[component]
pub fn StorePage() -> impl IntoView {
    let state = remote::<StoreState>(|| Some("/store".into()), &[Topic::Overview]);
    let sub = move || {
        state.data.with(|s| {
            s.as_ref().map(|s| {
                format!(
                    "{} in {}, each kept once · {}",
                    bytes(s.blob_bytes),
                    plural(s.blob_count, "content"),
                    place(&s.engine)
                )
            })
        })
    };
    view! {
        <section class="page">
            <PageHead title="Store" sub=sub/>
            <Loaded remote=state lines=10 let:data>
                <Trouble data/>
                <div class="columns-2">
                    <Disk data/>
                    <Soundness data/>
                    <Uses data/>
                    <CanGo data/>
                </div>
                <Damaged data/>
            </Loaded>
        </section>
    }
}

fn place(engine: &StoreEngine) -> String {
    match engine {
        StoreEngine::Disk { path } => format!("on the disk, in {path}"),
        StoreEngine::S3 { endpoint, bucket, is_reachable: true } => format!("in the bucket {bucket} at {endpoint}"),
        StoreEngine::S3 { endpoint, .. } => format!("{endpoint} does not answer now"),
    }
}

/// What stands in the way, above everything else.
#[component]
fn Trouble(data: Signal<StoreState>) -> impl IntoView {
    let words = memo(move || {
        data.with(|s| match (&s.engine, s.disk.level) {
            (StoreEngine::S3 { is_reachable: false, .. }, _) => Some((
                "alert bad",
                "The S3 cluster does not answer.".to_owned(),
                "What is cached can be read; what is new is refused until it is back. Nothing that was kept is lost.".to_owned(),
            )),
            (_, DiskLevel::Full) => Some((
                "alert bad",
                "The disk is full: nothing more is taken.".to_owned(),
                "Reading, deleting and signing in go on. Let something go below; writing goes on by itself when there is room.".to_owned(),
            )),
            (_, DiskLevel::Warning) => Some((
                "alert warn",
                format!("The disk is {} full.", percent(used(&s.disk))),
                format!("With less than {} free, nothing more is taken.", bytes(s.disk.floor_bytes)),
            )),
            _ => None,
        })
    });
    move || {
        words.get().map(|(class, what, then)| {
            view! { <div class=class role="status"><Icon name="triangle-alert"/><p><b>{what}</b>" "{then}</p></div> }
        })
    }
}

fn used(disk: &DiskState) -> f64 {
    disk.total_bytes.saturating_sub(disk.free_bytes) as f64 / (disk.total_bytes as f64).max(1.0)
}

#[component]
fn Disk(data: Signal<StoreState>) -> impl IntoView {
    let share = Signal::derive(move || data.with(|s| used(&s.disk)));
    let text = Signal::derive(move || {
        data.with(|s| format!("{} free of {}", bytes(s.disk.free_bytes), bytes(s.disk.total_bytes)))
    });
    let contents = move || data.with(|s| bytes(s.blob_bytes));
    let database = move || data.with(|s| bytes(s.database_bytes));
    let limits = move || {
        data.with(|s| {
            format!("A warning from {} %, no writes below {} free", s.disk.warn_percent, bytes(s.disk.floor_bytes))
        })
    };
    view! {
        <Card title="Disk">
            <div class="meters">
                <Meter label="Used" share text/>
                <dl class="facts">
                    <dt>"Contents"</dt><dd>{contents}</dd>
                    <dt>"Database"</dt><dd>{database}</dd>
                    <dt>"Limits"</dt><dd>{limits}</dd>
                </dl>
            </div>
        </Card>
    }
}

#[component]
fn Soundness(data: Signal<StoreState>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let scrub = move || {
        act(busy, "The reading did not begin", async { api::post_empty::<()>("/store/scrub").await }, |()| {
            toast(Tone::Good, "Reading began", "What is damaged shows here as soon as it is found.");
        });
    };
    let running = memo(move || data.with(|s| s.scrub.is_running));
    let pill = move || {
        let status = match (data.with(|s| s.damaged.is_empty()), running.get()) {
            (true, true) => Status::live(Tone::Info, "Being read"),
            (true, false) => Status::new(Tone::Good, "Sound"),
            (false, _) => Status::new(Tone::Bad, "Damaged"),
        };
        view! { <Pill status/> }
    };
    view! {
        <Card title="Soundness" aside=pill>
            <div class="stack">
                <p class="dim">"Each read is checked. Once a week everything is read and compared with its digest, slowly enough that nobody feels it."</p>
                {move || data.with(|s| facts(&s.scrub, s.blob_bytes))}
                <Show when=move || may(Role::Admin) && !running.get()>
                    <div><Button icon="refresh-cw" busy on_press=move |_| scrub()>"Read everything now"</Button></div>
                </Show>
            </div>
        </Card>
    }
}

fn facts(scrub: &ScrubState, all_bytes: u64) -> AnyView {
    let count = format!("{}, {}", plural(scrub.checked_count, "content"), bytes(scrub.checked_bytes));
    match (scrub.is_running, scrub.finished_at) {
        (true, _) => {
            let share = scrub.checked_bytes as f64 / (all_bytes as f64).max(1.0);
            let text = format!("{} of {}", bytes(scrub.checked_bytes), bytes(all_bytes));
            view! { <Meter label="Read" calm=true share=Signal::derive(move || share) text=Signal::derive(move || text.clone())/> }
                .into_any()
        }
        (false, Some(at)) if scrub.checked_count > 0 => {
            view! { <dl class="facts"><dt>"Last read"</dt><dd>{ago(at)}": "{count}</dd></dl> }.into_any()
        }
        _ => view! { <dl class="facts"><dt>"Last read"</dt><dd>"not yet"</dd></dl> }.into_any(),
    }
}

#[component]
fn Uses(data: Signal<StoreState>) -> impl IntoView {
    let rows = move || {
        data.with(|s| {
            let most = s.uses.iter().map(|u| u.size_bytes).max().unwrap_or(0).max(1) as f64;
            s.uses.iter().map(|one| use_row(one, one.size_bytes as f64 / most)).collect_view()
        })
    };
    let none = move || data.with(|s| s.uses.is_empty());
    view! {
        <Card title="What fills it">
            <Show when=move || !none() fallback=|| view! { <p class="dim">"Nothing is kept yet."</p> }>
                <ul class="shares">{rows}</ul>
                <p class="note">"What several have in common counts for each of them and is kept once."</p>
            </Show>
        </Card>
    }
}

fn use_row(one: &StoreUse, share: f64) -> AnyView {
    let (icon, noun, href) = match one.kind {
        StoreUser::Bucket => ("folder", "Bucket", Some(format!("/buckets/{}", api::seg(&one.name)))),
        StoreUser::Dataset => ("database", "Datasets", Some("/datasets".to_owned())),
        StoreUser::Repository => ("package", "Images", Some("/images".to_owned())),
        StoreUser::Artifacts => ("activity", "Files of runs and models", Some("/runs".to_owned())),
        StoreUser::Logs => ("scroll-text", "Logs", Some("/jobs".to_owned())),
        StoreUser::Code => ("code", "Code of jobs", Some("/jobs".to_owned())),
        StoreUser::Uploads => ("upload", "Uploads on their way", None),
        StoreUser::Other => ("boxes", "Other", None),
    };
    let text =
        if one.name.is_empty() { noun.to_owned() } else { format!("{} {}", noun.trim_end_matches('s'), one.name) };
    let name = match href {
        Some(href) => view! { <a href=href>{text}</a> }.into_any(),
        None => view! { <span>{text}</span> }.into_any(),
    };
    view! {
        <li>
            <div class="meter-text"><span><Icon name=icon/>{name}</span>
                <b>{bytes(one.size_bytes)}<small>{format!(" in {}", plural(one.object_count, "file"))}</small></b></div>
            <div class="bar" aria-hidden="true"><i style:width=format!("{:.1}%", share * 100.0)></i></div>
        </li>
    }
    .into_any()
}

#[component]
fn CanGo(data: Signal<StoreState>) -> impl IntoView {
    let rows = move || data.with(|s| s.reclaimable.iter().map(go_row).collect_view());
    let none = move || data.with(|s| s.reclaimable.is_empty());
    view! {
        <Card title="What can go">
            <Show when=move || !none() fallback=|| view! { <p class="dim">"Nothing: all that is kept is in use."</p> }>
                <ul class="shares">{rows}</ul>
            </Show>
        </Card>
    }
}

fn go_row(one: &Reclaimable) -> AnyView {
    let (what, how, href) = match one.kind {
        ReclaimKind::Trash => ("In the trash", "Files of deleted runs. An admin empties the trash.", Some("/trash")),
        ReclaimKind::Unreferenced => {
            ("Not needed any more", "Goes by itself within a day of its upload or removal.", None)
        }
        ReclaimKind::OpenUploads => {
            ("Unfinished uploads", "Parts of uploads that were not ended. They go by themselves.", None)
        }
        ReclaimKind::OldObjectVersions => {
            ("Older versions in buckets", "A bucket's settings say how long they stay.", Some("/buckets"))
        }
        ReclaimKind::UntaggedImages => {
            ("Images without a tag", "A repository's settings say how long they stay.", Some("/images"))
        }
        ReclaimKind::DatasetCache => ("Datasets laid out for jobs", "Made again when a job needs them.", None),
    };
    let name = match href {
        Some(href) => view! { <a href=href>{what}</a> }.into_any(),
        None => view! { <span>{what}</span> }.into_any(),
    };
    view! {
        <li>
            <div class="meter-text"><span>{name}</span><b>{bytes(one.size_bytes)}</b></div>
            <p class="note">{how}</p>
        </li>
    }
    .into_any()
}

#[component]
fn Damaged(data: Signal<StoreState>) -> impl IntoView {
    let any = memo(move || data.with(|s| !s.damaged.is_empty()));
    let rows = move || data.with(|s| s.damaged.iter().map(damaged_row).collect_view());
    let more = move || data.with(|s| s.damaged_count.saturating_sub(s.damaged.len() as u64));
    let and_more = move || format!("And {} more, found earlier; they show as these are healed.", more());
    view! {
        <Show when=move || any.get()>
            <Card title="Damaged contents">
                <p class="dim">"They are set aside and not given out. Uploading the same bytes again heals them, and so does restoring a backup."</p>
                <ul class="shares">{rows}</ul>
                <Show when=move || more() != 0><p class="note">{and_more}</p></Show>
            </Card>
        </Show>
    }
}

fn damaged_row(one: &DamagedBlob) -> AnyView {
    let needs = match one.needed_by.len() {
        0 => view! { <p class="note">"Nothing needs it any more."</p> }.into_any(),
        _ => {
            let each = one.needed_by.iter().map(|need| view! { <li>{need.clone()}</li> }).collect_view();
            view! { <p class="note">"Needed by"</p><ul class="held">{each}</ul> }.into_any()
        }
    };
    let (digest, found_at) = (one.digest.clone(), one.found_at);
    view! {
        <li>
            <div class="meter-text">
                <span class="mono">{digest.chars().take(16).collect::<String>()}"…"<CopyButton text=digest.clone() what="Copy the digest"/></span>
                <b>{bytes(one.size_bytes)}</b>
            </div>
            <p>{one.problem.clone()}" Found "<TimeAgo at=found_at/>"."</p>
            {needs}
        </li>
    }
    .into_any()
}
