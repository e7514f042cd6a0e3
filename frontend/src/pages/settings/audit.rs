//! Who changed what, from where, newest first; for admins.

use crate::{
    api,
    live::remote,
    ui::{EmptyState, Loaded, Pager, TimeAgo, url::param},
};
use drydock_wire::{Page, accounts::AuditEntry};
use leptos::prelude::*;

#[component]
pub fn Audit() -> impl IntoView {
    let page = param("page", "");
    let path = move || match page.get().as_str() {
        "" => "/audit?limit=50".to_owned(),
        at => format!("/audit?limit=50&page={}", api::seg(at)),
    };
    let trail = remote::<Page<AuditEntry>>(move || Some(path()), &[]);
    view! {
        <Loaded remote=trail lines=12 let:entries>
            {move || if entries.with(|e| e.items.is_empty()) { view! {
                <div class="pane"><EmptyState icon="scroll-text" title="Nothing here" text="Every change leaves a line, in the same transaction as the change."/></div>
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
