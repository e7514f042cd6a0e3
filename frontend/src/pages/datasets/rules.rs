//! The rules of a dataset as rows of a form, with the columns of the data to choose from.

use crate::{
    api::{self, seg},
    format,
    live::Remote,
    pages::parts::is_engineer,
    reactive::memo,
    ui::{Button, Card, EmptyState, Icon, Look, Show, Tone, act, dialog::fresh_id, toast},
};
use drydock_wire::datasets::{Check, ColumnKind, DatasetDetail, Rule, SetRules, VersionDetail};
use leptos::prelude::*;
use std::collections::BTreeMap;

/// A rule as a sentence.
pub fn in_words(rule: &Rule) -> String {
    let between = |min: Option<String>, max: Option<String>| match (min, max) {
        (Some(a), Some(b)) => format!("from {a} to {b}"),
        (Some(a), None) => format!("at least {a}"),
        (None, Some(b)) => format!("at most {b}"),
        (None, None) => "any number".to_owned(),
    };
    match &rule.check {
        Check::Columns { columns } => format!("Has the columns {}", columns.join(", ")),
        Check::NotNull { column } => format!("{column} is never empty"),
        Check::Unique { column } => format!("{column} has no value twice"),
        Check::Range { column, min, max } => {
            format!("{column} is {}", between(min.map(format::value), max.map(format::value)))
        }
        Check::OneOf { column, values } => format!("{column} is one of {}", values.join(", ")),
        Check::RowCount { min, max } => {
            format!("Number of rows is {}", between(min.map(format::number), max.map(format::number)))
        }
        Check::UniqueTogether { columns } => format!("{} together have no combination twice", columns.join(", ")),
        Check::Regex { column, pattern } => format!("{column} matches {pattern}"),
        Check::Schema { types, exact } => {
            let only = if *exact { ", and no other columns" } else { "" };
            format!("Columns have their types: {}{only}", types_in_words(types))
        }
        Check::Drift { column, against, max } => {
            format!("{column} is spread as in {against}, at most {} apart", format::value(*max))
        }
        Check::Images { min, max, .. } => match (min, max) {
            (None, None) => "Every image is sound".to_owned(),
            _ => format!(
                "Number of images is {}, every one sound",
                between(min.map(format::number), max.map(format::number))
            ),
        },
    }
}

fn types_in_words(types: &BTreeMap<String, ColumnKind>) -> String {
    types.iter().map(|(name, kind)| format!("{name}: {}", type_word(*kind))).collect::<Vec<_>>().join(", ")
}

/// As YAML has it.
fn type_word(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Integer => "integer",
        ColumnKind::Float => "float",
        ColumnKind::Boolean => "boolean",
        ColumnKind::Timestamp => "timestamp",
        ColumnKind::Text => "text",
        ColumnKind::Empty => "empty",
    }
}

fn read_types(text: &str) -> Result<BTreeMap<String, ColumnKind>, String> {
    use ColumnKind::{Boolean, Float, Integer, Text, Timestamp};
    let mut types = BTreeMap::new();
    for pair in list(text, "Give columns with their types: id: integer, age: float.")? {
        let (name, word) = pair.rsplit_once(':').ok_or_else(|| format!("“{pair}” lacks a type, as in id: integer."))?;
        let kind = [Integer, Float, Boolean, Timestamp, Text].into_iter().find(|kind| type_word(*kind) == word.trim());
        let kind = kind.ok_or("Types are integer, float, boolean, timestamp and text.")?;
        types.insert(name.trim().to_owned(), kind);
    }
    Ok(types)
}

const KINDS: [(&str, &str); 11] = [
    ("not_null", "is never empty"),
    ("range", "is in a range"),
    ("one_of", "is one of"),
    ("unique", "has no value twice"),
    ("columns", "The file has the columns"),
    ("row_count", "The number of rows"),
    ("regex", "matches the pattern"),
    ("unique_together", "No combination twice of"),
    ("schema", "The columns have the types"),
    ("drift", "is spread as in a version"),
    ("images", "The number of images"),
];

/// A rule being edited. Texts of other kinds stay, so that changing the kind back loses nothing.
#[derive(Clone, Copy)]
struct Row {
    id: u32,
    file: RwSignal<String>,
    kind: RwSignal<String>,
    column: RwSignal<String>,
    min: RwSignal<String>,
    max: RwSignal<String>,
    values: RwSignal<String>,
    /// What it was before, for what the form does not show of it.
    before: StoredValue<Option<Check>>,
}

impl Row {
    fn new(id: u32, rule: Option<&Rule>) -> Self {
        let (mut kind, mut column, mut min, mut max, mut values) =
            ("not_null", String::new(), String::new(), String::new(), String::new());
        match rule.map(|r| &r.check) {
            None => {}
            Some(Check::Columns { columns }) => (kind, values) = ("columns", columns.join(", ")),
            Some(Check::NotNull { column: c }) => column.clone_from(c),
            Some(Check::Unique { column: c }) => (kind, column) = ("unique", c.clone()),
            Some(Check::Range { column: c, min: a, max: b }) => {
                let text = |v: &Option<f64>| v.map(|v| v.to_string()).unwrap_or_default();
                (kind, column, min, max) = ("range", c.clone(), text(a), text(b));
            }
            Some(Check::OneOf { column: c, values: v }) => (kind, column, values) = ("one_of", c.clone(), v.join(", ")),
            Some(Check::RowCount { min: a, max: b }) => {
                let text = |v: &Option<u64>| v.map(|v| v.to_string()).unwrap_or_default();
                (kind, min, max) = ("row_count", text(a), text(b));
            }
            Some(Check::UniqueTogether { columns }) => (kind, values) = ("unique_together", columns.join(", ")),
            Some(Check::Regex { column: c, pattern }) => (kind, column, values) = ("regex", c.clone(), pattern.clone()),
            Some(Check::Schema { types, .. }) => (kind, values) = ("schema", types_in_words(types)),
            Some(Check::Drift { column: c, against, max: m }) => {
                (kind, column, values, max) = ("drift", c.clone(), against.clone(), m.to_string());
            }
            Some(Check::Images { min: a, max: b, .. }) => {
                let text = |v: &Option<u64>| v.map(|v| v.to_string()).unwrap_or_default();
                (kind, min, max) = ("images", text(a), text(b));
            }
        }
        Self {
            id,
            file: RwSignal::new(rule.and_then(|r| r.file.clone()).unwrap_or_default()),
            kind: RwSignal::new(kind.to_owned()),
            column: RwSignal::new(column),
            min: RwSignal::new(min),
            max: RwSignal::new(max),
            values: RwSignal::new(values),
            before: StoredValue::new(rule.map(|r| r.check.clone())),
        }
    }

    /// The rule, or what is wrong with it.
    fn read(&self) -> Result<Rule, String> {
        let kind = self.kind.get();
        let column = || match self.column.get().trim() {
            "" => Err("Choose a column.".to_owned()),
            name => Ok(name.to_owned()),
        };
        let check = match kind.as_str() {
            "columns" => Check::Columns { columns: list(&self.values.get(), "Name at least one column.")? },
            "unique" => Check::Unique { column: column()? },
            "range" => {
                let (min, max) = self.ends::<f64>("a number")?;
                Check::Range { column: column()?, min, max }
            }
            "one_of" => {
                Check::OneOf { column: column()?, values: list(&self.values.get(), "Give at least one value.")? }
            }
            "row_count" => {
                let (min, max) = self.ends::<u64>("a whole number")?;
                Check::RowCount { min, max }
            }
            "regex" => match self.values.get().as_str() {
                "" => return Err("Give a pattern, as in [A-Z]+-[0-9]+.".to_owned()),
                pattern => Check::Regex { column: column()?, pattern: pattern.to_owned() },
            },
            "unique_together" => {
                Check::UniqueTogether { columns: list(&self.values.get(), "Name at least two columns.")? }
            }
            "schema" => {
                let exact = self.before.with_value(|b| matches!(b, Some(Check::Schema { exact: true, .. })));
                Check::Schema { types: read_types(&self.values.get())?, exact }
            }
            "drift" => {
                let max = self.max.get().trim().parse::<f64>().map_err(|_| "Give the greatest distance, 0 to 1.")?;
                match self.values.get().trim() {
                    "" => return Err("Name a version or a tag to compare with.".to_owned()),
                    against => Check::Drift { column: column()?, against: against.to_owned(), max },
                }
            }
            "images" => {
                let (min, max) = self.open_ends::<u64>("a whole number")?;
                match self.before.get_value() {
                    Some(Check::Images { min_width, min_height, max_width, max_height, .. }) => {
                        Check::Images { min, max, min_width, min_height, max_width, max_height }
                    }
                    _ => {
                        Check::Images { min, max, min_width: None, min_height: None, max_width: None, max_height: None }
                    }
                }
            }
            _ => Check::NotNull { column: column()? },
        };
        Ok(Rule { file: Some(self.file.get()).filter(|f| !f.is_empty()), check })
    }

    fn ends<T: std::str::FromStr + PartialOrd>(&self, what: &str) -> Result<(Option<T>, Option<T>), String> {
        match self.open_ends(what)? {
            (None, None) => Err("Give a least or a greatest value.".to_owned()),
            ends => Ok(ends),
        }
    }

    /// Neither need be there.
    fn open_ends<T: std::str::FromStr + PartialOrd>(&self, what: &str) -> Result<(Option<T>, Option<T>), String> {
        let end = |text: String| match text.trim() {
            "" => Ok(None),
            text => text.parse::<T>().map(Some).map_err(|_| format!("“{text}” is not {what}.")),
        };
        let (min, max) = (end(self.min.get())?, end(self.max.get())?);
        if let (Some(a), Some(b)) = (&min, &max)
            && a > b
        {
            return Err("The least value is above the greatest.".to_owned());
        }
        Ok((min, max))
    }
}

fn list(text: &str, none: &str) -> Result<Vec<String>, String> {
    let items: Vec<String> = text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect();
    if items.is_empty() { Err(none.to_owned()) } else { Ok(items) }
}

#[component]
pub fn RulesEditor(dataset: Signal<DatasetDetail>, detail: Remote<VersionDetail>) -> impl IntoView {
    if !is_engineer() {
        return view! { <ReadOnly dataset/> }.into_any();
    }
    let start = dataset.with_untracked(|d| d.rules.clone());
    let rows = RwSignal::new(start.iter().enumerate().map(|(i, r)| Row::new(i as u32, Some(r))).collect::<Vec<_>>());
    let next_id = StoredValue::new(start.len() as u32);
    let owner = StoredValue::new(Owner::current().unwrap_or_default());
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    let columns = memo(move || {
        detail.data.with(|d| {
            d.iter().flat_map(|d| &d.profiles).flat_map(|p| &p.columns).map(|c| c.name.clone()).collect::<Vec<_>>()
        })
    });
    let files = memo(move || {
        detail.data.with(|d| d.iter().flat_map(|d| &d.profiles).map(|p| p.path.clone()).collect::<Vec<_>>())
    });
    let changed = memo(move || {
        let now = rows.with(|r| r.iter().map(|r| r.read().ok()).collect::<Vec<_>>());
        dataset.with(|d| now.len() != d.rules.len() || now.iter().zip(&d.rules).any(|(a, b)| a.as_ref() != Some(b)))
    });
    let why_not = Signal::derive(move || (!changed.get()).then(|| "Nothing has changed.".to_owned()));
    let add = move |_| {
        let id = next_id.get_value();
        next_id.set_value(id + 1);
        owner.with_value(|o| o.with(|| rows.update(|r| r.push(Row::new(id, None)))));
        tried.set(false);
    };
    let save = move |_| {
        tried.set(true);
        let Ok(rules) = rows.with_untracked(|r| untrack(|| r.iter().map(Row::read).collect::<Result<Vec<_>, _>>()))
        else {
            toast(Tone::Bad, "Some rules are not complete", "Look at the marked rows.");
            return;
        };
        let path = format!("/datasets/{}/rules", seg(&dataset.with_untracked(|d| d.summary.name.clone())));
        let call = async move { api::put::<_, DatasetDetail>(&path, &SetRules { rules }).await };
        act(busy, "The rules were not saved", call, move |_| {
            toast(Tone::Good, "Rules saved", "Check a version to see how it stands.");
        });
    };
    let columns_id = fresh_id("columns");
    let list_id = StoredValue::new(columns_id.clone());
    view! {
        <Card title="Rules">
            <datalist id=columns_id>{move || columns.get().into_iter().map(|c| view! { <option value=c></option> }).collect_view()}</datalist>
            <Show when=move || rows.with(|r| !r.is_empty()) fallback=|| view! {
                <EmptyState icon="list-checks" title="No rules yet" text="A rule says what must be true of the data. Each new version is checked against them."/>
            }>
                <ol class="rules">
                    <For each=move || rows.get() key=|r| r.id let:row>
                        <RuleRow row files list_id=list_id.get_value() tried
                            on_remove=move |()| rows.update(|all| all.retain(|r| r.id != row.id))/>
                    </For>
                </ol>
            </Show>
            <div class="actions">
                <Button icon="plus" on_press=add>"Add a rule"</Button>
                <Button look=Look::Primary icon="save" busy why_not on_press=save>"Save rules"</Button>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn RuleRow(
    row: Row,
    files: Memo<Vec<String>>,
    list_id: String,
    tried: RwSignal<bool>,
    #[prop(into)] on_remove: Callback<()>,
) -> impl IntoView {
    let is = move |kinds: &'static [&'static str]| kinds.contains(&row.kind.get().as_str());
    let error = move || if tried.get() { row.read().err() } else { None };
    let values_words = move || match row.kind.get().as_str() {
        "columns" | "unique_together" => ("Columns, separated by commas", "a, b, c"),
        "regex" => ("Pattern", "[A-Z]+-[0-9]+"),
        "schema" => ("Columns with their types", "id: integer, at: timestamp"),
        "drift" => ("Version or tag to compare with", "prod"),
        _ => ("Values, separated by commas", "a, b, c"),
    };
    view! {
        <li class="rule" class:invalid=move || error().is_some()>
            <Show when=move || is(&["not_null", "range", "one_of", "unique", "regex", "drift"])>
                <input class="mono" aria-label="Column" placeholder="column" list=list_id.clone() bind:value=row.column spellcheck="false"/>
            </Show>
            <select aria-label="What must be true" prop:value=move || row.kind.get() on:change:target=move |e| row.kind.set(e.target().value())>
                {KINDS.into_iter().map(|(value, text)| view! { <option value=value selected=row.kind.get_untracked() == value>{text}</option> }).collect_view()}
            </select>
            <Show when=move || is(&["range", "row_count", "images"])>
                <input class="mono short" aria-label="Least" placeholder="least" inputmode="decimal" bind:value=row.min/>
                <span class="dim">"to"</span>
                <input class="mono short" aria-label="Greatest" placeholder="greatest" inputmode="decimal" bind:value=row.max/>
            </Show>
            <Show when=move || is(&["one_of", "columns", "regex", "unique_together", "schema", "drift"])>
                <input class="mono grow" aria-label=move || values_words().0 placeholder=move || values_words().1 bind:value=row.values spellcheck="false"/>
            </Show>
            <Show when=move || is(&["drift"])>
                <input class="mono short" aria-label="Greatest distance, 0 to 1" placeholder="0.1" inputmode="decimal" bind:value=row.max/>
            </Show>
            <Show when=move || !is(&["images"]) && (files.with(|f| f.len() > 1) || !row.file.with(String::is_empty))>
                <select aria-label="File" prop:value=move || { files.track(); row.file.get() } on:change:target=move |e| row.file.set(e.target().value())>
                    <option value="">"in every table"</option>
                    {move || files.get().into_iter().map(|f| view! { <option value=f.clone() selected=row.file.get_untracked() == f>"in "{f.clone()}</option> }).collect_view()}
                </select>
            </Show>
            <button type="button" class="icon-btn" aria-label="Remove this rule" title="Remove" on:click=move |_| on_remove.run(())><Icon name="x"/></button>
            {move || error().map(|text| view! { <p class="note" role="alert">{text}</p> })}
        </li>
    }
}

#[component]
fn ReadOnly(dataset: Signal<DatasetDetail>) -> impl IntoView {
    view! {
        <Card title="Rules">
            <Show when=move || dataset.with(|d| !d.rules.is_empty()) fallback=|| view! { <p class="dim none">"No rules are declared."</p> }>
                <ul class="plain-list">{move || dataset.with(|d| d.rules.clone()).iter().map(|r| view! { <li>{in_words(r)}</li> }).collect_view()}</ul>
            </Show>
        </Card>
    }
}
