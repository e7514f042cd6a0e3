//! Images: the repositories of the registry, one with its tags and rules, one manifest with its layers.

mod list;
mod manifest;
mod repository;
mod retention;

pub use list::ImagesPage;
pub use manifest::ManifestPage;
pub use repository::RepositoryPage;

use crate::{
    format,
    live::{Remote, remote},
    pages::parts::query,
};
use drydock_wire::images::{ImageUse, ImageUser, ManifestSummary, RegistryAddress};
use leptos::prelude::*;

/// Where the page of a repository is.
fn repository_href(name: &str) -> String {
    query("/images/repository", &[("name", name.to_owned())])
}

/// Where the page of a manifest is.
fn manifest_href(name: &str, digest: &str) -> String {
    query("/images/manifest", &[("name", name.to_owned()), ("digest", digest.to_owned())])
}

fn registry() -> Remote<RegistryAddress> {
    remote(|| Some("/registry".to_owned()), &[])
}

/// `sha256:0123456789ab`
fn short(digest: &str) -> String {
    digest.chars().take(19).collect()
}

/// What kind of thing a manifest is, in words.
fn kind(it: &ManifestSummary) -> String {
    if let Some(kind) = &it.artifact_type {
        return kind.clone();
    }
    let is_index = it.media_type.contains("index") || it.media_type.contains("manifest.list");
    if is_index { "Index of several".to_owned() } else { "Image".to_owned() }
}

/// Jobs and deployments, each with the way to it.
#[component]
fn UsedBy(users: Vec<ImageUse>) -> impl IntoView {
    const SHOWN: usize = 3;
    if users.is_empty() {
        return view! { <span class="dim">"–"</span> }.into_any();
    }
    let more = users.len().saturating_sub(SHOWN);
    let link = |user: &ImageUse| {
        let (href, word) = match user.kind {
            ImageUser::Job => (format!("/jobs/{}", crate::api::seg(&user.id)), "Job"),
            ImageUser::Deployment => (format!("/deployments/{}", crate::api::seg(&user.name)), "Deployment"),
        };
        let title = format!("{word} {}{}", user.name, if user.running { ", running" } else { "" });
        view! { <a href=href title=title class:live=user.running>{user.name.clone()}</a> " " }
    };
    view! {
        <span class="among">
            {users.iter().take(SHOWN).map(link).collect_view()}
            {(more > 0).then(|| view! { <span class="dim">"and "{format::number(more as u64)}" more"</span> })}
        </span>
    }
    .into_any()
}
