//! The form that asks for an image: from a base with packages and code, or from a Dockerfile.

use super::{
    form::{Files, Form},
    href,
    preview::PreviewButton,
};
use crate::{
    api::{self, seg},
    app::go,
    pages::{
        jobs::split_words,
        parts::{DropZone, Interrupted, UploadList, is_engineer},
    },
    recipe,
    ui::{
        Button, Card, EmptyState, Field, Icon, LinkButton, Look, PageHead, Show, Skeleton, TextArea, Tone, toast,
        url::param,
    },
};
use drydock_wire::{
    ErrorCode,
    builds::{BuildDetail, SubmitBuild},
};
use leptos::{prelude::*, task::spawn_local};

#[component]
pub fn NewBuildPage() -> impl IntoView {
    let from = param("from", "").get_untracked();
    let before = RwSignal::new(None::<SubmitBuild>);
    let ready = RwSignal::new(from.is_empty());
    if !from.is_empty() {
        spawn_local(async move {
            match api::get::<BuildDetail>(&format!("/builds/{}", seg(&from))).await {
                Ok(build) => drop(before.try_set(Some(build.spec))),
                Err(error) => toast(Tone::Bad, "The build to change could not be read", &error.message),
            }
            let _ = ready.try_set(true);
        });
    }
    let body = move || {
        if !is_engineer() {
            return view! { <EmptyState icon="lock" title="Your role does not build images" text="Ask an admin for the role engineer."/> }.into_any();
        }
        if !ready.get() {
            return view! { <Skeleton lines=10/> }.into_any();
        }
        view! { <BuildForm start=before.get_untracked()/> }.into_any()
    };
    view! {
        <section class="page narrow">
            <PageHead title="Build an image" sub=|| "Without the internet: from an image of this box, with its packages and your files."/>
            {body}
        </section>
    }
}

#[component]
fn BuildForm(start: Option<SubmitBuild>) -> impl IntoView {
    let by = param("by", "");
    let is_dockerfile = {
        let was = start.as_ref().is_some_and(|spec| spec.form.is_none());
        move || by.is("dockerfile") || (by.is("") && was)
    };
    let form = Form::new(start);
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let refused = RwSignal::new(None::<api::ApiError>);
    let why_not = Signal::derive(move || form.why_not(is_dockerfile()));
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        refused.set(None);
        if why_not.get_untracked().is_some() || busy.get_untracked() {
            return;
        }
        let Some(wish) = form.read(untrack(is_dockerfile)) else {
            return toast(Tone::Bad, "The form is not complete", "Look at the marked fields.");
        };
        busy.set(true);
        spawn_local(async move {
            let answer = api::post::<_, BuildDetail>("/builds", &wish).await;
            let _ = busy.try_set(false);
            match answer {
                Ok(build) => go(&href(&build.summary.id)),
                Err(error) => drop(refused.try_set(Some(error))),
            }
        });
    };
    let choice = move |key: &'static str, text: &'static str| {
        let chosen = move || is_dockerfile() == (key == "dockerfile");
        view! { <button type="button" aria-pressed=move || chosen().to_string() on:click=move |_| by.set(key)>{text}</button> }
    };
    view! {
        <form novalidate on:submit=submit>
            <Card title="Where it goes"><div class="thirds even">
                <Field id="repository" label="Name" value=form.repository check=recipe::check_repository tried=tried mono=true placeholder="team/app"
                    hint="In the registry of this box."/>
                <Field id="tag" label="Tag" value=form.tag check=recipe::check_tag tried=tried mono=true placeholder="latest"
                    hint="It moves to the new image; the one before stays under its digest."/>
            </div></Card>
            <div class="segments by-what" role="group" aria-label="Built from">
                {choice("form", "Base image and packages")}{choice("dockerfile", "Dockerfile")}
            </div>
            <Show when=is_dockerfile fallback=move || view! { <ByForm form tried/> }><ByDockerfile form tried/></Show>
            {move || refused.get().map(|e| {
                let title = if e.code == ErrorCode::Refused { "The build was refused. " } else { "The build was not taken. " };
                view! { <p class="callout bad" role="alert"><Icon name="triangle-alert"/><span><b>{title}</b>{e.message}
                    {(!e.request_id.is_empty()).then(|| view! { " Request "<code>{e.request_id}</code> })}</span></p> }
            })}
            <div class="actions">
                <LinkButton href="/builds">"Cancel"</LinkButton>
                <Show when=move || !is_dockerfile()><PreviewButton form by tried/></Show>
                <Button look=Look::Primary icon="hammer" submit=true busy why_not testid="submit-build">"Build it"</Button>
            </div>
        </form>
    }
}

fn check_pairs(text: &str) -> Result<(), &'static str> {
    recipe::pairs(text).map(drop)
}

fn check_command(text: &str) -> Result<(), &'static str> {
    split_words(text).map(drop)
}

/// What is wrong with a field of several lines, once a submit was tried.
fn wrong(
    value: RwSignal<String>,
    tried: RwSignal<bool>,
    check: fn(&str) -> Result<(), &'static str>,
) -> Signal<Option<String>> {
    Signal::derive(move || tried.get().then(|| value.with(|v| check(v).err().map(str::to_owned))).flatten())
}

#[component]
fn ByForm(form: Form, tried: RwSignal<bool>) -> impl IntoView {
    view! {
        <Card title="What is in it"><div class="stack">
            <Field id="base" label="Base image" value=form.base mono=true placeholder="Drydock's runtime image"
                hint="On this box or of its registry, such as localhost:5000/team/base:1. The runtime image has Python, mlflow, scikit-learn and pandas."/>
            <TextArea id="requirements" label="Python packages" value=form.requirements rows=5 mono=true
                hint="As in requirements.txt, one a line; installed by pip from the packages of this box."/>
            <div class="field">
                <span class="label">"Debian packages"</span>
                <DropFiles files=form.debs text="Drop .deb files here"/>
                <p class="note">"Installed by dpkg all at once: what they depend on has to be in the base image or among them."</p>
            </div>
            <div class="field">
                <span class="label">"Code"</span>
                <DropFiles files=form.code text="Drop files and folders here" paths=true/>
                <LeaveOutFolder files=form.code form/>
                <p class="note">"Lies below /app, which is also where programs start."</p>
            </div>
        </div></Card>
        <Card title="How it runs"><div class="stack">
            <Field id="build-command" label="Command" value=form.command check=check_command tried=tried mono=true
                placeholder="As in the base image" hint="What runs when a job names no command; as in a shell."/>
            <TextArea id="environment" label="Environment" value=form.environment rows=3 mono=true
                refused=wrong(form.environment, tried, check_pairs) hint="NAME=value, one a line. They stay in the image: no secrets."/>
        </div></Card>
    }
}

#[component]
fn ByDockerfile(form: Form, tried: RwSignal<bool>) -> impl IntoView {
    let no_text = move || form.dockerfile.with(|text| text.trim().is_empty());
    view! {
        <Card title="The recipe"><div class="stack">
            <TextArea id="dockerfile" label="Dockerfile" value=form.dockerfile rows=12 mono=true
                hint="FROM names an image of this box or of its registry. RUN reaches the packages of this box and nothing else. Empty: the one among the files."/>
            <Show when=no_text>
                <Field id="dockerfile-path" label="Its path among the files" value=form.dockerfile_path mono=true placeholder="Dockerfile"/>
            </Show>
            <div class="field">
                <span class="label">"Files"</span>
                <Interrupted goal=Signal::derive(move || form.context.uploads.goal())/>
                <DropFiles files=form.context text="Drop a folder, files or one archive here" paths=true/>
                <Show when=move || form.archive.with(Option::is_some)>
                    <p class="row"><Icon name="package"/><span>"The archive of the build before"</span><span class="push"></span>
                        <button type="button" class="icon-btn" aria-label="Take out the archive of the build before" on:click=move |_| form.archive.set(None)><Icon name="x"/></button></p>
                </Show>
                <Show when=move || form.single_archive() fallback=move || view! { <LeaveOutFolder files=form.context form/> }>
                    <label class="check below"><input type="checkbox" prop:checked=move || form.unpacks.get()
                        on:change:target=move |e| form.unpacks.set(e.target().checked())/>"Unpack the archive: the Dockerfile copies what is in it"</label>
                </Show>
                <p class="note">"What COPY and ADD find, by their paths from here. More than 2,000 files come as one archive (tar, tar.gz, tar.zst)."</p>
            </div>
            <TextArea id="args" label="Arguments" value=form.args rows=3 mono=true
                refused=wrong(form.args, tried, check_pairs) hint="Values of the Dockerfile's ARGs: NAME=value, one a line. They stay in the image's history: no secrets."/>
        </div></Card>
    }
}

/// Files of a field: what is dropped now, and what the build before had.
#[component]
fn DropFiles(files: Files, text: &'static str, #[prop(optional)] paths: bool) -> impl IntoView {
    let kept = files.kept;
    view! {
        <DropZone uploads=files.uploads text/>
        <UploadList uploads=files.uploads paths/>
        <Show when=move || !kept.with(Vec::is_empty)>
            <ul class="uploads">
                {move || kept.get().into_iter().map(|file| {
                    let path = file.path.clone();
                    view! {
                        <li><Icon name="file"/><span class="mono">{file.path.clone()}</span><span class="dim">"from the build before"</span><span class="state"></span>
                            <button type="button" class="icon-btn" aria-label=format!("Take out {}", file.path)
                                on:click=move |_| kept.update(|k| k.retain(|f| f.path != path))><Icon name="x"/></button></li>
                    }
                }).collect_view()}
            </ul>
        </Show>
    }
}

/// One folder that was dropped is usually meant as the top.
#[component]
fn LeaveOutFolder(files: Files, form: Form) -> impl IntoView {
    let folder = move || files.folder().unwrap_or_default();
    view! {
        <Show when=move || !folder().is_empty()>
            <label class="check below"><input type="checkbox" prop:checked=move || form.strips.get()
                on:change:target=move |e| form.strips.set(e.target().checked())/>
                <span>"Leave out the folder’s own name, "<code>{folder}</code></span></label>
        </Show>
    }
}
