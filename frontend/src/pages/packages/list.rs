//! All packages of the index, how programs reach it, and what is missing.

use super::{
    href,
    missing::Missing,
    upload::{UploadWheels, WheelDrop},
};
use crate::{
    format,
    live::{Remote, remote},
    pages::parts::{Command, Listing, PAGE_SIZE, is_engineer, query},
    session::use_me,
    transfer,
    ui::{
        Button, Card, Column, EmptyState, Icon, LinkButton, Loaded, PageHead, Pager, SearchBox, Show, Table, Tabs,
        TimeAgo, url::param,
    },
};
use drydock_wire::{
    events::Topic,
    packages::{PackageIndex, PackageSummary},
};
use leptos::prelude::*;

#[component]
pub fn PackagesPage() -> impl IntoView {
    let tab = param("tab", "all");
    let index = remote::<PackageIndex>(|| Some("/package-index".to_owned()), &[Topic::Packages]);
    let sub = move || {
        let told = index.data.with(|i| {
            i.as_ref().map(|i| {
                let (packages, wheels) =
                    (format::plural(i.package_count, "package"), format::plural(i.file_count, "wheel"));
                format!("{packages}, {wheels}, {}. ", format::bytes(i.size_bytes))
            })
        });
        view! { {told}"pip and uv of jobs and builds install from here, without the internet." }
    };
    let tabs = vec![
        ("all", "Packages".to_owned()),
        ("missing", "What is missing".to_owned()),
        ("use", "How to use it".to_owned()),
    ];
    view! {
        <section class="page">
            <PageHead title="Packages" sub>{is_engineer().then(|| view! { <UploadWheels/> })}</PageHead>
            <Tabs param=tab label="Parts of the index" tabs/>
            <div role="tabpanel" class="panel">
                {move || match tab.get().as_str() {
                    "missing" => view! { <Missing index/> }.into_any(),
                    "use" => view! { <HowTo/> }.into_any(),
                    _ => view! { <WheelDrop takes=is_engineer()><All index/></WheelDrop> }.into_any(),
                }}
            </div>
        </section>
    }
}

#[component]
fn All(index: Remote<PackageIndex>) -> impl IntoView {
    let (search, page) = (param("search", ""), param("page", ""));
    let path = move || {
        let pairs = [("search", search.get()), ("page", page.get()), ("limit", PAGE_SIZE.to_string())];
        Some(query("/packages", &pairs))
    };
    let list = remote::<Listing<PackageSummary>>(path, &[Topic::Packages]);
    // the hint may be a moment behind the last wheel's answer
    let landed = transfer::landed();
    crate::reactive::effect(move || {
        landed.track();
        list.refetch();
    });
    let lacks = move || index.data.with(|i| i.as_ref().map_or(0, |i| i.missing.missing.len()));
    let nothing = move || {
        if search.is("") {
            return empty().into_any();
        }
        let clear = move |_| [search, page].iter().for_each(|p| p.clear());
        view! {
            <EmptyState icon="filter" title="No package matches" text="Search for another part of a name or summary, or look whether it is missing.">
                <Button on_press=clear>"Clear the search"</Button>
                <LinkButton icon="list-checks" href="/packages?tab=missing">"What is missing"</LinkButton>
            </EmptyState>
        }
        .into_any()
    };
    view! {
        <Loaded remote=list lines=10 let:list>
            {
                let rows = Signal::derive(move || list.with(|l| l.items().to_vec()));
                view! {
                    <Show when=move || !search.is("") || list.with(|l| l.total() > 0)>
                        <div class="toolbar"><SearchBox param=search label="Search packages" resets=page/></div>
                    </Show>
                    <Show when=move || lacks() != 0>
                        <p class="callout warn among" role="status"><Icon name="triangle-alert"/><span>
                            {move || format!("{} that packages of the box ask for {} not here. ", format::plural(lacks() as u64, "package"), if lacks() == 1 { "is" } else { "are" })}
                            <a href="/packages?tab=missing">"See which, and take the list along"</a></span></p>
                    </Show>
                    <Show when=move || rows.with(|r| !r.is_empty()) fallback=nothing>
                        <Table id="packages" label="Packages" rows columns=Signal::derive(columns) key=|p| p.name.clone() href=|p| href(&p.name)/>
                        <Pager param=page total=Signal::derive(move || list.with(Listing::total)) noun="package"
                            shown=Signal::derive(move || rows.with(Vec::len)) next=Signal::derive(move || list.with(Listing::next))/>
                    </Show>
                }
            }
        </Loaded>
    }
}

fn empty() -> impl IntoView {
    let text = if is_engineer() {
        "Jobs and builds install from the wheels that are here. Drop .whl files on this page. For a whole requirements file, “What is missing” writes the list to fetch on a machine with internet."
    } else {
        "Jobs and builds install from the wheels that are here. Whoever has the role engineer can add some."
    };
    view! {
        <div class="pane"><EmptyState icon="boxes" title="No packages yet" text>
            {is_engineer().then(|| view! {
                <UploadWheels/>
                <LinkButton icon="list-checks" href="/packages?tab=missing">"What is missing"</LinkButton>
            })}
        </EmptyState></div>
    }
}

fn columns() -> Vec<Column<PackageSummary>> {
    vec![
        Column::<PackageSummary>::new("name", "Package", |p| {
            view! { <a class="row-link name" href=href(&p.name)>{p.shown.clone()}</a> }.into_any()
        })
        .fixed(),
        Column::<PackageSummary>::new("summary", "What it is", |p| {
            let text = p.summary.clone().unwrap_or_default();
            view! { <span class="dim" title=text.clone()>{text.clone()}</span> }.into_any()
        })
        .wide_only(),
        Column::<PackageSummary>::new("latest", "Latest", |p| match &p.latest {
            Some(version) => view! { <span class="mono">{version.clone()}</span> }.into_any(),
            None => view! { <span class="dim">"all yanked"</span> }.into_any(),
        }),
        Column::<PackageSummary>::new("versions", "Versions", |p| format::number(p.version_count).into_any())
            .right()
            .wide_only(),
        Column::<PackageSummary>::new("files", "Wheels", |p| format::number(p.file_count).into_any()).right(),
        Column::<PackageSummary>::new("size", "Size", |p| format::bytes(p.size_bytes).into_any()).right(),
        Column::<PackageSummary>::new("by", "By", |p| p.uploaded_by.clone().into_any()).wide_only(),
        Column::<PackageSummary>::new("uploaded", "Last upload", |p| {
            view! { <span class="dim"><TimeAgo at=p.uploaded_at/></span> }.into_any()
        })
        .right()
        .wide_only(),
    ]
}

/// Commands for each place that installs or uploads, with this box's address in them.
#[component]
fn HowTo() -> impl IntoView {
    let location = window().location();
    let host = location.host().unwrap_or_default();
    let scheme = location.protocol().unwrap_or_default();
    let who = use_me().map(|me| me.username).unwrap_or_default();
    // pip refuses a plain address unless it is told that the host is trusted
    let trust = if scheme == "http:" && !host.starts_with("localhost") && !host.starts_with("127.") {
        format!(" --trusted-host {}", host.split(':').next().unwrap_or_default())
    } else {
        String::new()
    };
    let own_authority = scheme == "https:";
    let pip =
        Signal::stored(format!("pip install{trust} --index-url {scheme}//{who}:TOKEN@{host}/pypi/simple/ PACKAGE"));
    let uv = Signal::stored(format!("uv pip install --index-url {scheme}//{who}:TOKEN@{host}/pypi/simple/ PACKAGE"));
    let add = Signal::stored("drydock package add wheels/*.whl".to_owned());
    let twine = Signal::stored(format!(
        "twine upload --repository-url {scheme}//{host}/pypi/legacy/ -u {who} -p TOKEN dist/*.whl"
    ));
    let inside = Signal::stored("RUN pip install -r requirements.txt".to_owned());
    view! {
        <div class="split">
            <Card title="In jobs and builds">
                <div class="stack">
                    <p class="dim">"Nothing to set: pip and uv in a job or in a Dockerfile's RUN ask this index by themselves."</p>
                    <Command text=inside what="Copy the line for a Dockerfile"/>
                </div>
            </Card>
            <Card title="From a computer on the network">
                <div class="stack">
                    <p class="dim among">"TOKEN is an "<a href="/settings?tab=tokens">"API token"</a>" of yours."
                        {own_authority.then(|| view! { " If pip does not trust the box's certificate, "<a href="/ca.pem" download="ca.pem">"download its authority"</a>" and add --cert ca.pem." })}</p>
                    <Command text=pip what="Copy the command for pip"/>
                    <Command text=uv what="Copy the command for uv"/>
                </div>
            </Card>
            {is_engineer().then(|| view! {
                <Card title="Add wheels from a shell">
                    <div class="stack">
                        <p class="dim">"With the drydock program and a token in DRYDOCK_TOKEN, or with twine."</p>
                        <Command text=add what="Copy the command for drydock"/>
                        <Command text=twine what="Copy the command for twine"/>
                    </div>
                </Card>
            })}
        </div>
    }
}
