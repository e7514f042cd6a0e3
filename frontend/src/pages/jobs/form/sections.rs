//! The sections of the job form. Those that most jobs leave alone are folded, and say in their head what is set.

use super::{
    fields::{DataPicker, SecretPicker},
    state::{
        Form, check_backoff, check_command, check_cpus, check_disk, check_gpus, check_grace, check_memory, check_name,
        check_priority, check_retries, check_seed, check_time,
    },
    sweep::{self, ParamsSection},
};
use crate::{
    format,
    live::remote,
    pages::parts::{DropZone, Fold, Listing, Pairs, UploadList, short_id},
    shell::use_overview,
    ui::{Card, Field, Icon, SelectField, Show, TextArea},
};
use drydock_wire::{events::Topic, overview::Overview, queues::Queue};
use leptos::prelude::*;

#[component]
pub fn Sections(form: Form, tried: RwSignal<bool>) -> impl IntoView {
    let again = move || match (form.again.limit.get().as_str(), form.again.resumable.get()) {
        ("0", false) => "a failed job stays failed".to_owned(),
        ("0", true) => "resumable".to_owned(),
        (n, resumable) => format!("up to {n} more{}", if resumable { ", resumable" } else { "" }),
    };
    let secrets = move || match form.secrets.with(Vec::len) {
        0 => "none".to_owned(),
        n => format::plural(n as u64, "secret"),
    };
    let queue = move || {
        let queue = form.queue.get();
        let priority = Some(form.priority.get()).filter(|p| !matches!(p.as_str(), "" | "0"));
        let queue = if queue.is_empty() { "default".to_owned() } else { queue };
        priority.map_or(queue.clone(), |p| format!("{queue}, priority {p}"))
    };
    let env = move || match form.env.with(Vec::len) {
        0 => "none".to_owned(),
        n => format::plural(n as u64, "variable"),
    };
    let start = untrack(|| form.wish());
    let (params, job) = match &start {
        crate::wish::Wish::Job(job) => (!job.params.is_empty(), job.clone()),
        crate::wish::Wish::Sweep(sweep) => (true, sweep.job.clone()),
    };
    view! {
        <Card title="What runs"><div class="stack"><Program form tried/></div></Card>
        <Card title="Data"><div class="stack"><Inputs form/></div></Card>
        <Card title="What it may use"><div class="stack"><UsesFields form tried/></div></Card>
        <Fold title="Parameters and sweep" set=Signal::derive(move || sweep::summary(form)) open=params><ParamsSection form tried/></Fold>
        <Fold title="Queue and priority" set=Signal::derive(queue) open={job.queue.is_some() || job.priority != 0}><QueueFields form tried/></Fold>
        <Fold title="Retries and resume" set=Signal::derive(again) open={job.retries.limit > 0 || job.resume.is_some()}><AgainFields form tried/></Fold>
        <Fold title="Secrets" set=Signal::derive(secrets) open={!job.secrets.is_empty()}><SecretPicker chosen=form.secrets/></Fold>
        <Fold title="Environment and seed" set=Signal::derive(env) open={!job.env.is_empty()}>
            <Pairs pairs=form.env tried hint="Not for secrets: anyone who may see jobs sees these. Lines NAME=value can be pasted."/>
            <Field id="seed" label="Seed" value=form.seed check=check_seed tried=tried placeholder="drawn"
                hint="DRYDOCK_SEED and PYTHONHASHSEED; a job that is rerun exactly has the same."/>
        </Fold>
    }
}

#[component]
fn Program(form: Form, tried: RwSignal<bool>) -> impl IntoView {
    // several lines: a program in the command may have some, and an input would lose their ends
    let refused = move || {
        let said = form.command.with(|text| check_command(text).err()).filter(|_| tried.get());
        said.map(str::to_owned)
    };
    view! {
        <Field id="job-name" label="Name" value=form.name check=check_name tried=tried hint="Such as train-wine; jobs may share a name." mono=true/>
        <TextArea id="command" label="Command" value=form.command rows=2 refused=Signal::derive(refused) mono=true
            hint="Program and arguments, as in a shell. The code lies in /workspace; it starts in /scratch, where it may write. What it leaves in /outputs is kept."/>
        <div class="field">
            <span class="label">"Code"</span>
            <DropZone uploads=form.uploads text="Drop the program's files here"/>
            <UploadList uploads=form.uploads paths=true/>
            <Kept form/>
        </div>
        <Field id="image" label="Image" value=form.image mono=true placeholder="Drydock's runtime image"
            hint="An image on this box or of its registry, such as localhost:5000/team/app:1. The runtime image has Python, mlflow, scikit-learn and pandas."/>
    }
}

/// Code of the job that this one repeats.
#[component]
fn Kept(form: Form) -> impl IntoView {
    let file = move |path: String| {
        let gone = path.clone();
        view! {
            <li><Icon name="file"/><span class="mono">{path.clone()}</span><span class="dim">"from the job before"</span><span class="state"></span>
                <button type="button" class="icon-btn" aria-label=format!("Take out {path}")
                    on:click=move |_| form.kept.update(|k| k.retain(|f| f.path != gone))><Icon name="x"/></button></li>
        }
    };
    let folder = move || {
        form.snapshot.get().map(|s| {
            let what = match &s.git {
                Some(git) => format!("a checkout at {}{}", short_id(&git.commit), if git.dirty { " with changes" } else { "" }),
                None => format!("a folder, {}", short_id(s.digest.trim_start_matches("sha256:"))),
            };
            view! {
                <li><Icon name="folder"/><span>{what}</span><span class="dim">"sent from the command line"</span><span class="state"></span>
                    <button type="button" class="icon-btn" aria-label="Take out the folder" on:click=move |_| form.snapshot.set(None)><Icon name="x"/></button></li>
            }
        })
    };
    view! {
        <Show when=move || !form.kept.with(Vec::is_empty) || form.snapshot.with(Option::is_some)>
            <ul class="uploads">{folder}{move || form.kept.get().into_iter().map(|f| file(f.path)).collect_view()}</ul>
        </Show>
    }
}

#[component]
fn Inputs(form: Form) -> impl IntoView {
    view! {
        <DataPicker chosen=form.data/>
        <Field id="experiment" label="Experiment" value=form.experiment placeholder="Default"
            hint="Where its run is logged; it is made when it does not exist."/>
        <label class="check">
            <input type="checkbox" prop:checked=move || form.tracked.get() on:change:target=move |e| form.tracked.set(e.target().checked())/>
            "Make a tracked run for it, with its parameters and outputs"
        </label>
    }
}

#[component]
fn UsesFields(form: Form, tried: RwSignal<bool>) -> impl IntoView {
    let uses = form.uses;
    let box_state = use_overview();
    let has = move |words: fn(&Overview) -> String| {
        Signal::derive(move || box_state.data.with(|o| o.as_ref().map(words)).unwrap_or_default())
    };
    let cpus = has(|o| format!("The box has {}.", format::plural(u64::from(o.box_info.cpu_count), "core")));
    let memory = has(|o| format!("The box has {}.", format::bytes(o.box_info.memory_total_bytes)));
    let gpus = has(|o| match o.box_info.gpus.len() {
        0 => "The box has none.".to_owned(),
        n => format!("The box has {n}."),
    });
    let kinds = [("", "No GPU"), ("whole", "Whole GPUs"), ("share", "A share of one GPU")];
    let kinds: Vec<(String, String)> = kinds.map(|(v, t)| (v.to_owned(), t.to_owned())).into();
    view! {
        <div class="thirds">
            <div><Field id="cpus" label="CPU cores" value=uses.cpus check=check_cpus tried=tried/><p class="below">{move || cpus.get()}</p></div>
            <div><Field id="memory" label="Memory" value=uses.memory check=check_memory tried=tried/><p class="below">{move || memory.get()}</p></div>
            <div><Field id="disk" label="Disk" value=uses.disk check=check_disk tried=tried placeholder="4GiB"/>
                <p class="below">"For /scratch, /outputs and /checkpoints."</p></div>
        </div>
        <div class="thirds">
            <div><SelectField id="gpu" label="GPU" value=uses.gpu options=Signal::stored(kinds)/><p class="below">{move || gpus.get()}</p></div>
            <Show when=move || uses.gpu.get() == "whole"><Field id="gpus" label="How many GPUs" value=uses.gpus check=check_gpus tried=tried/></Show>
            <Show when=move || uses.gpu.get() == "share">
                <div><Field id="gpu-memory" label="GPU memory" value=uses.gpu_memory check=check_memory tried=tried/>
                    <p class="below">"A promise that is watched, no wall: who uses more is stopped."</p></div>
            </Show>
            <Field id="timeout" label="Time limit" value=uses.time check=check_time tried=tried placeholder="the queue's"
                hint="Such as 2h or 90m; an attempt that takes longer is stopped and failed."/>
        </div>
    }
}

#[component]
fn QueueFields(form: Form, tried: RwSignal<bool>) -> impl IntoView {
    let queues = remote::<Listing<Queue>>(|| Some("/queues".to_owned()), &[Topic::Queue]);
    let options = Signal::derive(move || {
        let mut names =
            queues.data.with(|l| l.as_ref().map(|l| l.items().iter().map(|q| q.name.clone()).collect::<Vec<_>>()));
        let names = names.get_or_insert_default();
        let own = form.queue.get();
        if !own.is_empty() && !names.contains(&own) {
            names.push(own);
        }
        let mut options = vec![(String::new(), "default".to_owned())];
        options.extend(names.iter().filter(|n| *n != "default").map(|n| (n.clone(), n.clone())));
        options
    });
    let highest = move || {
        let name = Some(form.queue.get()).filter(|q| !q.is_empty()).unwrap_or_else(|| "default".to_owned());
        let highest = queues.data.with(|l| {
            l.as_ref().and_then(|l| l.items().iter().find(|q| q.name == name).map(|q| q.settings.highest_priority))
        });
        highest.map(|n| format!("In this queue {n} at most."))
    };
    view! {
        <div class="thirds">
            <SelectField id="queue" label="Queue" value=form.queue options hint="Queues share the box by their weights."/>
            <div><Field id="priority" label="Priority" value=form.priority check=check_priority tried=tried placeholder="0"
                hint="The higher, the sooner among the jobs of its queue."/><p class="below">{highest}</p></div>
        </div>
    }
}

#[component]
fn AgainFields(form: Form, tried: RwSignal<bool>) -> impl IntoView {
    let again = form.again;
    view! {
        <div class="thirds">
            <Field id="retries" label="Retries" value=again.limit check=check_retries tried=tried hint="Attempts after the first that failed."/>
            <Field id="backoff" label="First pause" value=again.backoff check=check_backoff tried=tried hint="It doubles each time, up to 6 minutes."/>
        </div>
        <label class="check">
            <input type="checkbox" prop:checked=move || again.resumable.get() on:change:target=move |e| again.resumable.set(e.target().checked())/>
            "It can be stopped and goes on from /checkpoints"
        </label>
        <Show when=move || again.resumable.get()>
            <Field id="grace" label="Time to save" value=again.grace check=check_grace tried=tried
                hint="From SIGTERM to the end. What it wrote to /checkpoints by then is there at the next attempt: after a restart of the box, or when a more urgent job needs its place."/>
        </Show>
    }
}
