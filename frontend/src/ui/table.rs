//! A table of things: each row leads to its thing's page. j and k move between rows, enter opens, / searches (the shell
//! handles these keys by looking for `a.row-link`).

use super::{Each, Icon, theme, url::Param};
use crate::{app::go, reactive::memo};
use leptos::{ev, prelude::*};
use std::sync::Arc;
use wasm_bindgen::JsCast;

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Align {
    #[default]
    Left,
    /// Figures.
    Right,
}

type Cell<T> = Arc<dyn Fn(&T) -> AnyView + Send + Sync>;
type Compare<T> = Arc<dyn Fn(&T, &T) -> std::cmp::Ordering + Send + Sync>;

/// One column. `Column::new("name", "Name", |job| job.name.clone().into_any())`
pub struct Column<T> {
    key: &'static str,
    label: String,
    cell: Cell<T>,
    align: Align,
    sort: SortBy<T>,
    wide_only: bool,
    fixed: bool,
}

#[derive(Clone)]
enum SortBy<T> {
    Not,
    /// By the server, which is asked again.
    There,
    Here(Compare<T>),
}

impl<T: 'static> Clone for Column<T> {
    fn clone(&self) -> Self {
        let sort = match &self.sort {
            SortBy::Not => SortBy::Not,
            SortBy::There => SortBy::There,
            SortBy::Here(by) => SortBy::Here(by.clone()),
        };
        let (cell, label) = (self.cell.clone(), self.label.clone());
        Self { key: self.key, label, cell, align: self.align, sort, wide_only: self.wide_only, fixed: self.fixed }
    }
}

impl<T: 'static> Column<T> {
    pub fn new(key: &'static str, label: &str, cell: impl Fn(&T) -> AnyView + Send + Sync + 'static) -> Self {
        let (cell, label) = (Arc::new(cell), label.to_owned());
        Self { key, label, cell, align: Align::Left, sort: SortBy::Not, wide_only: false, fixed: false }
    }

    /// Figures, aligned right.
    pub fn right(mut self) -> Self {
        self.align = Align::Right;
        self
    }

    /// Left out on narrow screens.
    pub fn wide_only(mut self) -> Self {
        self.wide_only = true;
        self
    }

    /// Cannot be hidden.
    pub fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    /// Sorted here, among the rows on the page.
    pub fn sorts_by(mut self, by: impl Fn(&T, &T) -> std::cmp::Ordering + Send + Sync + 'static) -> Self {
        self.sort = SortBy::Here(Arc::new(by));
        self
    }

    /// Sorted by the server: the page asks again when the parameter changes.
    pub fn sorts_there(mut self) -> Self {
        self.sort = SortBy::There;
        self
    }
}

/// What a table is sorted by, as the address has it: `name` or `-name`.
#[derive(Clone, PartialEq)]
pub struct Sort {
    pub key: String,
    pub descending: bool,
}

impl Sort {
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix('-') {
            Some(key) => Self { key: key.to_owned(), descending: true },
            None => Self { key: text.to_owned(), descending: false },
        }
    }
}

/// The table. `id` names its column choice in this browser; `key` and `href` of a row; `sort` is the address's parameter.
#[component]
pub fn Table<T>(
    id: &'static str,
    #[prop(into)] label: String,
    #[prop(into)] rows: Signal<Vec<T>>,
    #[prop(into)] columns: Signal<Vec<Column<T>>>,
    key: fn(&T) -> String,
    /// Where a click on the row goes; the first cell should hold a link there with the class `row-link`.
    #[prop(optional)]
    href: Option<fn(&T) -> String>,
    #[prop(optional)] sort: Option<Param>,
) -> impl IntoView
where
    T: Clone + PartialEq + Send + Sync + 'static,
{
    let hidden = RwSignal::new(load_hidden(id));
    let visible = Memo::new_with_compare(
        move |_| {
            columns
                .get()
                .into_iter()
                .filter(|c| c.fixed || hidden.with(|h| !h.iter().any(|k| k == c.key)))
                .collect::<Vec<_>>()
        },
        |_, _| true,
    );
    let sorted = memo(move || {
        let mut list = rows.get();
        if let Some(sort) = sort.map(|s| Sort::parse(&s.get())) {
            let by = columns.with(|c| c.iter().find(|c| c.key == sort.key).map(|c| c.sort.clone_by()));
            if let Some(Some(by)) = by {
                list.sort_by(|a, b| if sort.descending { by(b, a) } else { by(a, b) });
            }
        }
        list
    });
    let keys = move || sorted.with(|l| l.iter().map(key).collect::<Vec<_>>());
    let region = label.clone();
    view! {
        <div class="pane" role="region" aria-label=region tabindex="0">
            <table class="grid" id=id aria-label=label>
                <thead><tr>
                    {move || visible.get().into_iter().map(|c| heading(c, sort)).collect_view()}
                    <th class="tools" scope="col"><ColumnMenu id columns hidden/></th>
                </tr></thead>
                <tbody>
                    <Each keys children=move |k| row(k, sorted, visible, key, href)/>
                </tbody>
            </table>
        </div>
    }
}

impl<T> SortBy<T> {
    fn clone_by(&self) -> Option<Compare<T>> {
        match self {
            Self::Here(by) => Some(by.clone()),
            Self::Not | Self::There => None,
        }
    }
}

fn row<T: Clone + PartialEq + Send + Sync + 'static>(
    id: String,
    rows: Memo<Vec<T>>,
    columns: Memo<Vec<Column<T>>>,
    key: fn(&T) -> String,
    href: Option<fn(&T) -> String>,
) -> impl IntoView {
    // a row that leaves the list keeps its last content until it is taken away
    let item = Memo::new(move |old: Option<&Option<T>>| {
        rows.with(|l| l.iter().find(|t| key(t) == id).cloned()).or_else(|| old.cloned().flatten())
    });
    let open = move |e: ev::MouseEvent| {
        let inner = e.target().and_then(|t| t.dyn_into::<web_sys::Element>().ok());
        let own = inner.is_some_and(|t| t.closest("a, button, input, label, summary").ok().flatten().is_some());
        if let (Some(href), false) = (href, own) {
            item.with_untracked(|i| i.as_ref().map(|i| go(&href(i))));
        }
    };
    view! {
        <tr class:link=href.is_some() on:click=open>
            {move || columns.get().into_iter().map(|c| {
                let cell = c.cell.clone();
                view! {
                    <td class:num=c.align == Align::Right class:wide-only=c.wide_only>
                        {move || item.with(|i| i.as_ref().map(|i| cell(i)))}
                    </td>
                }
            }).collect_view()}
            <td class="tools"></td>
        </tr>
    }
}

fn heading<T: 'static>(column: Column<T>, sort: Option<Param>) -> impl IntoView {
    let key = column.key;
    let sorts = sort.filter(|_| !matches!(column.sort, SortBy::Not));
    let now = move || sorts.map(|s| Sort::parse(&s.get())).filter(|s| s.key == key);
    let aria = move || {
        sorts.map(|_| match now() {
            None => "none",
            Some(s) if s.descending => "descending",
            Some(_) => "ascending",
        })
    };
    let press = move |_| {
        if let Some(sort) = sorts {
            let up = now().is_some_and(|s| s.descending);
            let first_down = column.align == Align::Right && now().is_none();
            let down = now().is_some_and(|s| !s.descending) || first_down;
            sort.set(&if down && !up { format!("-{key}") } else { key.to_owned() });
        }
    };
    let label = column.label.clone();
    view! {
        <th scope="col" class:num=column.align == Align::Right class:wide-only=column.wide_only aria-sort=aria>
            {if sorts.is_some() {
                view! {
                    <button type="button" on:click=press>
                        {label}
                        {move || now().map(|s| view! { <Icon name=if s.descending { "arrow-down" } else { "arrow-up" }/> })}
                    </button>
                }.into_any()
            } else {
                label.into_any()
            }}
        </th>
    }
}

#[component]
fn ColumnMenu<T: Clone + Send + Sync + 'static>(
    id: &'static str,
    columns: Signal<Vec<Column<T>>>,
    hidden: RwSignal<Vec<String>>,
) -> impl IntoView {
    let toggle = move |key: &str, show: bool| {
        hidden.update(|h| {
            h.retain(|k| k != key);
            if !show {
                h.push(key.to_owned());
            }
        });
        theme::store(&format!("drydock.columns.{id}"), &hidden.get_untracked().join(","));
    };
    view! {
        <details class="menu columns">
            <summary class="icon-btn" aria-label="Columns" title="Columns"><Icon name="columns-3"/></summary>
            <div class="menu-list" role="group" aria-label="Columns shown">
                {move || columns.get().into_iter().filter(|c| !c.fixed).map(|c| {
                    let key = c.key;
                    view! {
                        <label class="check">
                            <input type="checkbox" prop:checked=move || hidden.with(|h| !h.iter().any(|k| k == key))
                                on:change:target=move |e| toggle(key, e.target().checked())/>
                            {c.label.clone()}
                        </label>
                    }
                }).collect_view()}
            </div>
        </details>
    }
}

fn load_hidden(id: &str) -> Vec<String> {
    let text = theme::stored(&format!("drydock.columns.{id}")).unwrap_or_default();
    text.split(',').filter(|k| !k.is_empty()).map(str::to_owned).collect()
}
