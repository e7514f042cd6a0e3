//! The form that submits a job.

use super::code::{DataPicker, Pairs, read_pairs, split_words};
use crate::{
    api::{self, seg},
    app::go,
    pages::parts::{DropZone, ResourceFields, ResourceForm, UploadList, Uploads},
    session::may,
    ui::{Button, Card, EmptyState, Field, LinkButton, Look, PageHead, Show, Tone, toast, url::param},
};
use drydock_wire::{
    ErrorCode,
    accounts::Role,
    jobs::{CodeFile, DatasetRef, JobDetail, Resources, SubmitJob},
    storage::KeyScope,
    validate,
};
use leptos::{prelude::*, task::spawn_local};

/// The fields' contents.
#[derive(Clone, Copy)]
struct Form {
    name: RwSignal<String>,
    image: RwSignal<String>,
    command: RwSignal<String>,
    timeout_min: RwSignal<String>,
    experiment: RwSignal<String>,
    env: RwSignal<Vec<(RwSignal<String>, RwSignal<String>)>>,
    data: RwSignal<Vec<DatasetRef>>,
    /// Files of the job that this one repeats.
    kept: RwSignal<Vec<CodeFile>>,
    uploads: Uploads,
    resources: StoredValue<ResourceForm>,
    /// Of the job that this one repeats: what its S3 key opens.
    buckets: StoredValue<Vec<KeyScope>>,
}

#[component]
pub fn NewJobPage() -> impl IntoView {
    let from = param("from", "");
    let dataset = param("dataset", "");
    let before = RwSignal::new(None::<SubmitJob>);
    let ready = RwSignal::new(from.get_untracked().is_empty());
    if !from.get_untracked().is_empty() {
        let path = format!("/jobs/{}", seg(&from.get_untracked()));
        spawn_local(async move {
            match api::get::<JobDetail>(&path).await {
                Ok(job) => drop(before.try_set(Some(job.spec))),
                Err(error) => toast(Tone::Bad, "The job to repeat could not be read", &error.message),
            }
            let _ = ready.try_set(true);
        });
    }
    let body = move || {
        if !may(Role::Engineer) {
            return view! { <EmptyState icon="lock" title="Your role does not submit jobs" text="Ask an admin for the role engineer."/> }.into_any();
        }
        if !ready.get() {
            return view! { <crate::ui::Skeleton lines=10/> }.into_any();
        }
        view! { <JobForm start=before.get_untracked() dataset=dataset.get_untracked()/> }.into_any()
    };
    view! {
        <section class="page narrow">
            <PageHead title="Submit a job" sub=|| "Your code in a container of its own, cut off from the network except for Drydock."/>
            {body}
        </section>
    }
}

impl Form {
    fn new(start: Option<SubmitJob>, dataset: &str) -> Self {
        let text = |v: Option<String>| RwSignal::new(v.unwrap_or_default());
        let start = start.as_ref();
        let pair = |(k, v): (&String, &String)| (RwSignal::new(k.clone()), RwSignal::new(v.clone()));
        let mut data = start.map(|s| s.datasets.clone()).unwrap_or_default();
        if !dataset.is_empty() {
            data.push(DatasetRef { name: dataset.to_owned(), version: None });
        }
        Self {
            name: text(start.map(|s| s.name.clone())),
            image: text(start.and_then(|s| s.image.clone())),
            command: text(Some(
                start.map_or_else(|| "python3 /workspace/train.py".to_owned(), |s| super::code::join_words(&s.command)),
            )),
            timeout_min: text(start.and_then(|s| s.timeout_s).map(|s| (s as f64 / 60.0).to_string())),
            experiment: text(start.and_then(|s| s.experiment.clone())),
            env: RwSignal::new(start.map(|s| s.env.iter().map(pair).collect()).unwrap_or_default()),
            data: RwSignal::new(data),
            kept: RwSignal::new(start.map(|s| s.code.clone()).unwrap_or_default()),
            uploads: Uploads::of("job/code".to_owned()).of_this_page(),
            resources: StoredValue::new(ResourceForm::new(&start.map(|s| s.resources.clone()).unwrap_or_default())),
            buckets: StoredValue::new(start.map(|s| s.buckets.clone()).unwrap_or_default()),
        }
    }

    /// The job, or that a field is wrong (the field says so itself).
    fn read(&self) -> Option<SubmitJob> {
        let (name, command) = (self.name.get_untracked(), self.command.get_untracked());
        let resources: Resources = self.resources.get_value().read()?;
        check_name(&name).and(check_command(&command)).and(check_minutes(&self.timeout_min.get_untracked())).ok()?;
        let env = read_pairs(&untrack(|| self.env.get())).ok()?;
        let minutes = self.timeout_min.get_untracked().trim().parse::<f64>().ok();
        let filled = |s: RwSignal<String>| Some(s.get_untracked().trim().to_owned()).filter(|t| !t.is_empty());
        let new: Vec<CodeFile> =
            self.uploads.files().into_iter().map(|f| CodeFile { path: f.path, digest: f.digest }).collect();
        let kept = self.kept.get_untracked().into_iter().filter(|k| !new.iter().any(|n| n.path == k.path));
        if new.iter().any(|f| validate::relative_path(&f.path).is_err()) {
            return None;
        }
        Some(SubmitJob {
            name: name.trim().to_owned(),
            image: filled(self.image),
            command: split_words(&command).ok()?,
            env,
            code: kept.chain(new.clone()).collect(),
            datasets: self.data.get_untracked(),
            resources,
            timeout_s: minutes.map(|m| (m * 60.0) as u64),
            experiment: filled(self.experiment),
            buckets: self.buckets.get_value(),
            ..SubmitJob::default()
        })
    }
}

fn check_name(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() { Err("Give the job a name.") } else { validate::slug(text.trim()) }
}

fn check_command(text: &str) -> Result<(), &'static str> {
    match split_words(text) {
        Ok(words) if words.is_empty() => Err("Say which program to run, such as python3 /workspace/train.py."),
        Ok(_) => Ok(()),
        Err(text) => Err(text),
    }
}

fn check_minutes(text: &str) -> Result<(), &'static str> {
    match text.trim() {
        "" => Ok(()),
        text => match text.parse::<f64>() {
            Ok(n) if (0.1..=100_000.0).contains(&n) => Ok(()),
            _ => Err("A number of minutes, or nothing for no limit."),
        },
    }
}

#[component]
fn JobForm(start: Option<SubmitJob>, dataset: String) -> impl IntoView {
    let form = Form::new(start, &dataset);
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let refused = RwSignal::new(None::<api::ApiError>);
    let why_not = Signal::derive(move || form.uploads.why_not());
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        refused.set(None);
        let Some(job) = form.read() else {
            toast(Tone::Bad, "The form is not complete", "Look at the marked fields.");
            return;
        };
        if untrack(|| why_not.get()).is_some() || busy.get_untracked() {
            return;
        }
        busy.set(true);
        spawn_local(async move {
            let answer = api::post::<_, JobDetail>("/jobs", &job).await;
            let _ = busy.try_set(false);
            match answer {
                Ok(job) => go(&format!("/jobs/{}", seg(&job.summary.id))),
                Err(error) => drop(refused.try_set(Some(error))),
            }
        });
    };
    view! {
        <form novalidate on:submit=submit>
            <Card title="What runs"><div class="stack"><Program form tried/></div></Card>
            <Card title="Data and settings"><div class="stack"><Inputs form tried/></div></Card>
            <Card title="What it may use"><div class="stack">
                <ResourceFields form=form.resources.get_value() tried=tried.into()/>
                <Field id="timeout" label="Time limit (minutes)" value=form.timeout_min check=check_minutes tried=tried
                    hint="The job is stopped and failed after this long; nothing means no limit."/>
            </div></Card>
            {move || refused.get().map(|e| {
                let title = if e.code == ErrorCode::Refused { "The job was refused. " } else { "The job was not submitted. " };
                view! { <p class="callout bad" role="alert"><crate::ui::Icon name="triangle-alert"/><span><b>{title}</b>{e.message}
                    {(!e.request_id.is_empty()).then(|| view! { " Request "<code>{e.request_id}</code> })}</span></p> }
            })}
            <div class="actions">
                <LinkButton href="/jobs">"Cancel"</LinkButton>
                <Button look=Look::Primary icon="play" submit=true busy why_not testid="submit-job">"Submit the job"</Button>
            </div>
        </form>
    }
}

#[component]
fn Program(form: Form, tried: RwSignal<bool>) -> impl IntoView {
    let kept = move || form.kept.get();
    view! {
        <Field id="job-name" label="Name" value=form.name check=check_name tried=tried hint="Such as train-wine; jobs may share a name." mono=true/>
        <Field id="command" label="Command" value=form.command check=check_command tried=tried mono=true
            hint="Program and arguments, as in a shell. The files below lie in /workspace; it starts in /scratch, where it may write."/>
        <div class="field">
            <span class="label">"Code"</span>
            <DropZone uploads=form.uploads text="Drop the program's files here"/>
            <UploadList uploads=form.uploads paths=true/>
            <Show when=move || !form.kept.with(Vec::is_empty)>
                <ul class="uploads">
                    {move || kept().into_iter().map(|f| {
                        let path = f.path.clone();
                        view! {
                            <li><crate::ui::Icon name="file"/><span class="mono">{f.path.clone()}</span><span class="dim">"from the job before"</span><span class="state"></span>
                                <button type="button" class="icon-btn" aria-label=format!("Take out {}", f.path)
                                    on:click=move |_| form.kept.update(|k| k.retain(|f| f.path != path))><crate::ui::Icon name="x"/></button></li>
                        }
                    }).collect_view()}
                </ul>
            </Show>
        </div>
        <Field id="image" label="Image" value=form.image mono=true placeholder="Drydock's runtime image"
            hint="An image on this box or of its registry, such as localhost:5000/team/app:1. The runtime image has Python, mlflow, scikit-learn and pandas."/>
    }
}

#[component]
fn Inputs(form: Form, tried: RwSignal<bool>) -> impl IntoView {
    view! {
        <DataPicker chosen=form.data/>
        <Field id="experiment" label="Experiment" value=form.experiment placeholder="Default"
            hint="Where runs of this job are logged; it is made when it does not exist."/>
        <Pairs pairs=form.env tried/>
    }
}
