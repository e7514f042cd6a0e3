//! What answers in the containers: MLflow's scorer or an image, its environment, its probes.

use super::{Text, all_good, check_count, check_whole, options, read, text};
use crate::{
    live::remote,
    pages::{
        jobs::{join_words, split_words},
        parts::{Fold, Listing, Pair, Pairs, read_pairs},
    },
    ui::{Choice, Field, SelectField, Show, Suggestions},
};
use drydock_wire::{
    events::Topic,
    images::{RegistryAddress, RepositorySummary},
    serving::{ImageRuntime, Probe, Probes, Protocol, Runtime, ServedBy},
};
use leptos::prelude::*;

const PROTOCOLS: [(Protocol, &str, &str); 4] = [
    (Protocol::Plain, "plain", "Anything else (passed on as it is)"),
    (Protocol::OpenInference, "open_inference", "Open Inference, V2 (MLServer, Triton)"),
    (Protocol::Openai, "openai", "OpenAI's API (vLLM, llama.cpp)"),
    (Protocol::Mlflow, "mlflow", "MLflow's scoring (/invocations)"),
];

#[derive(Clone, Copy)]
pub struct RuntimeForm {
    /// `mlflow` or `image`.
    pub kind: Text,
    image: Text,
    port: Text,
    protocol: Text,
    command: Text,
    env: RwSignal<Vec<Pair>>,
    startup: ProbeForm,
    readiness: ProbeForm,
    liveness: ProbeForm,
}

#[derive(Clone, Copy)]
struct ProbeForm {
    /// `usual`, `tcp` or `get`.
    how: Text,
    path: Text,
    period: Text,
    timeout: Text,
    failures: Text,
}

impl ProbeForm {
    fn new(probe: Option<&Probe>) -> Self {
        let usual = Probe::default();
        let shown = probe.unwrap_or(&usual);
        let how = match probe {
            None => "usual",
            Some(probe) if probe.path.is_none() => "tcp",
            Some(_) => "get",
        };
        Self {
            how: text(how),
            path: text(shown.path.clone().unwrap_or_else(|| "/health".to_owned())),
            period: text(shown.period_s),
            timeout: text(shown.timeout_s),
            failures: text(shown.failures),
        }
    }

    fn read(&self) -> Option<Probe> {
        let how = self.how.get_untracked();
        let path = (how == "get").then(|| self.path.get_untracked().trim().to_owned());
        let usual = Probe::default();
        (how != "usual").then(|| Probe {
            path,
            period_s: read(self.period).unwrap_or(usual.period_s),
            timeout_s: read(self.timeout).unwrap_or(usual.timeout_s),
            failures: read(self.failures).unwrap_or(usual.failures),
        })
    }
}

impl RuntimeForm {
    pub fn new(start: &ServedBy) -> Self {
        let image = match &start.runtime {
            Runtime::Mlflow => None,
            Runtime::Image(image) => Some(image),
        };
        let protocol = image.map_or(Protocol::Plain, |i| i.protocol);
        let word = PROTOCOLS.iter().find(|p| p.0 == protocol).map_or("plain", |p| p.1);
        let env = start.env.iter().map(|(name, value)| Pair::new(name, value)).collect();
        Self {
            kind: text(if image.is_some() { "image" } else { "mlflow" }),
            image: text(image.map(|i| i.image.clone()).unwrap_or_default()),
            port: text(image.map_or(8000, |i| i.port)),
            protocol: text(word),
            command: text(image.map(|i| join_words(&i.command)).unwrap_or_default()),
            env: RwSignal::new(env),
            startup: ProbeForm::new(start.probes.startup.as_ref()),
            readiness: ProbeForm::new(start.probes.readiness.as_ref()),
            liveness: ProbeForm::new(start.probes.liveness.as_ref()),
        }
    }

    pub fn is_image(&self) -> bool {
        self.kind.with(|k| k == "image")
    }

    /// Absent while a field is wrong.
    pub fn read(&self) -> Option<ServedBy> {
        let of_image = untrack(|| self.is_image());
        let env = untrack(|| read_pairs(&self.env.get())).ok()?;
        let probes = [self.startup, self.readiness, self.liveness];
        let numbers = probes.iter().flat_map(|p| [p.period, p.timeout, p.failures]).map(|t| (t, check_whole as _));
        if !all_good(&numbers.collect::<Vec<_>>()) {
            return None;
        }
        let runtime = if of_image {
            if !all_good(&[(self.image, check_image), (self.port, check_port), (self.command, check_command)]) {
                return None;
            }
            let word = self.protocol.get_untracked();
            Runtime::Image(ImageRuntime {
                image: self.image.get_untracked().trim().to_owned(),
                // Drydock notes it
                image_id: None,
                command: split_words(&self.command.get_untracked()).ok()?,
                port: read(self.port)?,
                protocol: PROTOCOLS.iter().find(|p| p.1 == word).map_or(Protocol::Plain, |p| p.0),
            })
        } else {
            Runtime::Mlflow
        };
        let probes =
            Probes { startup: self.startup.read(), readiness: self.readiness.read(), liveness: self.liveness.read() };
        Some(ServedBy { runtime, env, probes })
    }

    /// What is set, in a line.
    fn summary(&self) -> String {
        let what = if self.is_image() { self.image.get() } else { "MLflow's scoring server".to_owned() };
        if what.is_empty() { "an image".to_owned() } else { what }
    }

    fn extras(&self) -> String {
        let variables = self.env.with(Vec::len);
        let probes = [self.startup, self.readiness, self.liveness].iter().filter(|p| p.how.get() != "usual").count();
        match (variables, probes) {
            (0, 0) => "as usual".to_owned(),
            (n, 0) => crate::format::plural(n as u64, "variable"),
            (0, n) => crate::format::plural(n as u64, "probe"),
            (v, p) => {
                format!("{}, {}", crate::format::plural(v as u64, "variable"), crate::format::plural(p as u64, "probe"))
            }
        }
    }
}

fn check_image(text: &str) -> Result<(), &'static str> {
    let good = !text.trim().is_empty() && !text.trim().contains(char::is_whitespace);
    good.then_some(()).ok_or("Name an image, such as localhost:5000/team/server:1.")
}

fn check_port(text: &str) -> Result<(), &'static str> {
    match text.trim().parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err("The port that it listens on, from 1 to 65535."),
    }
}

fn check_command(text: &str) -> Result<(), &'static str> {
    split_words(text).map(drop)
}

/// MLflow's scorer or an image, and of an image what it is.
#[component]
pub fn RuntimeFields(form: RuntimeForm, tried: RwSignal<bool>) -> impl IntoView {
    let open = untrack(|| form.is_image());
    view! {
        <Fold title="What answers" set=Signal::derive(move || form.summary()) open=open>
            <Choice id="runtime" label="Runtime" value=form.kind options=vec![
                ("mlflow", "MLflow's scoring server, on the version's files".to_owned()),
                ("image", "An image that listens on a port (MLServer, Triton, vLLM, llama.cpp, FastAPI…)".to_owned()),
            ]/>
            <Show when=move || form.is_image()><ImageFields form tried/></Show>
        </Fold>
    }
}

#[component]
fn ImageFields(form: RuntimeForm, tried: RwSignal<bool>) -> impl IntoView {
    let repositories = remote::<Listing<RepositorySummary>>(|| Some("/repositories".to_owned()), &[Topic::Images]);
    let registry = remote::<RegistryAddress>(|| Some("/registry".to_owned()), &[]);
    let known = Signal::derive(move || {
        let host = registry.data.with(|r| r.as_ref().map(|r| r.host.clone())).unwrap_or_default();
        let name = |r: &RepositorySummary| format!("{host}/{}", r.name);
        repositories.data.with(|l| l.iter().flat_map(|l| l.items()).map(name).collect::<Vec<_>>())
    });
    let protocols: Vec<(&str, &str)> = PROTOCOLS.iter().map(|p| (p.1, p.2)).collect();
    view! {
        <Field id="serving-image" label="Image" value=form.image check=check_image tried=tried mono=true list="serving-images"
            hint="Of this box's registry or Docker. The version's files, if there is one, are at /model, read-only."/>
        <Suggestions id="serving-images" values=known/>
        <div class="cols">
            <Field id="serving-port" label="Port" value=form.port check=check_port tried=tried/>
            <SelectField id="serving-protocol" label="It speaks" value=form.protocol options=options(&protocols)/>
        </div>
        <Field id="serving-command" label="Command" value=form.command check=check_command tried=tried mono=true placeholder="the image's own"/>
    }
}

/// Environment and probes: most leave them as they are.
#[component]
pub fn ExtraFields(form: RuntimeForm, tried: RwSignal<bool>) -> impl IntoView {
    let open = untrack(|| form.extras() != "as usual");
    view! {
        <Fold title="Environment and probes" set=Signal::derive(move || form.extras()) open=open>
            <Pairs pairs=form.env tried hint="Not for secrets: anyone who may see the deployment sees these. Lines NAME=value can be pasted."/>
            <ProbeFields id="startup" label="Start-up" form=form.startup tried
                hint="Until it answers first, the replica gets no requests."/>
            <ProbeFields id="readiness" label="Readiness" form=form.readiness tried hint="While it fails, the replica gets no requests."/>
            <ProbeFields id="liveness" label="Liveness" form=form.liveness tried hint="When it fails too often, the container is started again."/>
        </Fold>
    }
}

#[component]
fn ProbeFields(
    id: &'static str,
    label: &'static str,
    hint: &'static str,
    form: ProbeForm,
    tried: RwSignal<bool>,
) -> impl IntoView {
    // ids are static for the fields' sake: three probes, three of each
    let ids = match id {
        "startup" => ["startup-how", "startup-path", "startup-period", "startup-timeout", "startup-failures"],
        "readiness" => {
            ["readiness-how", "readiness-path", "readiness-period", "readiness-timeout", "readiness-failures"]
        }
        _ => ["liveness-how", "liveness-path", "liveness-period", "liveness-timeout", "liveness-failures"],
    };
    let ways = [("usual", "As the protocol has it"), ("tcp", "A TCP connection"), ("get", "GET of a path")];
    view! {
        <SelectField id=ids[0] label=format!("{label} probe") value=form.how options=options(&ways) hint=hint/>
        <Show when=move || form.how.get() != "usual">
            <div class="thirds even">
                <Show when=move || form.how.get() == "get"><Field id=ids[1] label="Path" value=form.path mono=true/></Show>
                <Field id=ids[2] label="Every (s)" value=form.period check=check_count tried=tried/>
                <Field id=ids[3] label="Within (s)" value=form.timeout check=check_count tried=tried/>
                <Field id=ids[4] label="Failures in a row" value=form.failures check=check_count tried=tried/>
            </div>
        </Show>
    }
}
