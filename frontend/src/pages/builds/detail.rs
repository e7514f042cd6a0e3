//! One build: how it stands, its log as it is written, what pip did not find, the image that came of it.

use super::{duration, href};
use crate::{
    api::{self, seg},
    app::{ago, go},
    format,
    live::remote,
    pages::{
        packages::MissingTable,
        parts::{LogView, is_engineer, query},
    },
    reactive::memo,
    ui::{
        Button, Card, ConfirmDialog, CopyButton, Facts, Icon, LinkButton, Loaded, Look, PageHead, Pill, Show, Tabs,
        Tone, act, toast, url::param,
    },
};
use drydock_wire::{
    builds::{BuildDetail, BuildFile, BuildState, SubmitBuild},
    events::Topic,
    packages::MissingPackages,
};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

#[component]
pub fn BuildPage() -> impl IntoView {
    let params = use_params_map();
    let id = memo(move || params.with(|p| p.get("id")).unwrap_or_default());
    let build = remote::<BuildDetail>(move || Some(format!("/builds/{}", seg(&id.get()))), &[Topic::Builds]);
    view! {
        <section class="page"><Loaded remote=build lines=10 let:it>{
            // built again, it is another build on the same page: with a log of its own
            let shown = memo(move || it.with(|b| b.summary.id.clone()));
            move || { shown.with(|_| ()); view! { <Detail it/> } }
        }</Loaded></section>
    }
}

#[component]
fn Detail(it: Signal<BuildDetail>) -> impl IntoView {
    let tab = param("tab", "log");
    let stopping = RwSignal::new(false);
    let again = RwSignal::new(false);
    let state = memo(move || it.with(|b| b.summary.state));
    let id = memo(move || it.with(|b| b.summary.id.clone()));
    let image = Signal::derive(move || it.with(|b| format!("{}:{}", b.summary.repository, b.summary.tag)));
    let why_not = Signal::derive(move || state.get().is_final().then(|| "The build has ended.".to_owned()));
    let rebuild = move |_| {
        let to = format!("/builds/{}/again", seg(&id.get_untracked()));
        let call = async move { api::post_empty::<BuildDetail>(&to).await };
        act(again, "It was not built again", call, |new| go(&href(&new.summary.id)));
    };
    let sub = move || {
        it.with(|b| {
            let tries = if b.tries > 1 { format!(" · begun {} times", b.tries) } else { String::new() };
            let (by, at) = (&b.summary.submitted_by, ago(b.summary.submitted_at));
            format!("{by} · asked for {at} · {}{tries}", duration(&b.summary))
        })
    };
    let tabs =
        vec![("log", "Log".to_owned()), ("dockerfile", "Dockerfile".to_owned()), ("spec", "What was asked".to_owned())];
    view! {
        <PageHead title=image aside=move || view! { <Pill status=state.get()/> } sub>
            {is_engineer().then(|| view! {
                <LinkButton icon="pencil" href=format!("/builds/new?from={}", seg(&id.get_untracked()))>"Change and build"</LinkButton>
                <Button icon="rotate-ccw" busy=again on_press=rebuild>"Build again"</Button>
                <Button look=Look::Danger icon="square" why_not on_press=move |_| stopping.set(true)>"Cancel build"</Button>
            })}
        </PageHead>
        <Standing it/>
        <Outcome it/>
        <Lacking it id/>
        <Tabs param=tab label="Parts of the build" tabs/>
        <div role="tabpanel" class="panel">
            {move || match tab.get().as_str() {
                "dockerfile" => view! { <Dockerfile it/> }.into_any(),
                "spec" => view! { <Spec it/> }.into_any(),
                _ => view! { <LogView path=Signal::derive(move || format!("/builds/{}/log", seg(&id.get())))
                    file=Signal::derive(move || format!("build-{}.log", image.get().replace(['/', ':'], "-")))
                    everywhere=Signal::derive(move || format!("/logs?span=&owner={}", seg(&id.get())))/> }.into_any(),
            }}
        </div>
        <CancelDialog open=stopping id image/>
    }
}

/// Why it waits or how it ended; the step while it runs.
#[component]
fn Standing(it: Signal<BuildDetail>) -> impl IntoView {
    let said = memo(move || {
        it.with(|b| (b.summary.state, b.summary.reason.clone().or_else(|| b.summary.step.clone()).unwrap_or_default()))
    });
    move || {
        let (state, text) = said.get();
        let (tone, icon) = match state {
            BuildState::Failed => ("bad", "triangle-alert"),
            BuildState::Queued => ("warn", "clock"),
            BuildState::Running | BuildState::Pushing => ("info", "hammer"),
            BuildState::Succeeded | BuildState::Cancelled => ("neutral", "info"),
        };
        (!text.is_empty()).then(|| {
            view! { <p class=format!("callout {tone}") role="status" data-testid="build-standing"><Icon name=icon/><span>{text}</span></p> }
        })
    }
}

/// The image in the registry, as a job is given it.
#[component]
fn Outcome(it: Signal<BuildDetail>) -> impl IntoView {
    let image = Signal::derive(move || it.with(|b| b.summary.image.clone().unwrap_or_default()));
    let page = move || {
        it.with(|b| {
            let digest = b.summary.digest.clone().unwrap_or_default();
            query("/images/manifest", &[("name", b.summary.repository.clone()), ("digest", digest)])
        })
    };
    let size = move || it.with(|b| b.size_bytes.map(format::bytes));
    view! {
        <Show when=move || !image.with(String::is_empty)>
            <Card title="The image">
                <Facts>
                    <dt>"For jobs"</dt><dd><code class="wrap">{move || image.get()}</code><CopyButton text=image what="Copy the image's name"/></dd>
                    {move || size().map(|size| view! { <dt>"Unpacked"</dt><dd>{size}</dd> })}
                </Facts>
                <div class="actions below-text">
                    <a class="btn" href=page><Icon name="package"/>"See its layers"</a>
                    {is_engineer().then(|| view! {
                        <a class="btn" href=move || query("/jobs/new", &[("image", image.get())])><Icon name="play"/>"Run a job with it"</a>
                    })}
                </div>
            </Card>
        </Show>
    }
}

/// What pip did not find, all of it at once.
#[component]
fn Lacking(it: Signal<BuildDetail>, id: Memo<String>) -> impl IntoView {
    let missing = memo(move || it.with(|b| b.missing.clone()).filter(|m| !m.missing.is_empty()));
    let list = Signal::derive(move || {
        missing.get().unwrap_or_else(|| MissingPackages {
            python: String::new(),
            platform: String::new(),
            found: vec![],
            missing: vec![],
            skipped: vec![],
            list: String::new(),
        })
    });
    let title = move || format!("Missing wheels ({})", missing.with(|m| m.as_ref().map_or(0, |m| m.missing.len())));
    view! {
        <Show when=move || missing.with(Option::is_some)>
            <Card title=title() class="lacking-card">
                <p class="dim below among">"pip stops at the first name that it does not find; these are all of them. Bring their wheels, "
                    <a href="/packages">"add them to the packages"</a>", and build again."</p>
                <MissingTable missing=list href=format!("/api/v1/builds/{}/missing.txt", seg(&id.get_untracked()))/>
            </Card>
        </Show>
    }
}

#[component]
fn Dockerfile(it: Signal<BuildDetail>) -> impl IntoView {
    let text = Signal::derive(move || it.with(|b| b.dockerfile.clone().unwrap_or_default()));
    let bases = move || it.with(|b| b.bases.clone());
    view! {
        <Show when=move || !text.with(String::is_empty) fallback=|| view! {
            <Card><p class="dim none">"It is read from the files when the build begins."</p></Card>
        }>
            <div class="copied"><pre class="code" tabindex="0" aria-label="Dockerfile">{move || text.get()}</pre><CopyButton text what="Copy the Dockerfile"/></div>
            <Show when=move || !bases().is_empty()>
                <Card title="Built from">
                    <ul class="plain-list">{move || bases().into_iter().map(|base| view! { <li class="mono wrap">{base}</li> }).collect_view()}</ul>
                </Card>
            </Show>
        </Show>
    }
}

fn lines(all: Vec<String>) -> impl IntoView {
    all.into_iter().map(|line| view! { <div class="mono">{line}</div> }).collect_view()
}

fn files(all: &[BuildFile]) -> impl IntoView + use<> {
    lines(all.iter().map(|file| file.path.clone()).collect())
}

#[component]
fn Spec(it: Signal<BuildDetail>) -> impl IntoView {
    move || {
        let BuildDetail { spec, summary, .. } = it.get();
        let form = spec.form.clone().unwrap_or_default();
        let args =
            spec.args.iter().map(|(k, v)| view! { <div class="mono">{k.clone()}"="{v.clone()}</div> }).collect_view();
        let env = form
            .environment
            .iter()
            .map(|(k, v)| view! { <div class="mono">{k.clone()}"="{v.clone()}</div> })
            .collect_view();
        let id = summary.id.clone();
        let copied = id.clone();
        view! {
            <Card>
                <Facts>
                    <dt>"Build id"</dt><dd><code>{id}</code><CopyButton text=Signal::stored(copied) what="Copy the build's id"/></dd>
                    <dt>"From"</dt><dd>{source(&spec)}</dd>
                    {spec.form.is_some().then(|| view! {
                        <dt>"Base"</dt><dd class="mono">{form.base.clone().unwrap_or_else(|| "Drydock's runtime image".to_owned())}</dd>
                    })}
                    {(!form.requirements.is_empty()).then(|| view! { <dt>"Python packages"</dt><dd>{lines(form.requirements.clone())}</dd> })}
                    {(!form.debs.is_empty()).then(|| view! { <dt>"Debian packages"</dt><dd>{files(&form.debs)}</dd> })}
                    {(!form.code.is_empty()).then(|| view! { <dt>"Code"</dt><dd>{files(&form.code)}</dd> })}
                    {(!form.environment.is_empty()).then(|| view! { <dt>"Environment"</dt><dd>{env}</dd> })}
                    {(!form.command.is_empty()).then(|| view! { <dt>"Command"</dt><dd class="mono">{crate::pages::jobs::join_words(&form.command)}</dd> })}
                    {(!spec.files.is_empty()).then(|| view! { <dt>"Files"</dt><dd>{files(&spec.files)}</dd> })}
                    {(!spec.args.is_empty()).then(|| view! { <dt>"Arguments"</dt><dd>{args}</dd> })}
                </Facts>
            </Card>
        }
    }
}

fn source(spec: &SubmitBuild) -> String {
    let archive = if spec.context.is_some() { " and an archive of files" } else { "" };
    match (&spec.form, &spec.dockerfile) {
        (Some(_), _) => "the form".to_owned(),
        (None, Some(_)) => format!("a Dockerfile{archive}"),
        (None, None) => {
            let path = spec.dockerfile_path.clone().unwrap_or_else(|| "Dockerfile".to_owned());
            format!("{path} of the files")
        }
    }
}

#[component]
fn CancelDialog(open: RwSignal<bool>, id: Memo<String>, image: Signal<String>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let confirm = move |()| {
        let to = format!("/builds/{}/cancel", seg(&id.get_untracked()));
        let call = async move { api::post_empty::<serde_json::Value>(&to).await };
        act(busy, "The build was not cancelled", call, move |_| {
            open.set(false);
            toast(Tone::Info, "The build is being cancelled", &image.get_untracked());
        });
    };
    view! {
        <ConfirmDialog open title="Cancel this build?" name="" action="Cancel the build" on_confirm=confirm busy=busy>
            <p>"It stops at its present step. Steps that are through stay in the cache, so that building again goes on from there."</p>
        </ConfirmDialog>
    }
}
