//! What a job left, as a version of a dataset: a new one or one that is there. Nothing is copied.

use crate::{
    api::{self, seg},
    app::go,
    format,
    live::remote,
    pages::parts::{Listing, query},
    reactive::memo,
    ui::{Button, Choice, Dialog, Field, Look, SelectField, Show, Suggestions, Tone, act, field::focus_wrong, toast},
};
use drydock_wire::{
    datasets::{CreatedVersion, DatasetSummary},
    events::Topic,
    jobs::{DatasetFromOutputs, JobOutputs},
    validate,
};
use leptos::prelude::*;

/// `folder`: the one that is looked at, which is what is taken unless another is typed.
#[component]
pub fn IntoDataset(
    open: RwSignal<bool>,
    job: Memo<String>,
    outputs: Signal<JobOutputs>,
    folder: Signal<String>,
) -> impl IntoView {
    view! { <Dialog open title="Make a dataset of it"><Form open job outputs folder/></Dialog> }
}

#[derive(Clone, Copy)]
struct Fields {
    /// `new` or `old`.
    which: RwSignal<String>,
    name: RwSignal<String>,
    chosen: RwSignal<String>,
    /// The files of the latest version stay.
    keep: RwSignal<bool>,
    path: RwSignal<String>,
    message: RwSignal<String>,
}

impl Fields {
    fn in_folder(folder: &str) -> Self {
        let text = |text: &str| RwSignal::new(text.to_owned());
        Self {
            which: text("new"),
            name: text(""),
            chosen: text(""),
            keep: RwSignal::new(false),
            path: text(folder.trim_matches('/')),
            message: text(""),
        }
    }

    fn is_new(self) -> bool {
        self.which.with(|w| w == "new")
    }

    /// What is asked for; nothing while a field says what is wrong with it.
    fn read(self, taken: &[DatasetSummary]) -> Option<DatasetFromOutputs> {
        let is_new = untrack(|| self.is_new());
        let dataset = if is_new { self.name.get_untracked() } else { self.chosen.get_untracked() };
        let known = taken.iter().find(|d| d.name == dataset);
        let path = self.path.get_untracked();
        check_path(&path).ok()?;
        match is_new {
            true if validate::slug(&dataset).is_err() || known.is_some() => return None,
            false if known.is_none() => return None,
            _ => {}
        }
        let onto = !is_new && self.keep.get_untracked() && known.is_some_and(|d| d.latest.is_some());
        Some(DatasetFromOutputs {
            dataset,
            create: is_new,
            path: path.trim().trim_matches('/').to_owned(),
            attempt: None,
            message: self.message.get_untracked().trim().to_owned(),
            base_version: onto.then(|| "latest".to_owned()),
            into: String::new(),
        })
    }
}

fn check_path(text: &str) -> Result<(), &'static str> {
    match text.trim().trim_matches('/') {
        "" => Ok(()),
        path => validate::relative_path(path),
    }
}

#[component]
fn Form(open: RwSignal<bool>, job: Memo<String>, outputs: Signal<JobOutputs>, folder: Signal<String>) -> impl IntoView {
    let fields = Fields::in_folder(&folder.get_untracked());
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let all = remote::<Listing<DatasetSummary>>(|| Some("/datasets".to_owned()), &[Topic::Datasets]);
    let datasets = memo(move || all.data.with(|l| l.as_ref().map(|l| l.items().to_vec()).unwrap_or_default()));
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let Some(wish) = datasets.with_untracked(|known| fields.read(known)) else { return focus_wrong() };
        let attempt = Some(outputs.with_untracked(|o| o.attempt));
        send(&job.get_untracked(), DatasetFromOutputs { attempt, ..wish }, busy, open);
    };
    let suggested = memo(move || {
        outputs.with(|o| o.entries.iter().map(|e| e.path.trim_end_matches('/').to_owned()).collect::<Vec<_>>())
    });
    view! {
        <form novalidate on:submit=submit>
            <p class="soft">"A version of a dataset that refers to the same content: nothing is copied, and it stays when the job's outputs go."</p>
            <Which fields datasets tried/>
            <Field id="outputs-path" label="Of the outputs" value=fields.path check=check_path tried=tried mono=true list="outputs-paths"
                hint="A folder or a file below /outputs; empty: all of it."/>
            <Suggestions id="outputs-paths" values=suggested/>
            <Field id="outputs-message" label="Message" value=fields.message hint="What it is, in a line."/>
            <div class="actions">
                <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                <Button look=Look::Primary icon="database" submit=true busy=busy>
                    {move || if fields.is_new() { "Make the dataset" } else { "Add the version" }}</Button>
            </div>
        </form>
    }
}

/// A new dataset with its name, or one that is there.
#[component]
fn Which(fields: Fields, datasets: Memo<Vec<DatasetSummary>>, tried: RwSignal<bool>) -> impl IntoView {
    let taken = memo(move || {
        let is_taken = fields.name.with(|name| datasets.with(|all| all.iter().any(|d| d.name == *name)));
        is_taken.then(|| "There is a dataset of that name; to add to it, choose it above.".to_owned())
    });
    let options = memo(move || {
        let version = |d: &DatasetSummary| match &d.latest {
            Some(latest) => format!("{} (version {})", d.name, latest.version),
            None => format!("{} (empty)", d.name),
        };
        let first = (String::new(), "Choose a dataset".to_owned());
        let rest = datasets.with(|all| all.iter().map(|d| (d.name.clone(), version(d))).collect::<Vec<_>>());
        std::iter::once(first).chain(rest).collect::<Vec<_>>()
    });
    let latest = memo(move || {
        let chosen = fields.chosen.get();
        datasets.with(|all| all.iter().find(|d| d.name == chosen).and_then(|d| d.latest.as_ref().map(|v| v.file_count)))
    });
    let unchosen = memo(move || tried.get() && fields.chosen.with(String::is_empty));
    let which = move || {
        if fields.is_new() {
            return view! {
                <Field id="outputs-dataset" label="Name" value=fields.name check=validate::slug refused=taken tried=tried mono=true autofocus=true
                    placeholder="clean-wine" hint="Jobs find it at /data/NAME."/>
            }
            .into_any();
        }
        view! {
            <div class="stack">
                <SelectField id="outputs-known" label="Dataset" value=fields.chosen options/>
                <Show when=move || unchosen.get()><p class="missing" role="alert">"Choose the dataset."</p></Show>
                <Show when=move || latest.get().is_some()>
                    <label class="check">
                        <input type="checkbox" prop:checked=move || fields.keep.get() on:change:target=move |e| fields.keep.set(e.target().checked())/>
                        <span>{move || format!("Keep the {} of its latest version, unless one of the same name comes",
                            format::plural(latest.get().unwrap_or_default(), "file"))}</span>
                    </label>
                </Show>
            </div>
        }
        .into_any()
    };
    view! {
        <Choice id="outputs-which" label="Make it" value=fields.which
            options=vec![("new", "a new dataset".to_owned()), ("old", "a version of a dataset that there is".to_owned())]/>
        {which}
    }
}

fn send(job: &str, wish: DatasetFromOutputs, busy: RwSignal<bool>, open: RwSignal<bool>) {
    let (path, name) = (format!("/jobs/{}/outputs/dataset", seg(job)), wish.dataset.clone());
    let call = async move { api::post::<_, CreatedVersion>(&path, &wish).await };
    act(busy, "The dataset was not made", call, move |made| {
        open.set(false);
        let version = made.version.version;
        match made.created {
            true => toast(
                Tone::Good,
                &format!("Version {version} of {name} made"),
                &format!("{}, not copied", format::plural(made.version.file_count, "file")),
            ),
            false => toast(
                Tone::Info,
                "Nothing changed",
                &format!("The content is that of version {version} of {name}; no version was made."),
            ),
        }
        go(&query(&format!("/datasets/{}", seg(&name)), &[("tab", "files".to_owned())]));
    });
}
