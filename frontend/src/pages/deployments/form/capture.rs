//! What is kept of requests and answers, and whether drift is watched for.

use super::{
    Text, Tick, all_good, check_above_zero, check_count, check_percent, check_whole, optional, read, text, words,
};
use crate::{
    live::remote,
    pages::parts::{Fold, Listing},
    ui::{Field, Show, Suggestions},
};
use drydock_wire::{
    datasets::DatasetSummary,
    events::Topic,
    pipelines::PipelineSummary,
    serving::{Capture, DriftReference, DriftWatch},
};
use leptos::prelude::*;

const GIB: f64 = 1_073_741_824.0;

#[derive(Clone, Copy)]
pub struct CaptureForm {
    on: RwSignal<bool>,
    sample: Text,
    mask: Text,
    max_gib: Text,
    days: Text,
    drift: RwSignal<bool>,
    /// Empty: the window before.
    dataset: Text,
    version: Text,
    path: Text,
    window: Text,
    min_rows: Text,
    pipeline: Text,
}

impl CaptureForm {
    pub fn new(start: Option<&Capture>) -> Self {
        let capture = start.cloned().unwrap_or_default();
        let watch = capture.drift.as_ref();
        let reference = watch.and_then(|w| w.reference.as_ref());
        Self {
            on: RwSignal::new(start.is_some()),
            sample: text(capture.sample_percent),
            mask: text(capture.mask.join(", ")),
            max_gib: text(capture.max_bytes as f64 / GIB),
            days: text(capture.max_age_days),
            drift: RwSignal::new(watch.is_some()),
            dataset: text(reference.map(|r| r.dataset.clone()).unwrap_or_default()),
            version: optional(reference.and_then(|r| r.version)),
            path: optional(reference.and_then(|r| r.path.clone())),
            window: text(watch.map_or(60, |w| w.window_minutes)),
            min_rows: text(watch.map_or(100, |w| w.min_rows)),
            pipeline: optional(watch.and_then(|w| w.pipeline.clone())),
        }
    }

    /// The outer absence: a field is wrong; the inner: nothing is kept.
    pub fn read(&self) -> Option<Option<Capture>> {
        if !self.on.get_untracked() {
            return Some(None);
        }
        let checks: [(Text, crate::ui::field::Check); 3] =
            [(self.sample, check_percent), (self.max_gib, check_above_zero), (self.days, check_count)];
        if !all_good(&checks) {
            return None;
        }
        let drift = if self.drift.get_untracked() { Some(self.watch()?) } else { None };
        Some(Some(Capture {
            sample_percent: read(self.sample)?,
            mask: words(self.mask),
            max_bytes: (read::<f64>(self.max_gib)? * GIB) as u64,
            max_age_days: read(self.days)?,
            drift,
        }))
    }

    fn watch(&self) -> Option<DriftWatch> {
        if !all_good(&[(self.window, check_count), (self.min_rows, check_count), (self.version, check_whole)]) {
            return None;
        }
        let filled = |t: Text| Some(t.get_untracked().trim().to_owned()).filter(|t| !t.is_empty());
        let reference = filled(self.dataset).map(|dataset| DriftReference {
            dataset,
            version: read(self.version),
            path: filled(self.path),
        });
        Some(DriftWatch {
            reference,
            window_minutes: read(self.window)?,
            min_rows: read(self.min_rows)?,
            pipeline: filled(self.pipeline),
        })
    }

    fn summary(&self) -> String {
        if !self.on.get() {
            return "nothing is kept".to_owned();
        }
        let drift = if self.drift.get() { ", drift is watched for" } else { "" };
        format!("{} % of the requests{drift}", self.sample.get())
    }
}

#[component]
pub fn CaptureFields(form: CaptureForm, tried: RwSignal<bool>, open: bool) -> impl IntoView {
    let open = form.on.get_untracked() || open;
    view! {
        <Fold title="Capture and drift" set=Signal::derive(move || form.summary()) open=open>
            <Tick value=form.on label="Keep requests and answers as Parquet files in the store"/>
            <Show when=move || form.on.get()>
                <div class="thirds even">
                    <Field id="capture-sample" label="Of the requests (%)" value=form.sample check=check_percent tried=tried/>
                    <Field id="capture-size" label="At most (GiB)" value=form.max_gib check=check_above_zero tried=tried hint="The oldest files go."/>
                    <Field id="capture-days" label="For days" value=form.days check=check_count tried=tried/>
                </div>
                <Field id="capture-mask" label="Masked columns" value=form.mask mono=true placeholder="none"
                    hint="Names between commas; their values are not kept."/>
                <Tick value=form.drift label="Watch for drift"/>
                <Show when=move || form.drift.get()><DriftFields form tried/></Show>
            </Show>
        </Fold>
    }
}

#[component]
fn DriftFields(form: CaptureForm, tried: RwSignal<bool>) -> impl IntoView {
    let datasets = remote::<Listing<DatasetSummary>>(|| Some("/datasets".to_owned()), &[Topic::Datasets]);
    let pipelines = remote::<Listing<PipelineSummary>>(|| Some("/pipelines".to_owned()), &[Topic::Pipelines]);
    let data = Signal::derive(move || {
        datasets.data.with(|l| l.iter().flat_map(|l| l.items()).map(|d| d.name.clone()).collect::<Vec<_>>())
    });
    let flows = Signal::derive(move || {
        pipelines.data.with(|l| l.iter().flat_map(|l| l.items()).map(|p| p.name.clone()).collect::<Vec<_>>())
    });
    view! {
        <div class="thirds even">
            <Field id="drift-dataset" label="Compared with dataset" value=form.dataset list="drift-datasets" placeholder="the window before"/>
            <Show when=move || form.dataset.with(|d| !d.trim().is_empty())>
                <Field id="drift-version" label="Version" value=form.version check=check_whole tried=tried placeholder="the newest"/>
                <Field id="drift-path" label="File" value=form.path mono=true placeholder="the only table"/>
            </Show>
        </div>
        <div class="thirds even">
            <Field id="drift-window" label="Every (minutes)" value=form.window check=check_count tried=tried/>
            <Field id="drift-rows" label="From rows on" value=form.min_rows check=check_count tried=tried hint="Fewer are not judged."/>
            <Field id="drift-pipeline" label="Starts the pipeline" value=form.pipeline list="drift-pipelines" placeholder="none"/>
        </div>
        <Suggestions id="drift-datasets" values=data/>
        <Suggestions id="drift-pipelines" values=flows/>
    }
}
