//! The table of runs: as many rows as there are, of which those in sight are drawn.
//!
//! A row is as high as every other, so a place in the list is a place on the scroll bar. What is chosen and sorted by is the page's.

use super::{
    columns::{Column, Columns},
    windows::Windows,
};
use crate::{
    api::{self, seg},
    app::go,
    reactive::{effect, memo},
    ui::{Icon, Sort, url::Param},
};
use leptos::{ev, html, prelude::*, task::spawn_local};
use std::collections::HashSet;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Element, PointerEvent, ResizeObserver};

pub const ROW_PX: f64 = 38.0;
/// Rows drawn above and below what is in sight.
const SPARE: usize = 8;
const NAME_PX: u32 = 196;
const NARROWEST_PX: u32 = 60;

/// Which runs are chosen.
#[derive(Clone, Default, PartialEq)]
pub struct Chosen {
    pub ids: HashSet<String>,
    /// Everything that the filter matches, whatever `ids` has.
    pub all: bool,
}

impl Chosen {
    pub fn has(&self, id: &str) -> bool {
        self.all || self.ids.contains(id)
    }

    pub fn is_empty(&self) -> bool {
        !self.all && self.ids.is_empty()
    }
}

#[derive(Clone, Copy)]
struct Grid {
    rows: Windows,
    columns: Columns,
    chosen: RwSignal<Chosen>,
    /// The row that was chosen last: where a range starts.
    anchor: StoredValue<Option<usize>>,
    path: Memo<String>,
}

#[component]
pub fn RunsTable(
    rows: Windows,
    sort: Param,
    columns: Columns,
    chosen: RwSignal<Chosen>,
    /// As the server's list has it, for what is not fetched yet.
    path: Memo<String>,
) -> impl IntoView {
    let pane = NodeRef::<html::Div>::new();
    let grid = Grid { rows, columns, chosen, anchor: StoredValue::new(None), path };
    let (scroll, height) = (RwSignal::new(0.0), RwSignal::new(600.0));
    watch_height(pane, height);
    let total = memo(move || rows.total.get().unwrap_or(0) as usize);
    let range = memo(move || {
        let first = ((scroll.get() / ROW_PX) as usize).saturating_sub(SPARE);
        let last = first + (height.get() / ROW_PX) as usize + 2 * SPARE;
        (first.min(total.get()), last.min(total.get()))
    });
    effect(move || {
        let first = (scroll.get() / ROW_PX) as usize;
        rows.sight.set((first, first + (height.get() / ROW_PX).ceil() as usize + 1));
    });
    effect(move || keep_place(rows, pane, rows.shift.get()));
    Effect::new(move |before: Option<String>| {
        // another filter or sort starts at its beginning
        let now = path.get();
        if before.is_some_and(|before| before != now)
            && let Some(pane) = pane.get_untracked()
        {
            pane.set_scroll_top(0);
        }
        now
    });
    let widths = move || {
        columns.shown.with(|list| {
            let px = |c: &Column| c.width.unwrap_or_else(|| c.what.default_width());
            list.iter().map(px).collect::<Vec<_>>()
        })
    };
    let above = move || format!("{}px", range.get().0 as f64 * ROW_PX);
    let below = move || format!("{}px", total.get().saturating_sub(range.get().1) as f64 * ROW_PX);
    let full = move || format!("{}px", 44 + NAME_PX + widths().iter().sum::<u32>());
    view! {
        <div class="pane long" role="region" aria-label="Runs" tabindex="0" node_ref=pane
            on:scroll=move |_| if let Some(p) = pane.get_untracked() { scroll.set(f64::from(p.scroll_top())) }
            on:keydown=move |e| key(&e, grid)>
            <table class="grid runs fixed" aria-label="Runs" aria-rowcount=move || (total.get() + 1).to_string() style:width=full>
                <colgroup>
                    <col style:width="44px"/><col style:width=format!("{NAME_PX}px")/>
                    {move || widths().into_iter().map(|px| view! { <col style:width=format!("{px}px")/> }).collect_view()}
                </colgroup>
                <thead><tr aria-rowindex="1">
                    <th scope="col" class="choose">{all_box(grid)}</th>
                    {heading(sort, Some("name".to_owned()), "Run".to_owned(), false, None, columns)}
                    {move || columns.shown.get().into_iter().enumerate().map(|(i, c)| {
                        heading(sort, c.what.sort(), c.what.label(), c.what.is_figure(), Some((i, c)), columns)
                    }).collect_view()}
                </tr></thead>
                <tbody>
                    <tr class="spacer" aria-hidden="true"><td style:height=above></td></tr>
                    <For each=move || { let (from, to) = range.get(); from..to } key=|i| *i children=move |i| row(i, grid)/>
                    <tr class="spacer" aria-hidden="true"><td style:height=below></td></tr>
                </tbody>
            </table>
        </div>
    }
}

fn watch_height(pane: NodeRef<html::Div>, height: RwSignal<f64>) {
    pane.on_load(move |el| {
        let element = el.clone();
        let measure = Closure::<dyn FnMut()>::new(move || {
            let _ = height.try_set(f64::from(element.client_height()));
        });
        let Ok(observer) = ResizeObserver::new(measure.as_ref().unchecked_ref()) else { return };
        observer.observe(&el);
        let keep = StoredValue::new_local((observer, measure));
        on_cleanup(move || {
            let _ = keep.try_with_value(|k| k.0.disconnect());
        });
    });
}

/// Rows that came in above push nothing: the pane scrolls with them, unless it stands at the top, where they are to be seen.
fn keep_place(rows: Windows, pane: NodeRef<html::Div>, by: isize) {
    if by == 0 {
        return;
    }
    rows.shift.set(0);
    if let Some(pane) = pane.get_untracked().filter(|p| p.scroll_top() > 0) {
        pane.set_scroll_top(pane.scroll_top() + (by as f64 * ROW_PX) as i32);
    }
}

/// Chooses everything that matches, drawn or not. The ids follow, for what needs them, as far as the server lists them.
pub fn choose_all(chosen: RwSignal<Chosen>, path: Memo<String>) {
    chosen.set(Chosen { all: true, ..Chosen::default() });
    let path = ids_path(&path.get_untracked(), 0, 10_000);
    spawn_local(async move {
        if let Ok(ids) = api::get::<Vec<String>>(&path).await {
            let _ = chosen.try_update(|c| {
                if c.all {
                    c.ids.extend(ids);
                }
            });
        }
    });
}

fn ids_path(list: &str, offset: usize, limit: usize) -> String {
    let base = list.replacen("/runs", "/run-ids", 1);
    let join = if base.contains('?') { '&' } else { '?' };
    format!("{base}{join}offset={offset}&limit={limit}")
}

fn all_box(grid: Grid) -> impl IntoView {
    let every = move || {
        grid.chosen.with(|c| {
            c.all || (!c.ids.is_empty() && grid.rows.total.get().is_some_and(|total| c.ids.len() as u64 == total))
        })
    };
    let press = move |on: bool| {
        if on { choose_all(grid.chosen, grid.path) } else { grid.chosen.set(Chosen::default()) }
    };
    view! {
        <input type="checkbox" aria-label="Choose all that match" title="Choose all that match" prop:checked=every
            prop:indeterminate=move || !every() && grid.chosen.with(|c| !c.is_empty())
            on:change:target=move |e| press(e.target().checked())/>
    }
}

fn heading(
    sort: Param,
    key: Option<String>,
    label: String,
    figure: bool,
    place: Option<(usize, Column)>,
    columns: Columns,
) -> impl IntoView {
    let key = StoredValue::new(key);
    let now = move || {
        let sort = Sort::parse(&sort.get());
        key.with_value(|k| k.as_ref() == Some(&sort.key)).then_some(sort)
    };
    let press = move |_| {
        let down = now().map_or(figure, |s| !s.descending);
        if let Some(key) = key.get_value() {
            sort.set(&if down { format!("-{key}") } else { key });
        }
    };
    let aria = move || {
        key.with_value(Option::is_some).then(|| match now() {
            None => "none",
            Some(s) if s.descending => "descending",
            Some(_) => "ascending",
        })
    };
    let text = label.clone();
    let head = if key.with_value(Option::is_some) {
        view! {
            <button type="button" on:click=press>
                <span>{text}</span>
                {move || now().map(|s| view! { <Icon name=if s.descending { "arrow-down" } else { "arrow-up" }/> })}
            </button>
        }
        .into_any()
    } else {
        view! { <span>{text}</span> }.into_any()
    };
    view! {
        <th scope="col" class:num=figure aria-sort=aria title=label>{head}{place.map(|(i, c)| grip(i, c, columns))}</th>
    }
}

/// The edge of a heading: dragging it makes the column wider.
fn grip(index: usize, column: Column, columns: Columns) -> impl IntoView {
    let start = StoredValue::new(None::<(i32, u32)>);
    let was = column.width.unwrap_or_else(|| column.what.default_width());
    let begin = move |e: PointerEvent| {
        e.prevent_default();
        start.set_value(Some((e.client_x(), was)));
        if let Some(el) = e.target().and_then(|t| t.dyn_into::<Element>().ok()) {
            let _ = el.set_pointer_capture(e.pointer_id());
        }
    };
    let end = move |e: PointerEvent| {
        let Some((x, width)) = start.get_value() else { return };
        start.set_value(None);
        let wider = (width as i32 + e.client_x() - x).max(NARROWEST_PX as i32) as u32;
        columns.change(|list| {
            if let Some(c) = list.get_mut(index) {
                c.width = Some(wider.min(900));
            }
        });
    };
    view! { <i class="grip" aria-hidden="true" on:pointerdown=begin on:pointerup=end></i> }
}

fn row(index: usize, grid: Grid) -> impl IntoView {
    let run = memo(move || grid.rows.row(index));
    let is_chosen = move || run.with(|r| r.as_ref().is_some_and(|r| grid.chosen.with(|c| c.has(&r.id))));
    let open = move |e: ev::MouseEvent| {
        let inner = e.target().and_then(|t| t.dyn_into::<Element>().ok());
        let own = inner.is_some_and(|t| t.closest("a, button, input, label, td.choose").ok().flatten().is_some());
        if own {
            return;
        }
        if e.shift_key() {
            e.prevent_default();
            return choose_to(grid, index);
        }
        if let Some(id) = run.with_untracked(|r| r.as_ref().map(|r| r.id.clone())) {
            go(&format!("/runs/{}", seg(&id)));
        }
    };
    let press = move |e: ev::MouseEvent| {
        if e.shift_key() {
            choose_to(grid, index);
        } else {
            toggle(grid, index);
        }
    };
    let cells = move || match run.get() {
        None => view! { <td class="choose"></td><td colspan="99"><span class="wait"></span></td> }.into_any(),
        Some(run) => {
            let label = format!("Choose {}", run.name);
            let others = grid.columns.shown.with(|list| {
                let one = |c: &Column| {
                    let mono = c.what.is_logged();
                    view! { <td class:num=c.what.is_figure() class:mono=mono>{c.what.cell(&run)}</td> }
                };
                list.iter().map(one).collect_view()
            });
            view! {
                <td class="choose"><input type="checkbox" aria-label=label prop:checked=is_chosen on:click=press/></td>
                <td><a class="row-link name" href=format!("/runs/{}", run.id) title=run.name.clone()>{run.name.clone()}</a></td>
                {others}
            }
            .into_any()
        }
    };
    view! { <tr class="link" class:chosen=is_chosen aria-rowindex=(index + 2).to_string() data-row=index.to_string() on:click=open>{cells}</tr> }
}

fn toggle(grid: Grid, index: usize) {
    let Some(run) = untrack(|| grid.rows.row(index)) else { return };
    grid.anchor.set_value(Some(index));
    grid.chosen.update(|c| {
        // without the one, it is no longer everything
        c.all = false;
        if !c.ids.remove(&run.id) {
            c.ids.insert(run.id.clone());
        }
    });
}

/// Chooses from the row that was chosen last to this one.
fn choose_to(grid: Grid, index: usize) {
    let from = grid.anchor.get_value().unwrap_or(index);
    let (first, last) = (from.min(index), from.max(index));
    let known: Vec<String> =
        untrack(|| (first..=last).filter_map(|i| grid.rows.row(i).map(|r| r.id.clone())).collect());
    if known.len() == last - first + 1 {
        return grid.chosen.update(|c| c.ids.extend(known));
    }
    let path = ids_path(&grid.path.get_untracked(), first, last - first + 1);
    spawn_local(async move {
        if let Ok(ids) = api::get::<Vec<String>>(&path).await {
            let _ = grid.chosen.try_update(|c| c.ids.extend(ids));
        }
    });
}

/// x chooses the row that has the focus, with Shift all rows from the one before.
fn key(e: &ev::KeyboardEvent, grid: Grid) {
    let name = e.key();
    if !name.eq_ignore_ascii_case("x") || e.ctrl_key() || e.meta_key() || e.alt_key() {
        return;
    }
    let row = document().active_element().and_then(|a| a.closest("tr[data-row]").ok().flatten());
    let Some(index) = row.and_then(|r| r.get_attribute("data-row")).and_then(|t| t.parse().ok()) else { return };
    e.prevent_default();
    if e.shift_key() { choose_to(grid, index) } else { toggle(grid, index) }
}
