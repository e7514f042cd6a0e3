//! The rules as YAML: written by hand, brought from elsewhere, or taken along. An error names its line.

use crate::{
    api::{self, seg},
    pages::parts::is_engineer,
    ui::{Button, Card, CopyButton, Icon, Look, Show, TextArea, Tone, act, toast},
};
use drydock_wire::datasets::DatasetDetail;
use leptos::{prelude::*, task::spawn_local};

#[component]
pub fn YamlEditor(dataset: Signal<DatasetDetail>) -> impl IntoView {
    let name = dataset.with_untracked(|d| d.summary.name.clone());
    let path = format!("/datasets/{}/rules.yaml", seg(&name));
    let (text, refused, busy) = (RwSignal::new(String::new()), RwSignal::new(None::<String>), RwSignal::new(false));
    let loaded = RwSignal::new(false);
    let asked = path.clone();
    spawn_local(async move {
        match api::get_text(&asked).await {
            Ok(yaml) => {
                let _ = text.try_set(yaml);
                let _ = loaded.try_set(true);
            }
            Err(error) => drop(refused.try_set(Some(error.message))),
        }
    });
    let place = StoredValue::new(path.clone());
    let save = move |_| {
        let (path, body) = (place.get_value(), text.get_untracked());
        refused.set(None);
        let call = async move {
            match api::put_text::<DatasetDetail>(&path, &body).await {
                Ok(done) => Ok(Some(done)),
                Err(error) if error.code == drydock_wire::ErrorCode::InvalidRequest => {
                    let _ = refused.try_set(Some(error.message));
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        };
        act(busy, "The rules were not saved", call, |done| {
            if done.is_some() {
                toast(Tone::Good, "Rules saved", "Check a version to see how it stands.");
            }
        });
    };
    // an empty text means no rules at all: nobody shall say that by accident
    let why_not = Signal::derive(move || (!loaded.get()).then(|| "The rules are not here yet.".to_owned()));
    let rows = move || text.with(|t| t.lines().count().clamp(12, 40) as u32);
    let hint = "Each rule begins with “- check:”. Checks: not_null, unique, unique_together, range, one_of, regex, schema, columns, row_count, drift, images.";
    view! {
        <Card title="Rules as YAML" aside=move || view! {
            <span class="row"><CopyButton text=Signal::derive(move || text.get()) what="Copy the YAML"/>
                <a class="icon-btn" href=format!("/api/v1{}", place.get_value()) download="rules.yaml" aria-label="Download the YAML" title="Download"><Icon name="download"/></a></span>
        }>
            <div class="stack">
                {move || view! { <TextArea id="rules-yaml" label="Rules" value=text hint rows=untrack(rows) mono=true refused=Signal::derive(move || refused.get())/> }}
                <Show when=is_engineer>
                    <div class="actions"><Button look=Look::Primary icon="save" busy why_not on_press=save>"Save rules"</Button></div>
                </Show>
            </div>
        </Card>
    }
}
