//! What is in a file, as far as a look goes: rows as the server reads them, else its beginning, fetched by range and drawn here.
//! Nothing of it ever becomes markup.

use crate::{
    api::ApiError,
    format,
    live::remote,
    pages::runs::preview_of_head,
    reading::{self, Block, Kind, Span},
    ui::{Card, EmptyState, Icon, Loaded, Show, Skeleton},
};
use drydock_wire::tracking::Preview as Head;
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response};

/// So much of a file is read for a look.
const HEAD_BYTES: u64 = 256 << 10;
const LARGEST_IMAGE_BYTES: u64 = 32 << 20;

#[component]
pub fn Preview(
    url: String,
    /// The path of the server's preview.
    asked: String,
    key: String,
    /// With another one the content is another.
    etag: String,
    size_bytes: u64,
) -> impl IntoView {
    let _ = etag;
    let kind = reading::kind_of(&key);
    let name = super::last(&key).to_owned();
    let body = match kind {
        _ if size_bytes == 0 => view! { <p class="dim none">"The file is empty."</p> }.into_any(),
        Kind::Image if size_bytes <= LARGEST_IMAGE_BYTES => {
            view! { <div class="picture"><img src=url alt=name/></div> }.into_any()
        }
        Kind::Image => none("The picture is too large to be shown here."),
        Kind::Binary => none("Download the file to look at it."),
        Kind::Table => view! { <Table url asked key size_bytes/> }.into_any(),
        kind => view! { <Beginning url kind size_bytes/> }.into_any(),
    };
    view! { <Card title="Preview" class="preview">{body}</Card> }
}

fn none(text: &'static str) -> AnyView {
    view! { <EmptyState icon="file" title="No preview" text/> }.into_any()
}

#[component]
fn Beginning(url: String, kind: Kind, size_bytes: u64) -> impl IntoView {
    let text = RwSignal::new(None::<Result<String, ApiError>>);
    let whole = RwSignal::new(false);
    let wanted = StoredValue::new(url);
    Effect::new(move |_| {
        let url = wanted.get_value();
        spawn_local(async move {
            let answer = head_of(&url).await;
            let _ = text.try_set(Some(answer));
        });
    });
    let cut = size_bytes > HEAD_BYTES;
    let drawn = move || match text.get() {
        None => view! { <Skeleton lines=8/> }.into_any(),
        Some(Err(error)) => view! { <p class="missing" role="alert">{error.message}</p> }.into_any(),
        Some(Ok(text)) if kind == Kind::Unknown && !reading::is_text(&text) => {
            none("This is no text. Download the file to look at it.")
        }
        Some(Ok(text)) => shown(&text, kind, whole.get()),
    };
    view! {
        {(kind == Kind::Markdown).then(|| view! { <AsSource shown="Text" source=whole/> })}
        {drawn}
        <Show when=move || cut><p class="dim below">{format!("The beginning of {}.", format::bytes(size_bytes))}</p></Show>
    }
}

/// Whether the text itself is shown, or what it says.
#[component]
fn AsSource(shown: &'static str, source: RwSignal<bool>) -> impl IntoView {
    view! {
        <div class="segments" role="group" aria-label="Show as">
            <button type="button" aria-pressed=move || (!source.get()).to_string() on:click=move |_| source.set(false)>{shown}</button>
            <button type="button" aria-pressed=move || source.get().to_string() on:click=move |_| source.set(true)>"Source"</button>
        </div>
    }
}

/// The first rows, as the server reads them; of what is text, the text, too.
#[component]
fn Table(url: String, asked: String, key: String, size_bytes: u64) -> impl IntoView {
    let head = remote::<Head>(move || Some(asked.clone()), &[]);
    let source = RwSignal::new(false);
    let is_text = !key.to_lowercase().ends_with(".parquet") && !key.to_lowercase().ends_with(".pq");
    let (url, alt) = (StoredValue::new(url), StoredValue::new(super::last(&key).to_owned()));
    view! {
        {is_text.then(|| view! { <AsSource shown="Table" source/> })}
        {move || match source.get() {
            true => view! { <Beginning url=url.get_value() kind=Kind::Text size_bytes/> }.into_any(),
            false => view! {
                <Loaded remote=head lines=8 let:head>{move || head.with(|head| preview_of_head(head, &url.get_value(), &alt.get_value()))}</Loaded>
            }.into_any(),
        }}
    }
}

async fn head_of(url: &str) -> Result<String, ApiError> {
    let offline = |_| ApiError::offline();
    let init = RequestInit::new();
    let headers = Headers::new().map_err(offline)?;
    let _ = headers.set("range", &format!("bytes=0-{}", HEAD_BYTES - 1));
    init.set_headers(&headers);
    let answer = JsFuture::from(window().fetch_with_str_and_init(url, &init)).await.map_err(offline)?;
    let answer: Response = answer.dyn_into().map_err(offline)?;
    let text = JsFuture::from(answer.text().map_err(offline)?).await.map_err(offline)?.as_string().unwrap_or_default();
    if answer.ok() { Ok(text) } else { Err(crate::api::refused(answer.status(), &text)) }
}

fn shown(text: &str, kind: Kind, source: bool) -> AnyView {
    let plain = |text: String| view! { <pre class="code" tabindex="0">{text}</pre> }.into_any();
    match kind {
        _ if source => plain(text.to_owned()),
        Kind::Json => plain(reading::pretty(text)),
        Kind::Markdown => {
            view! { <div class="markdown">{reading::markdown(text).into_iter().map(block).collect_view()}</div> }
                .into_any()
        }
        _ => plain(text.to_owned()),
    }
}

fn block(block: Block) -> AnyView {
    match block {
        // the page has its own titles above: a file's begin below them
        Block::Heading(1, text) => view! { <h3 class="title">{spans(text)}</h3> }.into_any(),
        Block::Heading(2, text) => view! { <h4>{spans(text)}</h4> }.into_any(),
        Block::Heading(_, text) => view! { <h5>{spans(text)}</h5> }.into_any(),
        Block::Paragraph(text) => view! { <p>{spans(text)}</p> }.into_any(),
        Block::Quote(text) => view! { <blockquote>{spans(text)}</blockquote> }.into_any(),
        Block::Code(text) => view! { <pre class="code" tabindex="0">{text}</pre> }.into_any(),
        Block::Rule => view! { <hr/> }.into_any(),
        Block::List(numbered, items) => {
            let items = items.into_iter().map(|item| view! { <li>{spans(item)}</li> }).collect_view();
            if numbered { view! { <ol>{items}</ol> }.into_any() } else { view! { <ul>{items}</ul> }.into_any() }
        }
    }
}

fn spans(list: Vec<Span>) -> Vec<AnyView> {
    let one = |span: Span| match span {
        Span::Text(text) => text.into_any(),
        Span::Strong(text) => view! { <strong>{text}</strong> }.into_any(),
        Span::Emphasis(text) => view! { <em>{text}</em> }.into_any(),
        Span::Code(text) => view! { <code>{text}</code> }.into_any(),
        Span::Link(text, to) => {
            view! { <a href=to rel="noopener noreferrer" target="_blank">{text}<Icon name="external-link"/></a> }
                .into_any()
        }
    };
    list.into_iter().map(one).collect()
}
