//! The people of a queue: what each uses and has waiting, against the same part for everybody.

use super::{amounts, queues::Part};
use crate::{
    format,
    ui::{Show, TimeAgo},
};
use drydock_wire::queues::{Queue, QueuePerson};
use leptos::prelude::*;

#[component]
pub fn People(queue: Memo<Queue>) -> impl IntoView {
    let rows = move || {
        let (people, sum) = queue.with(|q| (q.people.clone(), q.people.iter().map(|p| p.share).sum::<f64>()));
        let due = 1.0 / (people.len() as f64).max(1.0);
        people.into_iter().map(|person| row(person, sum, due)).collect_view()
    };
    view! {
        <Show when=move || queue.with(|q| !q.people.is_empty()) fallback=|| view! { <p class="dim none">"Nobody has used it lately."</p> }>
            <div class="scroll-x" role="region" aria-label=move || format!("People of the queue {}", queue.with(|q| q.name.clone())) tabindex="0">
                <table class="plain lines people">
                    <thead><tr><th scope="col">"Person"</th><th scope="col">"Part of what was used"</th><th scope="col" class="wide-only">"Uses now"</th>
                        <th scope="col" class="num">"Waiting"</th><th scope="col" class="num wide-only">"Last turn"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </Show>
    }
}

fn row(person: QueuePerson, sum: f64, due: f64) -> impl IntoView {
    let part = if sum > 0.0 { person.share / sum } else { 0.0 };
    let turn = match person.turn_at {
        Some(at) => view! { <TimeAgo at/> }.into_any(),
        None => "–".into_any(),
    };
    view! {
        <tr>
            <th scope="row">{person.username.clone()}</th>
            <td class="filled"><Part label=format!("Part of {}", person.username) part due/></td>
            <td class="dim wide-only">{amounts::used(&person.using)}</td>
            <td class="num">{format::number(person.waiting)}</td>
            <td class="num dim wide-only">{turn}</td>
        </tr>
    }
}
