//! Projects: which there are, who is in them with which role, what is in them.

use crate::{
    api,
    live::{Remote, remote},
    reactive::effect,
    session::may,
    ui::{Button, ConfirmDialog, Dialog, Field, Loaded, Look, Pill, SelectField, Status, TimeAgo, Tone, act, toast},
};
use drydock_wire::{
    accounts::{Person, Role},
    projects::{CreateProject, Project, ProjectDetail, ProjectMember, PutMember, UpdateProject},
    validate,
};
use leptos::prelude::*;

#[component]
pub fn Projects() -> impl IntoView {
    let projects = remote::<Vec<Project>>(|| Some("/projects".into()), &[]);
    let adding = RwSignal::new(false);
    let opened = RwSignal::new(None::<String>);
    let changed = Callback::new(move |()| projects.refetch());
    let admin = untrack(|| may(Role::Admin));
    view! {
        <div class="row">
            <p class="dim">"Everything belongs to one project. A person's role in it is the higher of the one on the box and the one as a member; a private project is there for its members and admins alone."</p>
            <span class="spread"></span>
            {admin.then(|| view! { <Button look=Look::Primary icon="plus" on_press=move |_| adding.set(true)>"New project"</Button> })}
        </div>
        <Loaded remote=projects let:list>
            <div class="pane" tabindex="0" role="region" aria-label="Projects"><table class="grid">
                <thead><tr><th scope="col">"Project"</th><th scope="col">"Open to"</th><th scope="col">"Your role"</th>
                    <th scope="col" class="wide-only">"Members"</th><th scope="col" class="wide-only">"Made"</th>
                    <th scope="col"><span class="sr">"Action"</span></th></tr></thead>
                <tbody>{move || list.get().into_iter().map(|project| line(project, opened)).collect_view()}</tbody>
            </table></div>
        </Loaded>
        <Add open=adding changed/>
        <Details id=opened changed/>
    }
}

fn line(project: Project, opened: RwSignal<Option<String>>) -> impl IntoView {
    let (id, label) = (project.id.clone(), format!(": {}", project.name));
    let open = match project.private {
        true => Status::new(Tone::Warn, "Members"),
        false => Status::new(Tone::Neutral, "Everybody"),
    };
    view! {
        <tr><td><b class="name">{project.name}</b><span class="dim">{format!(" {}", project.id)}</span></td>
            <td><Pill status=open/></td><td>{project.role.as_str()}</td>
            <td class="wide-only num">{project.member_count}</td>
            <td class="wide-only">{(project.created_at > 0).then(|| view! { <TimeAgo at=project.created_at/> })}</td>
            <td class="num"><Button small=true on_press=move |_| opened.set(Some(id.clone()))>"Open"<span class="sr">{label}</span></Button></td></tr>
    }
}

#[component]
fn Add(open: RwSignal<bool>, changed: Callback<()>) -> impl IntoView {
    let [id, name, description] = [String::new(), String::new(), String::new()].map(RwSignal::new);
    let [private, busy, tried] = [false, false, false].map(RwSignal::new);
    effect(move || {
        if !open.get() {
            [id, name, description].iter().for_each(|field| field.set(String::new()));
            private.set(false);
            tried.set(false);
        }
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let wish = CreateProject {
            id: id.get_untracked(),
            name: Some(name.get_untracked()).filter(|name| !name.trim().is_empty()),
            description: description.get_untracked(),
            private: private.get_untracked(),
        };
        if validate::slug(&wish.id).is_err() {
            return;
        }
        let call = async move { api::post::<_, ProjectDetail>("/projects", &wish).await };
        act(busy, "The project was not made", call, move |made| {
            open.set(false);
            toast(Tone::Good, "Project made", &format!("{} is there now.", made.project.name));
            changed.run(());
        });
    };
    view! {
        <Dialog open title="New project">
            <form novalidate on:submit=submit>
                <Field id="project-id" label="Id" value=id check=validate::slug tried=tried mono=true autofocus=true
                    hint="For addresses, tokens and the registry: images are called ID/…. It stays."/>
                <Field id="project-name" label="Name" value=name hint="As people call it; it can change."/>
                <Field id="project-description" label="Description" value=description/>
                <label class="check"><input type="checkbox" prop:checked=move || private.get()
                    on:change:target=move |e| private.set(e.target().checked())/>"Private: nobody but members and admins sees it"</label>
                <div class="actions">
                    <Button on_press=move |_| open.set(false)>"Cancel"</Button>
                    <Button look=Look::Primary submit=true busy=busy>"Make the project"</Button>
                </div>
            </form>
        </Dialog>
    }
}

/// One project: its name and openness, its members, what is in it.
#[component]
fn Details(id: RwSignal<Option<String>>, changed: Callback<()>) -> impl IntoView {
    let open = RwSignal::new(false);
    let detail = remote::<ProjectDetail>(move || id.get().map(|id| format!("/projects/{}", api::seg(&id))), &[]);
    effect(move || {
        if id.with(Option::is_some) {
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            id.set(None);
        }
    });
    let title = Signal::derive(move || {
        detail.data.with(|detail| detail.as_ref().map_or_else(|| "Project".to_owned(), |it| it.project.name.clone()))
    });
    view! {
        <Dialog open title>
            <Loaded remote=detail let:it>
                {move || it.try_get().map(|it| view! { <Inside it detail id changed/> })}
            </Loaded>
        </Dialog>
    }
}

#[component]
fn Inside(
    it: ProjectDetail,
    detail: Remote<ProjectDetail>,
    id: RwSignal<Option<String>>,
    changed: Callback<()>,
) -> impl IntoView {
    let project = it.project;
    let manages = project.role == Role::Admin;
    let contents: Vec<String> =
        it.contents.iter().map(|content| format!("{} {}", content.count, content.kind)).collect();
    let contents = if contents.is_empty() { "Nothing is in it.".to_owned() } else { contents.join(", ") };
    let empty = it.contents.is_empty() && project.id != "default";
    let own = StoredValue::new(project.id.clone());
    let members = it.members;
    view! {
        <div class="stack">
            {(!project.description.is_empty()).then(|| view! { <p>{project.description.clone()}</p> })}
            <p class="dim" data-testid="project-contents">{contents}</p>
            {manages.then(|| view! { <Change project=project.clone() detail changed/> })}
            <h3>"Members"</h3>
            <ul class="plain" aria-label="Members">{members.into_iter().map(|member| member_line(member, own, manages, detail, changed)).collect_view()}</ul>
            {manages.then(|| view! { <AddMember own detail changed/> })}
            {(manages && empty && untrack(|| may(Role::Admin))).then(|| view! { <Remove own id changed/> })}
        </div>
    }
}

fn member_line(
    member: ProjectMember,
    own: StoredValue<String>,
    manages: bool,
    detail: Remote<ProjectDetail>,
    changed: Callback<()>,
) -> impl IntoView {
    let busy = RwSignal::new(false);
    let name = StoredValue::new(member.username.clone());
    let remove = move |_| {
        let path = format!("/projects/{}/members/{}", api::seg(&own.get_value()), api::seg(&name.get_value()));
        act(busy, "The member was not removed", async move { api::delete(&path).await }, move |()| {
            detail.refetch();
            changed.run(());
        });
    };
    view! {
        <li class="row"><b class="name">{member.username.clone()}</b><span>{member.role.as_str()}</span><span class="spread"></span>
            {manages.then(|| view! { <Button small=true busy=busy on_press=remove>"Remove"<span class="sr">{format!(": {}", name.get_value())}</span></Button> })}</li>
    }
}

fn roles() -> Vec<(String, String)> {
    [(Role::Viewer, "Viewer"), (Role::Engineer, "Engineer"), (Role::Admin, "Admin")]
        .map(|(role, text)| (role.as_str().into(), text.into()))
        .into()
}

#[component]
fn AddMember(own: StoredValue<String>, detail: Remote<ProjectDetail>, changed: Callback<()>) -> impl IntoView {
    let (username, role) = (RwSignal::new(String::new()), RwSignal::new("engineer".to_owned()));
    let (busy, tried) = (RwSignal::new(false), RwSignal::new(false));
    // names to choose from are for the box's admins; a project's admin knows whom they mean
    let people = remote::<Vec<Person>>(|| may(Role::Admin).then(|| "/people".into()), &[]);
    let names = Signal::derive(move || {
        people.data.with(|all| all.iter().flatten().map(|person| person.username.clone()).collect::<Vec<_>>())
    });
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        tried.set(true);
        let name = username.get_untracked();
        let Some(role) = Role::parse(&role.get_untracked()).filter(|_| validate::username(&name).is_ok()) else {
            return;
        };
        let path = format!("/projects/{}/members/{}", api::seg(&own.get_value()), api::seg(&name));
        let call = async move { api::put::<_, ProjectDetail>(&path, &PutMember { role }).await };
        act(busy, "The member was not added", call, move |_| {
            detail.refetch();
            changed.run(());
        });
    };
    view! {
        <form novalidate class="row" on:submit=submit>
            <Field id="member-name" label="Username" value=username check=validate::username tried=tried list="member-names"/>
            <crate::ui::Suggestions id="member-names" values=names/>
            <SelectField id="member-role" label="Role in the project" value=role options=roles()/>
            <Button submit=true busy=busy>"Add or change"</Button>
        </form>
    }
}

#[component]
fn Change(project: Project, detail: Remote<ProjectDetail>, changed: Callback<()>) -> impl IntoView {
    let (name, description) = (RwSignal::new(project.name), RwSignal::new(project.description));
    let (private, busy) = (RwSignal::new(project.private), RwSignal::new(false));
    let id = StoredValue::new(project.id.clone());
    let is_default = project.id == "default";
    let submit = move |e: leptos::ev::SubmitEvent| {
        e.prevent_default();
        let wish = UpdateProject {
            name: Some(name.get_untracked()),
            description: Some(description.get_untracked()),
            private: Some(private.get_untracked()),
        };
        let path = format!("/projects/{}", api::seg(&id.get_value()));
        let call = async move { api::patch::<_, ProjectDetail>(&path, &wish).await };
        act(busy, "The project was not changed", call, move |_| {
            toast(Tone::Good, "Changed", "");
            detail.refetch();
            changed.run(());
        });
    };
    view! {
        <form novalidate on:submit=submit>
            <Field id="change-name" label="Name" value=name check=validate::label/>
            <Field id="change-description" label="Description" value=description/>
            {(!is_default).then(|| view! {
                <label class="check"><input type="checkbox" prop:checked=move || private.get()
                    on:change:target=move |e| private.set(e.target().checked())/>"Private: nobody but members and admins sees it"</label>
            })}
            <div class="actions"><Button submit=true busy=busy>"Save"</Button></div>
        </form>
    }
}

#[component]
fn Remove(own: StoredValue<String>, id: RwSignal<Option<String>>, changed: Callback<()>) -> impl IntoView {
    let (asking, busy) = (RwSignal::new(false), RwSignal::new(false));
    let confirm = move |()| {
        let path = format!("/projects/{}", api::seg(&own.get_value()));
        act(busy, "The project was not deleted", async move { api::delete(&path).await }, move |()| {
            asking.set(false);
            id.set(None);
            toast(Tone::Good, "Project deleted", "");
            changed.run(());
        });
    };
    view! {
        <div class="actions"><Button look=Look::Danger on_press=move |_| asking.set(true)>"Delete the project"</Button></div>
        <ConfirmDialog open=asking title="Delete this project?" name=Signal::stored(own.get_value()) action="Delete the project" on_confirm=confirm busy=busy>
            <p>"Nothing is in it. Its members lose their roles in it."</p>
        </ConfirmDialog>
    }
}
