//! What an installation would lack: for a requirements file, and for the packages of the box themselves.

use super::href;
use crate::{
    api, format,
    live::Remote,
    pages::parts::{SaveText, is_engineer},
    ui::{Button, Card, EmptyState, Icon, Loaded, Look, SelectField, Show, TextArea, Tone, act, toast},
};
use drydock_wire::packages::{AskMissing, FoundPackage, MissingPackage, MissingPackages, PackageIndex};
use leptos::{html, prelude::*, task::spawn_local};
use wasm_bindgen_futures::JsFuture;

/// The runtime image's own first.
const PYTHONS: [&str; 6] = ["3.11", "3.9", "3.10", "3.12", "3.13", "3.14"];
const PLATFORMS: [(&str, &str); 4] = [
    ("", "As the runtime image (Debian 12)"),
    ("manylinux_2_28_x86_64", "Linux from 2018, x86-64"),
    ("manylinux_2_39_x86_64", "Linux from 2024, x86-64"),
    ("manylinux_2_36_aarch64", "Debian 12, ARM 64"),
];

#[component]
pub fn Missing(index: Remote<PackageIndex>) -> impl IntoView {
    view! {
        {is_engineer().then(|| view! { <Check/> })}
        <Loaded remote=index lines=4 let:index>
            {
                let own = Signal::derive(move || index.with(|i| i.missing.clone()));
                view! {
                    <Card title="What packages of the box ask for in vain">
                        <Show when=move || own.with(|m| !m.missing.is_empty()) fallback=move || view! {
                            <p class="dim none">{move || match index.with(|i| i.package_count) {
                                0 => "There are no packages yet, so nothing is asked for.",
                                _ => "Nothing: everything that they require is here, or in the runtime image.",
                            }}</p>
                        }>
                            <MissingTable missing=own/>
                        </Show>
                    </Card>
                }
            }
        </Loaded>
    }
}

/// The form: a requirements file, and for which Python.
#[component]
fn Check() -> impl IntoView {
    let text = RwSignal::new(String::new());
    let (python, platform) = (RwSignal::new(PYTHONS[0].to_owned()), RwSignal::new(String::new()));
    let runtime = RwSignal::new(true);
    let busy = RwSignal::new(false);
    let told = RwSignal::new(None::<MissingPackages>);
    crate::reactive::effect(move || {
        // another question: what was answered is not about it
        (text.track(), python.track(), platform.track(), runtime.track());
        told.set(None);
    });
    let is_own = move || python.with(|p| p == PYTHONS[0]) && platform.with(String::is_empty);
    let why_not = Signal::derive(move || {
        text.with(|t| t.trim().is_empty()).then(|| "Paste requirements, or choose a file with them.".to_owned())
    });
    let check = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        if why_not.get_untracked().is_some() {
            return;
        }
        let filled = |value: RwSignal<String>| Some(value.get_untracked()).filter(|v| !v.is_empty());
        let wish = AskMissing {
            requirements: text.get_untracked(),
            python: filled(python),
            platform: filled(platform),
            runtime: Some(runtime.get_untracked() && untrack(is_own)),
        };
        let call = async move { api::post::<_, MissingPackages>("/packages/missing", &wish).await };
        act(busy, "The requirements were not checked", call, move |answer| told.set(Some(answer)));
    };
    let options =
        |all: &[(&str, &str)]| all.iter().map(|(v, t)| ((*v).to_owned(), (*t).to_owned())).collect::<Vec<_>>();
    let pythons: Vec<(&str, &str)> = PYTHONS.iter().map(|p| (*p, *p)).collect();
    view! {
        <Card title="Check a requirements file">
            <form novalidate on:submit=check>
                <TextArea id="requirements" label="Requirements" value=text rows=7 mono=true
                    hint="As in requirements.txt, one a line. What each of them requires is followed, too."/>
                <div class="thirds even">
                    <SelectField id="missing-python" label="Python" value=python options=Signal::stored(options(&pythons))/>
                    <SelectField id="missing-platform" label="Platform" value=platform options=Signal::stored(options(&PLATFORMS))/>
                </div>
                <Show when=is_own>
                    <label class="check">
                        <input type="checkbox" prop:checked=move || runtime.get() on:change:target=move |e| runtime.set(e.target().checked())/>
                        "What the runtime image has installed counts as there"
                    </label>
                </Show>
                <div class="actions">
                    <ReadFile text/>
                    <Button look=Look::Primary icon="list-checks" submit=true busy why_not>"Check"</Button>
                </div>
            </form>
        </Card>
        {move || told.get().map(|answer| view! { <Answer answer/> })}
    }
}

/// Puts a file's text into the field.
#[component]
fn ReadFile(text: RwSignal<String>) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    let chosen = move |_| {
        let Some(input) = input.get_untracked() else { return };
        let Some(file) = input.files().and_then(|files| files.item(0)) else { return };
        input.set_value("");
        spawn_local(async move {
            match JsFuture::from(file.text()).await.ok().and_then(|read| read.as_string()) {
                Some(read) => drop(text.try_set(read)),
                None => toast(Tone::Bad, "The file could not be read", "Paste its lines into the field."),
            }
        });
    };
    view! {
        <label class="btn"><Icon name="file-text"/>"Choose a file"
            <input class="sr" type="file" accept=".txt,.in,text/plain" node_ref=input data-testid="pick-requirements" on:change=chosen/></label>
    }
}

#[component]
fn Answer(answer: MissingPackages) -> impl IntoView {
    let (missing, found) = (answer.missing.len() as u64, answer.found.len() as u64);
    let skipped = answer.skipped.clone();
    let all_found = answer.found.clone();
    let (tone, icon, title) = match missing {
        0 => ("good", "circle-check", format!("Nothing is missing: {} are here.", format::plural(found, "package"))),
        n => {
            let verb = if n == 1 { "is" } else { "are" };
            let title = format!("{} of {} {verb} missing.", format::number(n), format::plural(n + found, "package"));
            ("warn", "triangle-alert", title)
        }
    };
    let shown = Signal::stored(answer);
    view! {
        <div class="panel" data-testid="missing-answer">
            <p class=format!("callout {tone}") role="status"><Icon name=icon/><span><b>{title}</b>
                {(missing != 0).then_some(" Take the list to a machine with internet; it says how to fetch the wheels and how to bring them.")}</span></p>
            {(!skipped.is_empty()).then(|| view! {
                <p class="callout info"><Icon name="info"/><span>"Not looked at, since these lines name no package: "
                    {skipped.into_iter().map(|line| view! { <code>{line}</code>" " }).collect_view()}</span></p>
            })}
            {(missing != 0).then(|| view! { <Card title="Missing"><MissingTable missing=shown/></Card> })}
            {(found != 0).then(|| view! {
                <details class="how-to"><summary>{format!("What is here ({})", format::number(found))}</summary><Found found=all_found/></details>
            })}
        </div>
    }
}

/// What is missing, why, who asks for it, and the list to take along.
#[component]
pub fn MissingTable(
    #[prop(into)] missing: Signal<MissingPackages>,
    /// Where the server has the same list as a file; absent: the page makes one.
    #[prop(optional, into)]
    href: Option<String>,
) -> impl IntoView {
    let list = Signal::derive(move || missing.with(|m| m.list.clone()));
    let target = move || missing.with(|m| format!("For Python {} on {}.", m.python, m.platform));
    let save = match href {
        Some(href) => {
            view! { <a class="btn" href=href download="missing.txt"><Icon name="download"/>"Download the list"</a> }
                .into_any()
        }
        None => view! { <SaveText text=list file="missing.txt" label="Download the list"/> }.into_any(),
    };
    view! {
        <div class="stack">
            <div class="pane" role="region" aria-label="Missing packages" tabindex="0">
                <table class="grid lacking" aria-label="Missing packages">
                    <thead><tr><th scope="col">"Wanted"</th><th scope="col">"Why not"</th><th scope="col">"Asked for by"</th></tr></thead>
                    <tbody>{move || missing.with(|m| m.missing.iter().map(line).collect_view())}</tbody>
                </table>
            </div>
            <div class="row wraps">
                <p class="dim">{target}</p><span class="push"></span>{save}
            </div>
            <details class="how-to"><summary>"The list, with the commands"</summary><pre class="code" tabindex="0">{move || list.get()}</pre></details>
        </div>
    }
}

fn line(one: &MissingPackage) -> impl IntoView + use<> {
    view! {
        <tr>
            <td class="mono">{one.requirement.clone()}</td>
            <td>{one.why.clone()}</td>
            <td class="among">{one.asked_by.iter().map(|by| asker(by)).collect_view()}</td>
        </tr>
    }
}

/// `numpy 2.0.1` leads to its page; `requirements` is the file itself.
fn asker(by: &str) -> AnyView {
    match by.split_once(' ') {
        Some((name, _)) => view! { <a href=href(name)>{by.to_owned()}</a>" " }.into_any(),
        None if by == "requirements" => view! { <span class="dim">"the file itself "</span> }.into_any(),
        None => view! { <span>{by.to_owned()}" "</span> }.into_any(),
    }
}

#[component]
fn Found(found: Vec<FoundPackage>) -> impl IntoView {
    if found.is_empty() {
        return view! { <EmptyState icon="boxes" title="Nothing of it is here" text="Bring the wheels of the list."/> }
            .into_any();
    }
    let row = |one: FoundPackage| {
        let place = match one.filename {
            Some(file) => view! { <a class="mono" href=href(&one.name)>{file}</a> }.into_any(),
            None => view! { <span class="dim">"installed in the runtime image"</span> }.into_any(),
        };
        view! { <tr><td>{one.name}</td><td class="mono">{one.version}</td><td class="among">{place}</td></tr> }
    };
    view! {
        <div class="pane" role="region" aria-label="Packages that are here" tabindex="0">
            <table class="grid" aria-label="Packages that are here">
                <thead><tr><th scope="col">"Package"</th><th scope="col">"Version"</th><th scope="col">"Wheel"</th></tr></thead>
                <tbody>{found.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}
