//! What of a repository goes by itself: the rules, and what they would remove now.

use crate::{
    api, format,
    pages::parts::{is_engineer, query},
    ui::{Button, Card, Facts, Field, Look, Show, Tone, act, toast},
};
use drydock_wire::images::{RepositoryDetail, Retention, RetentionPreview};
use leptos::prelude::*;

fn count(text: &str) -> Result<(), &'static str> {
    match text.trim() {
        "" => Ok(()),
        text => {
            text.parse::<u32>().ok().filter(|n| *n > 0).map(drop).ok_or("Use a whole number from 1, or leave it empty.")
        }
    }
}

fn read(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

#[component]
pub fn RetentionEditor(repository: Signal<RepositoryDetail>) -> impl IntoView {
    if !is_engineer() {
        return view! { <ReadOnly repository/> }.into_any();
    }
    let start = repository.with_untracked(|r| r.retention.clone());
    let shown = |value: Option<u32>| RwSignal::new(value.map(|n| n.to_string()).unwrap_or_default());
    let (keep_last, untagged) = (shown(start.keep_last), shown(start.untagged_days));
    let patterns = RwSignal::new(start.keep_tags.join(", "));
    let (busy, looking, tried) = (RwSignal::new(false), RwSignal::new(false), RwSignal::new(false));
    let preview = RwSignal::new(None::<RetentionPreview>);
    let wish = move || Retention {
        keep_last: read(&keep_last.get()),
        keep_tags: patterns.get().split(',').map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect(),
        untagged_days: read(&untagged.get()),
    };
    let wrong = move || count(&keep_last.get()).is_err() || count(&untagged.get()).is_err();
    let changed = move || repository.with(|r| r.retention != wish());
    let why_not = Signal::derive(move || {
        if wrong() {
            Some("Mend the marked fields first.".to_owned())
        } else {
            (!changed()).then(|| "Nothing has changed.".to_owned())
        }
    });
    crate::reactive::effect(move || {
        // another wish: what was shown is not what it would do
        let _ = wish();
        preview.set(None);
    });
    let name = move || vec![("name", repository.with_untracked(|r| r.summary.name.clone()))];
    let look = move |_| {
        tried.set(true);
        if untrack(wrong) {
            return;
        }
        let (path, body) = (query("/repository/retention/preview", &name()), untrack(wish));
        act(
            looking,
            "There is no preview",
            async move { api::post::<_, RetentionPreview>(&path, &body).await },
            move |answer| {
                preview.set(Some(answer));
            },
        );
    };
    let save = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        if why_not.get_untracked().is_some() {
            return;
        }
        let (path, body) = (query("/repository/retention", &name()), untrack(wish));
        act(
            busy,
            "The rules were not saved",
            async move { api::put::<_, RepositoryDetail>(&path, &body).await },
            move |_| {
                toast(Tone::Good, "Rules saved", "They are carried out now and every ten minutes.");
            },
        );
    };
    view! {
        <Card title="What goes by itself">
            <form novalidate on:submit=save>
                <p class="dim below">"What a job or deployment refers to stays, whatever is said here."</p>
                <div class="thirds even">
                    <Field id="keep-last" label="Keep the latest tags" value=keep_last check=count tried=tried mono=true placeholder="all"
                        hint="Older tags go with their images. Empty: all stay."/>
                    <Field id="keep-tags" label="Always keep tags like" value=patterns mono=true placeholder="v*, *-lts"
                        hint="Separated by commas; * stands for anything."/>
                    <Field id="untagged-days" label="Untagged go after days" value=untagged check=count tried=tried mono=true placeholder="never"
                        hint="Counted from when the last tag left. Empty: they stay."/>
                </div>
                <div class="actions">
                    <Button icon="eye" busy=looking on_press=look>"Preview"</Button>
                    <Button look=Look::Primary icon="save" submit=true busy why_not>"Save rules"</Button>
                </div>
            </form>
        </Card>
        <Show when=move || preview.with(Option::is_some)><Preview preview/></Show>
    }
    .into_any()
}

#[component]
fn Preview(preview: RwSignal<Option<RetentionPreview>>) -> impl IntoView {
    let nothing = move || preview.with(|p| p.as_ref().is_none_or(|p| p.tags.is_empty() && p.manifests.is_empty()));
    view! {
        <Card title="What these rules would remove now">
            <Show when=move || !nothing() fallback=|| view! { <p class="dim none" role="status">"Nothing."</p> }>
                <Facts>
                    <dt>"Tags"</dt>
                    <dd>{move || preview.with(|p| p.as_ref().map(|p| tags(&p.tags)))}</dd>
                    <dt>"Manifests"</dt>
                    <dd>{move || preview.with(|p| p.as_ref().map(|p| format::number(p.manifests.len() as u64)))}</dd>
                    <dt>"Frees"</dt>
                    <dd>{move || preview.with(|p| p.as_ref().map(|p| format::bytes(p.freed_bytes)))}</dd>
                </Facts>
            </Show>
        </Card>
    }
}

fn tags(all: &[String]) -> AnyView {
    if all.is_empty() {
        return "none".into_any();
    }
    let more = all.len().saturating_sub(60);
    let shown = all.iter().take(60).map(|t| view! { <span class="tag">{t.clone()}</span> " " }).collect_view();
    view! { {shown} {(more > 0).then(|| format!("and {} more", format::number(more as u64)))} }.into_any()
}

#[component]
fn ReadOnly(repository: Signal<RepositoryDetail>) -> impl IntoView {
    let text = move || repository.with(|r| in_words(&r.retention));
    view! { <Card title="What goes by itself"><p>{text}</p></Card> }
}

fn in_words(rules: &Retention) -> String {
    let mut words = vec![];
    if let Some(last) = rules.keep_last {
        let also = if rules.keep_tags.is_empty() {
            String::new()
        } else {
            format!(" and those like {}", rules.keep_tags.join(", "))
        };
        words.push(format!("The latest {} stay{also}, older ones go.", format::plural(u64::from(last), "tag")));
    }
    if let Some(days) = rules.untagged_days {
        words.push(format!("What has no tag goes after {}.", format::plural(u64::from(days), "day")));
    }
    if words.is_empty() { "Nothing: everything that was pushed stays.".to_owned() } else { words.join(" ") }
}
