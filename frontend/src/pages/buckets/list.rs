//! All buckets that the person may open.

use super::create::CreateBucketDialog;
use crate::{
    api::seg,
    format,
    live::remote,
    pages::parts::is_engineer,
    ui::{
        Button, Column, EmptyState, Loaded, Look, PageHead, Pill, SearchBox, Show, Status, Table, TimeAgo, Tone,
        url::param,
    },
};
use drydock_wire::storage::{BucketAccess, BucketSummary, Versioning};
use leptos::prelude::*;
use std::time::Duration;

#[component]
pub fn BucketsPage() -> impl IntoView {
    let list = remote::<Vec<BucketSummary>>(|| Some("/buckets".to_owned()), &[]).every(Duration::from_secs(15));
    let (search, sort) = (param("search", ""), param("sort", "name"));
    let creating = RwSignal::new(false);
    let make = move || {
        is_engineer().then(|| {
            view! { <Button look=Look::Primary icon="plus" on_press=move |_| creating.set(true)>"New bucket"</Button> }
        })
    };
    view! {
        <section class="page">
            <PageHead title="Buckets" sub=|| "Files of any kind and size, for people here and for boto3, dvc, rclone and every other S3 client.">{make}</PageHead>
            <Loaded remote=list lines=8 let:all>
                {
                    let rows = Signal::derive(move || {
                        let wanted = search.get().to_lowercase();
                        all.with(|l| l.iter().filter(|b| b.name.contains(&wanted) || b.owner.contains(&wanted)).cloned().collect::<Vec<_>>())
                    });
                    view! {
                        <Show when=move || all.with(|l| !l.is_empty()) fallback=move || view! {
                            <EmptyState icon="folder" title="No buckets yet"
                                text="A bucket holds files under names with folders. Drop files on its page, or point an S3 client at this box.">
                                {make}
                            </EmptyState>
                        }>
                            <div class="toolbar"><SearchBox param=search label="Search buckets"/></div>
                            <Show when=move || rows.with(|r| !r.is_empty()) fallback=move || view! {
                                <EmptyState icon="filter" title="No bucket matches" text="Search for something else.">
                                    <Button on_press=move |_| search.clear()>"Clear the search"</Button>
                                </EmptyState>
                            }>
                                <Table id="buckets" label="Buckets" rows columns=Signal::derive(columns) key=|b| b.name.clone()
                                    href=|b| format!("/buckets/{}", seg(&b.name)) sort/>
                            </Show>
                        </Show>
                    }
                }
            </Loaded>
            <CreateBucketDialog open=creating/>
        </section>
    }
}

fn columns() -> Vec<Column<BucketSummary>> {
    vec![
        Column::<BucketSummary>::new("name", "Name", |b| {
            let href = format!("/buckets/{}", seg(&b.name));
            view! { <a class="row-link name" href=href>{b.name.clone()}</a> }.into_any()
        })
        .fixed()
        .sorts_by(|a, b| a.name.cmp(&b.name)),
        Column::<BucketSummary>::new("access", "Access", |b| view! { <Pill status=access(b.access)/> }.into_any()),
        Column::<BucketSummary>::new("versioning", "Versions", |b| match b.versioning {
            Versioning::On => "kept".into_any(),
            Versioning::Suspended => "suspended".into_any(),
            Versioning::Off => view! { <span class="dim">"–"</span> }.into_any(),
        })
        .wide_only(),
        Column::<BucketSummary>::new("objects", "Objects", |b| format::number(b.object_count).into_any())
            .right()
            .sorts_by(|a, b| a.object_count.cmp(&b.object_count)),
        Column::<BucketSummary>::new("size", "Size", |b| size(b).into_any())
            .right()
            .sorts_by(|a, b| a.size_bytes.cmp(&b.size_bytes)),
        Column::<BucketSummary>::new("owner", "Owner", |b| b.owner.clone().into_any())
            .wide_only()
            .sorts_by(|a, b| a.owner.cmp(&b.owner)),
        Column::<BucketSummary>::new("created", "Made", |b| {
            view! { <span class="dim"><TimeAgo at=b.created_at/></span> }.into_any()
        })
        .right()
        .wide_only()
        .sorts_by(|a, b| a.created_at.cmp(&b.created_at)),
    ]
}

/// Who may use it, as a pill.
pub fn access(access: BucketAccess) -> Status {
    match access {
        BucketAccess::Project => Status::new(Tone::Info, "Everybody here"),
        BucketAccess::Private => Status::new(Tone::Neutral, "Private"),
    }
}

/// The size; where there is a quota, with a bar of how much of it that is.
fn size(bucket: &BucketSummary) -> impl IntoView + use<> {
    let size = format::bytes(bucket.size_bytes);
    let bar = bucket.quota_bytes.map(|quota| {
        let share = bucket.size_bytes as f64 / (quota as f64).max(1.0);
        let level = match share {
            s if s >= 0.95 => "bar bad",
            s if s >= 0.85 => "bar warn",
            _ => "bar",
        };
        view! {
            <small class="dim">" of "{format::bytes(quota)}</small>
            <span class=format!("{level} quota") aria-hidden="true"><i style:width=format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0)></i></span>
        }
    });
    view! { {size}{bar} }
}
