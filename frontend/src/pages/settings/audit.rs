//! Who changed what, from where, newest first; for admins.

use crate::{
    api,
    live::remote,
    ui::{EmptyState, Loaded, Pager, SearchBox, TimeAgo, url::param},
};
use drydock_wire::{Page, accounts::AuditEntry};
use leptos::prelude::*;

#[component]
pub fn Audit() -> impl IntoView {
    let (page, search) = (param("page", ""), param("q", ""));
    let path = move || {
        let words = search.get();
        let words = if words.is_empty() { words } else { format!("&q={}", api::seg(&words)) };
        match page.get().as_str() {
            "" => format!("/audit?limit=50{words}"),
            at => format!("/audit?limit=50{words}&page={}", api::seg(at)),
        }
    };
    let trail = remote::<Page<AuditEntry>>(move || Some(path()), &[]);
    let nothing = move || match search.get().is_empty() {
        true => ("Nothing here", "Every change leaves a line, in the same transaction as the change."),
        false => {
            ("Nothing found", "Each word has to stand in the name, the action, the subject, the address or the detail.")
        }
    };
    view! {
        <div class="toolbar"><SearchBox param=search label="Search the audit trail" resets=page/></div>
        <Loaded remote=trail lines=12 let:entries>
            {move || if entries.with(|e| e.items.is_empty()) { let (title, text) = nothing(); view! {
                <div class="pane"><EmptyState icon="scroll-text" title text/></div>
            }.into_any() } else { view! {
                <div class="pane" tabindex="0" role="region" aria-label="Audit trail"><table class="grid">
                    <thead><tr><th scope="col">"When"</th><th scope="col">"Who"</th><th scope="col">"What"</th><th scope="col">"Subject"</th>
                        <th scope="col" class="wide-only">"Address"</th><th scope="col" class="wide-only">"Detail"</th></tr></thead>
                    <tbody>{entries.get().items.into_iter().map(line).collect_view()}</tbody>
                </table></div>
            }.into_any() }}
            <Pager param=page total=Signal::derive(move || entries.with(|e| e.total)) shown=Signal::derive(move || entries.with(|e| e.items.len()))
                next=Signal::derive(move || entries.with(|e| e.next.clone())) noun="entry"/>
        </Loaded>
    }
}

fn line(entry: AuditEntry) -> impl IntoView {
    let detail = if entry.detail.is_null() { String::new() } else { entry.detail.to_string() };
    view! {
        <tr><td><TimeAgo at=entry.at/></td><td><b class="name">{entry.actor}</b></td><td class="mono">{entry.action}</td>
            <td class="mono">{entry.subject}</td><td class="mono wide-only">{entry.address}</td>
            <td class="mono dim wide-only" title=detail.clone()>{detail.clone()}</td></tr>
    }
}
