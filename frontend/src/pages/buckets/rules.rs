//! The fields of a bucket's lists of rules: when objects go by themselves, which web pages may read them, who else may open it.

use crate::ui::{Button, Icon, Show};
use drydock_wire::storage::{CorsRule, Grant, LifecycleRule};
use leptos::prelude::*;

/// One lifecycle rule's fields.
#[derive(Clone, Copy)]
pub struct LifecycleRow {
    id: RwSignal<String>,
    enabled: RwSignal<bool>,
    prefix: RwSignal<String>,
    expire: RwSignal<String>,
    noncurrent: RwSignal<String>,
    keep: RwSignal<String>,
    abort: RwSignal<String>,
    markers: RwSignal<bool>,
}

impl LifecycleRow {
    fn new(rule: &LifecycleRule) -> Self {
        let days = |days: Option<u32>| RwSignal::new(days.map(|n| n.to_string()).unwrap_or_default());
        Self {
            id: RwSignal::new(rule.id.clone()),
            enabled: RwSignal::new(rule.enabled),
            prefix: RwSignal::new(rule.prefix.clone()),
            expire: days(rule.expire_days),
            noncurrent: days(rule.noncurrent_days),
            keep: days(rule.keep_noncurrent),
            abort: days(rule.abort_uploads_days),
            markers: RwSignal::new(rule.remove_lone_markers),
        }
    }

    fn read(&self) -> Result<LifecycleRule, String> {
        let name = self.id.get();
        let days = |text: RwSignal<String>, what: &str| match text.get().trim() {
            "" => Ok(None),
            text => text.parse::<u32>().map(Some).map_err(|_| format!("{name}: {what} is a whole number.")),
        };
        let rule = LifecycleRule {
            id: name.trim().to_owned(),
            enabled: self.enabled.get(),
            prefix: self.prefix.get(),
            expire_days: days(self.expire, "the days of files")?,
            noncurrent_days: days(self.noncurrent, "the days of older versions")?,
            keep_noncurrent: days(self.keep, "how many versions stay")?,
            abort_uploads_days: days(self.abort, "the days of uploads")?,
            remove_lone_markers: self.markers.get(),
        };
        if rule.id.is_empty() {
            return Err("Give each rule a name.".into());
        }
        let does = rule.expire_days.or(rule.noncurrent_days).or(rule.abort_uploads_days).is_some();
        if does || rule.remove_lone_markers {
            Ok(rule)
        } else {
            Err(format!("{name}: say what goes, and after how many days."))
        }
    }
}

/// Rows that can be added and taken out.
pub struct List<T: Send + Sync + 'static> {
    rows: RwSignal<Vec<(u32, T)>>,
    next: StoredValue<u32>,
}

impl<T: Send + Sync + 'static> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Send + Sync + 'static> Copy for List<T> {}

impl<T: Copy + Send + Sync + 'static> List<T> {
    fn of(rows: Vec<T>) -> Self {
        let next = rows.len() as u32;
        Self { rows: RwSignal::new((0..).zip(rows).collect()), next: StoredValue::new(next) }
    }

    fn add(&self, row: T) {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        self.rows.update(|rows| rows.push((id, row)));
    }

    fn remove(&self, id: u32) {
        self.rows.update(|rows| rows.retain(|(other, _)| *other != id));
    }

    /// All of them, or what is wrong with the first that is.
    fn read<R>(&self, one: impl Fn(&T) -> Result<R, String>) -> Result<Vec<R>, String> {
        self.rows.with(|rows| rows.iter().map(|(_, row)| one(row)).collect())
    }
}

pub type Lifecycle = List<LifecycleRow>;

impl Lifecycle {
    pub fn new(rules: &[LifecycleRule]) -> Self {
        Self::of(rules.iter().map(LifecycleRow::new).collect())
    }

    pub fn rules(&self) -> Result<Vec<LifecycleRule>, String> {
        self.read(LifecycleRow::read)
    }

    fn add_new(&self) {
        let number = self.rows.with_untracked(Vec::len) + 1;
        self.add(LifecycleRow::new(&LifecycleRule {
            id: format!("rule-{number}"),
            enabled: true,
            prefix: String::new(),
            expire_days: None,
            noncurrent_days: None,
            keep_noncurrent: None,
            abort_uploads_days: None,
            remove_lone_markers: false,
        }));
    }
}

#[component]
pub fn LifecycleFields(list: Lifecycle) -> impl IntoView {
    let days = |text: RwSignal<String>, label: &'static str| {
        view! { <label class="inline"><span>{label}</span><input class="short" inputmode="numeric" bind:value=text/></label> }
    };
    view! {
        <ol class="rules">
            <For each=move || list.rows.get() key=|(id, _)| *id let:entry>
                {
                    let (id, row) = entry;
                    view! {
                        <li class="rule">
                            <input aria-label="Name of the rule" bind:value=row.id spellcheck="false"/>
                            <label class="check"><input type="checkbox" prop:checked=move || row.enabled.get() on:change:target=move |e| row.enabled.set(e.target().checked())/>"In force"</label>
                            <input class="grow mono" aria-label="Folder or beginning of names" placeholder="all files, or a folder such as raw/" bind:value=row.prefix spellcheck="false"/>
                            <button type="button" class="icon-btn" aria-label="Remove this rule" title="Remove" on:click=move |_| list.remove(id)><Icon name="x"/></button>
                            <div class="rule-days">
                                {days(row.expire, "Files go after days")}
                                {days(row.noncurrent, "Older versions go after days")}
                                {days(row.keep, "but so many stay")}
                                {days(row.abort, "Unfinished uploads go after days")}
                                <label class="check"><input type="checkbox" prop:checked=move || row.markers.get() on:change:target=move |e| row.markers.set(e.target().checked())/>"Tidy up marks of deleted files that have no versions left"</label>
                            </div>
                        </li>
                    }
                }
            </For>
        </ol>
        <Button small=true icon="plus" on_press=move |_| list.add_new()>"Add a rule"</Button>
    }
}

/// One rule for web pages of other sites.
#[derive(Clone, Copy)]
pub struct CorsRow {
    origins: RwSignal<String>,
    methods: RwSignal<String>,
    headers: RwSignal<String>,
    exposed: RwSignal<String>,
    max_age: RwSignal<String>,
}

pub type Cors = List<CorsRow>;

impl Cors {
    pub fn new(rules: &[CorsRule]) -> Self {
        let text = |list: &[String]| RwSignal::new(list.join(", "));
        let row = |rule: &CorsRule| CorsRow {
            origins: text(&rule.allowed_origins),
            methods: text(&rule.allowed_methods),
            headers: text(&rule.allowed_headers),
            exposed: text(&rule.expose_headers),
            max_age: RwSignal::new(rule.max_age_s.map(|s| s.to_string()).unwrap_or_default()),
        };
        Self::of(rules.iter().map(row).collect())
    }

    pub fn rules(&self) -> Result<Vec<CorsRule>, String> {
        let list = |text: RwSignal<String>| {
            let words = text.get();
            words.split([',', ' ']).map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        self.read(|row| {
            let rule = CorsRule {
                allowed_origins: list(row.origins),
                allowed_methods: list(row.methods).iter().map(|m| m.to_uppercase()).collect(),
                allowed_headers: list(row.headers),
                expose_headers: list(row.exposed),
                max_age_s: row.max_age.get().trim().parse().ok(),
            };
            match rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
                true => Err("A rule for web pages names at least one site and one method.".into()),
                false => Ok(rule),
            }
        })
    }

    fn add_new(&self) {
        let text = |text: &str| RwSignal::new(text.to_owned());
        self.add(CorsRow {
            origins: text(""),
            methods: text("GET, HEAD"),
            headers: text("*"),
            exposed: text("ETag"),
            max_age: text(""),
        });
    }
}

#[component]
pub fn CorsFields(list: Cors) -> impl IntoView {
    let field = |text: RwSignal<String>, label: &'static str, placeholder: &'static str| {
        view! { <label class="inline grow"><span>{label}</span><input class="mono grow" placeholder=placeholder bind:value=text spellcheck="false"/></label> }
    };
    view! {
        <ol class="rules">
            <For each=move || list.rows.get() key=|(id, _)| *id let:entry>
                {
                    let (id, row) = entry;
                    view! {
                        <li class="rule">
                            {field(row.origins, "Sites", "https://viewer.example")}
                            {field(row.methods, "Methods", "GET, PUT")}
                            <button type="button" class="icon-btn" aria-label="Remove this rule" title="Remove" on:click=move |_| list.remove(id)><Icon name="x"/></button>
                            {field(row.headers, "Headers they may send", "*")}
                            {field(row.exposed, "Headers they may read", "ETag")}
                            <label class="inline"><span>"Remembered for seconds"</span><input class="short" inputmode="numeric" bind:value=row.max_age/></label>
                        </li>
                    }
                }
            </For>
        </ol>
        <Button small=true icon="plus" on_press=move |_| list.add_new()>"Add a rule"</Button>
    }
}

/// One person's right.
#[derive(Clone, Copy)]
pub struct GrantRow {
    username: RwSignal<String>,
    may_write: RwSignal<bool>,
}

pub type Grants = List<GrantRow>;

impl Grants {
    pub fn new(grants: &[Grant]) -> Self {
        let row = |grant: &Grant| GrantRow {
            username: RwSignal::new(grant.username.clone()),
            may_write: RwSignal::new(grant.may_write),
        };
        Self::of(grants.iter().map(row).collect())
    }

    pub fn grants(&self) -> Result<Vec<Grant>, String> {
        self.read(|row| {
            let username = row.username.get().trim().to_owned();
            match username.is_empty() {
                true => Err("Name the person of each grant, or take it out.".into()),
                false => Ok(Grant { username, may_write: row.may_write.get() }),
            }
        })
    }
}

#[component]
pub fn GrantFields(list: Grants) -> impl IntoView {
    let fresh = || GrantRow { username: RwSignal::new(String::new()), may_write: RwSignal::new(false) };
    view! {
        <Show when=move || list.rows.with(|rows| !rows.is_empty()) fallback=|| view! { <p class="dim none">"Nobody has a grant of their own."</p> }>
            <ol class="rules">
                <For each=move || list.rows.get() key=|(id, _)| *id let:entry>
                    {
                        let (id, row) = entry;
                        view! {
                            <li class="rule">
                                <input class="grow" aria-label="Username" placeholder="username" bind:value=row.username spellcheck="false" autocapitalize="off"/>
                                <select aria-label="What they may" prop:value=move || if row.may_write.get() { "write" } else { "read" }
                                    on:change:target=move |e| row.may_write.set(e.target().value() == "write")>
                                    <option value="read" selected=!row.may_write.get_untracked()>"may read"</option>
                                    <option value="write" selected=row.may_write.get_untracked()>"may read and write"</option>
                                </select>
                                <button type="button" class="icon-btn" aria-label="Remove this grant" title="Remove" on:click=move |_| list.remove(id)><Icon name="x"/></button>
                            </li>
                        }
                    }
                </For>
            </ol>
        </Show>
        <Button small=true icon="plus" on_press=move |_| list.add(fresh())>"Grant somebody access"</Button>
    }
}
