//! The Dockerfile that a form means, before it is built; from there one can go on with it by hand.

use super::form::Form;
use crate::{
    api::{self, ApiError},
    ui::{Button, Card, CopyButton, Dialog, Look, act, opened_by, url::Param},
};
use drydock_wire::builds::{BuildFile, BuildForm, BuildPreview};
use leptos::prelude::*;
use serde::Deserialize;

// Where the form's Dockerfile finds its files, as the server lays them out.
const REQUIREMENTS: &str = ".drydock/requirements.txt";
const DEBS: &str = ".drydock/debs";
const CODE: &str = ".drydock/code";

/// What was asked, and the answer.
type Seen = (BuildForm, BuildPreview);

/// A button that shows it; `tried` marks the fields that are wrong.
#[component]
pub fn PreviewButton(form: Form, by: Param, tried: RwSignal<bool>) -> impl IntoView {
    let busy = RwSignal::new(false);
    let seen = RwSignal::new(None::<Seen>);
    let open = opened_by(seen);
    let look = move |_| {
        tried.set(true);
        let Some(wish) = form.read(false) else { return };
        let asked = wish.form.clone().unwrap_or_default();
        let call = async move { api::post::<_, BuildPreview>("/builds/preview", &wish).await };
        act(busy, "There is no preview", call, move |answer| seen.set(Some((asked, answer))));
    };
    view! {
        <Button icon="eye" busy on_press=look>"Show the Dockerfile"</Button>
        <Dialog open wide=true title="The Dockerfile that this means">
            {move || seen.get_untracked().map(|it| view! { <Preview it form by open/> })}
        </Dialog>
    }
}

#[component]
fn Preview(it: Seen, form: Form, by: Param, open: RwSignal<bool>) -> impl IntoView {
    let (asked, answer) = it;
    let busy = RwSignal::new(false);
    let text = Signal::stored(answer.dockerfile.clone());
    let take = move |_| {
        let call = files(asked.clone());
        act(busy, "The files were not taken along", call, move |files| {
            form.dockerfile.set(text.get_untracked());
            form.context.kept.set(files);
            open.set(false);
            by.set("dockerfile");
        });
    };
    view! {
        <div class="copied"><pre class="code" tabindex="0" aria-label="Dockerfile">{answer.dockerfile}</pre><CopyButton text what="Copy the Dockerfile"/></div>
        {(!answer.bases.is_empty()).then(|| view! {
            <Card title="Built from"><ul class="plain-list">{answer.bases.into_iter().map(|base| view! { <li class="mono wrap">{base}</li> }).collect_view()}</ul></Card>
        })}
        <div class="actions">
            <Button on_press=move |_| open.set(false)>"Close"</Button>
            <Button look=Look::Primary icon="pencil" busy on_press=take>"Go on with the Dockerfile"</Button>
        </div>
    }
}

/// The end of an upload.
#[derive(Deserialize)]
struct Arrived {
    digest: String,
}

/// The form's files where its Dockerfile finds them. The lines of requirements become a file, too.
async fn files(form: BuildForm) -> Result<Vec<BuildFile>, ApiError> {
    let below = |folder: &str, file: BuildFile| BuildFile { path: format!("{folder}/{}", file.path), ..file };
    let mut files: Vec<BuildFile> = form.debs.into_iter().map(|file| below(DEBS, file)).collect();
    files.extend(form.code.into_iter().map(|file| below(CODE, file)));
    if !form.requirements.is_empty() {
        let text = form.requirements.join("\n") + "\n";
        let arrived = api::put_text::<Arrived>("/uploads", &text).await?;
        files.push(BuildFile { path: REQUIREMENTS.to_owned(), digest: arrived.digest });
    }
    Ok(files)
}
