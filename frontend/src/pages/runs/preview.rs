//! A file as the server's preview has it, drawn as text, table or picture; nothing of it ever becomes markup.

use crate::{
    api::seg,
    format,
    live::remote,
    ui::{EmptyState, Icon, Loaded},
};
use drydock_wire::tracking::{Preview as Head, PreviewKind};
use leptos::prelude::*;

/// Whose files: the run's, or those of a model that it logged or read.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Place {
    pub run: String,
    /// Empty: the run itself.
    pub model: String,
}

impl Place {
    pub fn of_run(id: String) -> Self {
        Self { run: id, model: String::new() }
    }

    /// Of the native API's calls for files.
    pub fn query(&self, call: &str, path: &str) -> String {
        let model = if self.model.is_empty() { String::new() } else { format!("&model={}", seg(&self.model)) };
        format!("/runs/{}/{call}?path={}{model}", seg(&self.run), seg(path))
    }

    /// Where a browser fetches the file.
    pub fn file(&self, path: &str) -> String {
        format!("/api/v1{}", self.query("artifacts/file", path))
    }
}

/// Preview and download of one file.
#[component]
pub fn Preview(place: Place, path: String) -> impl IntoView {
    let asked = place.query("preview", &path);
    let head = remote::<Head>(move || Some(asked.clone()), &[]);
    let address = place.file(&path);
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let size = move || head.data.with(|h| h.as_ref().map(|h| format::bytes(h.size_bytes)));
    let (src, alt) = (StoredValue::new(address.clone()), StoredValue::new(name.clone()));
    view! {
        <div class="card-head">
            <h2 class="mono">{path.clone()}</h2>
            <span class="row"><small class="dim nowrap">{size}</small>
                <a class="btn small" href=address download=name><Icon name="download"/>"Download"</a></span>
        </div>
        <Loaded remote=head lines=8 let:head>
            {move || head.with(|head| shown(head, &src.get_value(), &alt.get_value()))}
        </Loaded>
    }
}

/// What is known of the file; `src` is where a browser finds a picture.
pub fn shown(head: &Head, src: &str, alt: &str) -> AnyView {
    let note = head.note.clone().map(|n| view! { <p class="callout warn"><Icon name="info"/><span>{n}</span></p> });
    let body = match head.kind {
        PreviewKind::Image => {
            view! { <div class="picture"><img src=src.to_owned() alt=alt.to_owned()/></div> }.into_any()
        }
        PreviewKind::Table => view! { <Table head=head.clone()/> }.into_any(),
        PreviewKind::Binary if head.note.is_none() => {
            view! { <EmptyState icon="file" title="No preview of this kind" text="Download the file to look at it."/> }
                .into_any()
        }
        PreviewKind::Binary => ().into_any(),
        PreviewKind::Text | PreviewKind::Json => {
            let text = head.text.clone().unwrap_or_default();
            let more = head.truncated.then(|| {
                view! { <p class="dim below">{format!("The beginning of {}.", format::bytes(head.size_bytes))}</p> }
            });
            match text.is_empty() {
                true => view! { <p class="dim none">"The file is empty."</p> }.into_any(),
                false => view! { <pre class="code" tabindex="0">{text}</pre>{more} }.into_any(),
            }
        }
    };
    view! { {note} {body} }.into_any()
}

/// Rows of a table with what the file says about its columns.
#[component]
pub fn Table(head: Head) -> impl IntoView {
    let count = match (head.total_rows, head.truncated) {
        (Some(total), true) => {
            format!("The first {} of {}.", format::number(head.rows.len() as u64), format::plural(total, "row"))
        }
        (Some(total), false) => format!("{}.", format::plural(total, "row")),
        (None, _) => format!("The first {}.", format::plural(head.rows.len() as u64, "row")),
    };
    view! {
        <div class="scroll-x tall" role="region" aria-label="The file as a table" tabindex="0">
            <table class="plain lines">
                <thead><tr>{head.columns.into_iter().map(|c| view! {
                    <th scope="col">{c.name}{(!c.kind.is_empty()).then(|| view! { " "<small class="dim">{c.kind}</small> })}</th>
                }).collect_view()}</tr></thead>
                <tbody>
                    {head.rows.into_iter().map(|r| view! {
                        <tr>{r.into_iter().map(|c| match c {
                            Some(text) => view! { <td class="mono clip" title=text.clone()>{text.clone()}</td> }.into_any(),
                            None => view! { <td class="dim">"null"</td> }.into_any(),
                        }).collect_view()}</tr>
                    }).collect_view()}
                </tbody>
            </table>
        </div>
        <p class="dim below">{count}</p>
    }
}
