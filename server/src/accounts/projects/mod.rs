//! Projects: what belongs together, and who may do what with it.
//!
//! Always holds: everything a person can own belongs to one project; the first is `default`, is open and stays. A project is deleted
//! when nothing is in it. A request is placed (`place`) in the project of what its address names, else in the one that it asks for
//! (`?project=`, the header `x-drydock-project`, or the token's own), else in the default one.

mod routes;
mod store;
pub mod subjects;

use actix_web::{
    HttpRequest,
    dev::ServiceRequest,
    http::{
        Uri,
        header::{HeaderName, HeaderValue},
    },
};
use drydock_wire::{
    accounts::Role,
    projects::{CreateProject, Project, ProjectDetail, UpdateProject},
    validate,
};
use serde_json::json;

pub use routes::configure;
pub use subjects::{Kind, Subject};

use super::{
    Accounts, Action, Authorized, Principal, action, audit,
    authorize::{DEFAULT_PROJECT, authorize},
    reach::Reach,
    store as people,
};
use crate::{
    clock,
    db::{Conn, Db},
    error::{Error, Result},
};

/// Header in which a client says for which project a request is.
pub const HEADER: &str = "x-drydock-project";
const MOST_PROJECTS: i64 = 500;
const MOST_MEMBERS: usize = 1000;

/// Where the person has which role.
pub fn reach(conn: &mut Conn, person: &people::PersonRow) -> Result<Reach> {
    Ok(Reach::new(person.role(), store::places(conn, &person.id)?))
}

/// Somebody without a name, who looks at what is open to everybody on the box.
pub fn nobody(conn: &mut Conn) -> Result<Principal> {
    let reach = Reach::new(Role::Viewer, store::places(conn, "")?);
    Ok(Principal { reach, ..Principal::of_role("nobody", Role::Viewer) })
}

/// Puts a request into the project that it is about, with the role that the person has there.
///
/// # Errors
/// `not_found` for a project, or a thing of one, that is not there for this person.
pub async fn place(db: &Db, who: Principal, request: &HttpRequest) -> Result<Principal> {
    let mut who = match asked(request) {
        Some(project) => choose(who, &project)?,
        None => who,
    };
    if let Some(chosen) = who.reach.chosen() {
        let chosen = chosen.to_owned();
        who = who.within(&chosen).filter(|who| who.reach.knows(&chosen)).ok_or_else(|| no_project(&chosen))?;
    }
    if who.reach.is_alone() {
        return Ok(who);
    }
    subjects::refuse_doubled(request)?;
    let subjects = subjects::of_request(request);
    if subjects.is_empty() {
        return Ok(who);
    }
    db.glance(move |conn| enter_all(conn, who, subjects)).await
}

/// Puts somebody into the project of these things; with the lowest role where they are of several.
///
/// # Errors
/// `not_found` for one that is not there for this person.
pub fn enter_all(conn: &mut Conn, who: Principal, subjects: impl IntoIterator<Item = Subject>) -> Result<Principal> {
    let mut found: Option<Principal> = None;
    for subject in subjects {
        let Some(project) = subjects::project_of(conn, &subject)? else { continue };
        let here = who.within(&project).ok_or_else(|| subject.absent())?;
        found = Some(match found {
            Some(before) if before.role <= here.role => before,
            _ => here,
        });
    }
    Ok(found.unwrap_or(who))
}

/// Says whether the thing is there for this person, who may look at it.
///
/// # Errors
/// `not_found`, as for a thing that is not there at all.
pub fn see(conn: &mut Conn, who: &Principal, kind: Kind, key: &str) -> Result<()> {
    if who.reach.is_alone() {
        return Ok(());
    }
    let subject = Subject::new(kind, key);
    match subjects::project_of(conn, &subject)? {
        Some(project) if who.reach.role_in(&project).is_none() => Err(subject.absent()),
        _ => Ok(()),
    }
}

/// Says whether this person may do it to the thing, which is of whatever project; one that is not there is the caller's to miss.
///
/// # Errors
/// `not_found` for a thing that is not there for them, `forbidden` with the role that would be needed.
pub fn may<A: Action>(conn: &mut Conn, who: &Principal, action: A, kind: Kind, key: &str) -> Result<()> {
    if who.reach.is_alone() {
        return authorize(who, action, &who.project).map(drop);
    }
    let subject = Subject::new(kind, key);
    let Some(project) = subjects::project_of(conn, &subject)? else { return Ok(()) };
    let here = who.within(&project).ok_or_else(|| subject.absent())?;
    authorize(&here, action, &project).map(drop)
}

/// Whether the thing is there for this person.
pub fn sees(conn: &mut Conn, who: &Principal, kind: Kind, key: &str) -> Result<bool> {
    if who.reach.is_alone() {
        return Ok(true);
    }
    let project = subjects::project_of(conn, &Subject::new(kind, key))?;
    Ok(project.is_none_or(|project| who.reach.role_in(&project).is_some()))
}

fn asked(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    header.filter(|project| !project.is_empty())
}

/// `?project=` of the native API as the header that it stands for, so that no handler has to know the parameter.
pub fn take_parameter(request: &mut ServiceRequest) {
    // every other face has parameters of its own
    if !request.path().starts_with("/api/v1/") || !request.query_string().contains("project=") {
        return;
    }
    let (mut kept, mut project) = (vec![], None);
    for pair in request.query_string().split('&') {
        match pair.strip_prefix("project=") {
            Some(value) => project = Some(crate::percent::decoded(value)),
            None => kept.push(pair),
        }
    }
    let Some(Ok(value)) = project.map(|project| HeaderValue::from_str(&project)) else { return };
    let path = request.path().to_owned();
    let target = if kept.is_empty() { path } else { format!("{path}?{}", kept.join("&")) };
    let mut parts = request.uri().clone().into_parts();
    let Ok(target) = target.parse() else { return };
    parts.path_and_query = Some(target);
    if let Ok(uri) = Uri::from_parts(parts) {
        request.headers_mut().insert(HeaderName::from_static(HEADER), value);
        request.head_mut().uri = uri;
    }
}

fn choose(who: Principal, project: &str) -> Result<Principal> {
    if let Some(bound) = who.reach.bound().filter(|bound| *bound != project) {
        return Err(Error::forbidden(format!("This token is good in the project {bound} alone.")));
    }
    if !who.reach.opens(project) {
        return Err(no_project(project));
    }
    Ok(Principal { reach: who.reach.choosing(project), ..who })
}

fn no_project(id: &str) -> Error {
    Subject::new(Kind::Project, id).absent()
}

/// Those that the asker may see, by id.
pub async fn list(db: &Db, auth: &Authorized<action::View>) -> Result<Vec<Project>> {
    let who = auth.principal().clone();
    db.read(move |conn| {
        let counts = store::member_counts(conn)?;
        let rows = store::all(conn)?;
        Ok(rows.into_iter().filter_map(|row| view(row, &who, &counts)).collect())
    })
    .await
}

fn view(row: store::ProjectRow, who: &Principal, counts: &std::collections::BTreeMap<String, i64>) -> Option<Project> {
    let role = who.reach.role_in(&row.id)?;
    let member_count = counts.get(&row.id).copied().unwrap_or(0);
    Some(Project {
        role,
        member_count: u64::try_from(member_count).unwrap_or(0),
        id: row.id,
        name: row.name,
        description: row.description,
        private: row.private,
        created_at: row.created_at,
        created_by: row.created_by,
    })
}

/// One with its members and what is in it.
pub async fn get(db: &Db, auth: &Authorized<action::View>, id: &str) -> Result<ProjectDetail> {
    let (who, id) = (auth.principal().clone(), id.to_owned());
    db.read(move |conn| detail(conn, &who, &id)).await
}

fn detail(conn: &mut Conn, who: &Principal, id: &str) -> Result<ProjectDetail> {
    let row = store::find(conn, id)?.ok_or_else(|| no_project(id))?;
    let counts = store::member_counts(conn)?;
    let project = view(row, who, &counts).ok_or_else(|| no_project(id))?;
    Ok(ProjectDetail { project, members: store::members(conn, id)?, contents: store::contents(conn, id)? })
}

/// A new project; whoever makes it is its first admin.
pub async fn create(
    accounts: &Accounts,
    auth: &Authorized<action::Administer>,
    wish: CreateProject,
) -> Result<ProjectDetail> {
    validate::slug(&wish.id).map_err(|text| Error::invalid(format!("id: {text}")))?;
    let name = wish.name.unwrap_or_else(|| wish.id.clone());
    check(&name, &wish.description)?;
    let who = auth.principal().clone();
    let row = store::ProjectRow {
        id: wish.id,
        name,
        created_at: clock::now_ms(),
        description: wish.description,
        private: wish.private,
        created_by: who.username.clone(),
    };
    let id = row.id.clone();
    accounts
        .db
        .write(move |conn| {
            if store::how_many(conn)? >= MOST_PROJECTS {
                return Err(Error::refused(format!("A box has at most {MOST_PROJECTS} projects.")));
            }
            store::insert(conn, &row)?;
            if people::person_by_id(conn, &who.person_id)?.is_some() {
                store::put_member(conn, &row.id, &who.person_id, Role::Admin, row.created_at)?;
            }
            let told = json!({"name": row.name, "private": row.private});
            audit(conn, &who, "project.create", &format!("project/{}", row.id), told)
        })
        .await?;
    // as the maker finds it from now on
    let who = auth.principal().clone();
    let detail = accounts
        .db
        .read(move |conn| {
            let who = again(conn, who)?;
            detail(conn, &who, &id)
        })
        .await;
    accounts.count_projects().await?;
    detail
}

/// The same person as the rows are now.
fn again(conn: &mut Conn, who: Principal) -> Result<Principal> {
    let person = people::person_by_id(conn, &who.person_id)?;
    Ok(match person {
        Some(person) => Principal { reach: reach(conn, &person)?, ..who },
        None => who,
    })
}

/// The asker as the rows are now, for what goes on after it was asked for; absent when they, or the project that it was asked for,
/// are not there any more.
pub fn renewed(conn: &mut Conn, who: &Principal) -> Result<Option<Principal>> {
    let person = people::person_by_id(conn, &who.person_id)?.filter(|person| !person.disabled);
    let Some(person) = person else { return Ok(None) };
    let mut reach = reach(conn, &person)?.narrowed(who.reach.bound().map(str::to_owned), who.reach.ceiling());
    if let Some(chosen) = who.reach.chosen() {
        reach = reach.choosing(chosen);
    }
    if !reach.opens(&who.project) {
        return Ok(None);
    }
    Ok(Principal { reach, ..who.clone() }.within(&who.project))
}

fn check(name: &str, description: &str) -> Result<()> {
    validate::label(name).map_err(|text| Error::invalid(format!("name: {text}")))?;
    if description.chars().count() > 2000 {
        return Err(Error::invalid("description: use at most 2,000 characters."));
    }
    Ok(())
}

/// Renames, describes, opens or closes a project.
pub async fn update(
    db: &Db,
    auth: &Authorized<action::Manage>,
    id: &str,
    wish: UpdateProject,
) -> Result<ProjectDetail> {
    let (who, id) = (auth.principal().clone(), id.to_owned());
    db.write(move |conn| {
        let before = store::find(conn, &id)?.ok_or_else(|| no_project(&id))?;
        let row = store::ProjectRow {
            name: wish.name.unwrap_or_else(|| before.name.clone()),
            description: wish.description.unwrap_or_else(|| before.description.clone()),
            private: wish.private.unwrap_or(before.private),
            ..before.clone()
        };
        check(&row.name, &row.description)?;
        if row.private && id == DEFAULT_PROJECT {
            return Err(Error::refused("The default project stays open to everybody on the box; make another one."));
        }
        store::update(conn, &row)?;
        let told = json!({
            "before": {"name": before.name, "private": before.private},
            "after": {"name": row.name, "private": row.private},
        });
        audit(conn, &who, "project.update", &format!("project/{id}"), told)?;
        let who = again(conn, who)?;
        detail(conn, &who, &id)
    })
    .await
}

/// Deletes a project that nothing is in.
///
/// # Errors
/// `conflict` with what is in it.
pub async fn delete(accounts: &Accounts, auth: &Authorized<action::Administer>, id: &str) -> Result<()> {
    let (who, id) = (auth.principal().clone(), id.to_owned());
    if id == DEFAULT_PROJECT {
        return Err(Error::refused("The default project stays: what names no project goes into it."));
    }
    accounts
        .db
        .write(move |conn| {
            let row = store::find(conn, &id)?.ok_or_else(|| no_project(&id))?;
            let contents = store::contents(conn, &id)?;
            if !contents.is_empty() {
                let all: Vec<String> =
                    contents.iter().map(|content| format!("{} {}", content.count, content.kind)).collect();
                let text = format!(
                    "The project {id} still has {}; delete them first, and what of them lies in the trash.",
                    all.join(", ")
                );
                return Err(Error::conflict(text));
            }
            store::delete(conn, &id)?;
            audit(conn, &who, "project.delete", &format!("project/{id}"), json!({"name": row.name}))
        })
        .await?;
    accounts.count_projects().await
}

/// Gives somebody a role in the project, a new one or another.
pub async fn put_member(
    db: &Db,
    auth: &Authorized<action::Manage>,
    id: &str,
    username: &str,
    role: Role,
) -> Result<ProjectDetail> {
    let (who, id, username) = (auth.principal().clone(), id.to_owned(), username.to_owned());
    db.write(move |conn| {
        let person = people::person_by_name(conn, &username)?.ok_or_else(|| super::nobody(&username))?;
        let before = store::members(conn, &id)?;
        let known = before.iter().find(|member| member.username == username);
        if known.is_none() && before.len() >= MOST_MEMBERS {
            return Err(Error::refused(format!("A project has at most {MOST_MEMBERS} members.")));
        }
        store::put_member(conn, &id, &person.id, role, clock::now_ms())?;
        let told = json!({"person": username, "before": known.map(|member| member.role), "after": role});
        audit(conn, &who, "project.member", &format!("project/{id}"), told)?;
        let who = again(conn, who)?;
        detail(conn, &who, &id)
    })
    .await
}

/// Takes somebody's role in the project away.
pub async fn delete_member(db: &Db, auth: &Authorized<action::Manage>, id: &str, username: &str) -> Result<()> {
    let (who, id, username) = (auth.principal().clone(), id.to_owned(), username.to_owned());
    db.write(move |conn| {
        let person = people::person_by_name(conn, &username)?.ok_or_else(|| super::nobody(&username))?;
        if !store::delete_member(conn, &id, &person.id)? {
            return Err(Error::not_found(format!("{username} is no member of the project {id}.")));
        }
        audit(conn, &who, "project.member", &format!("project/{id}"), json!({"person": username, "after": null}))
    })
    .await
}

impl Accounts {
    /// Whether there are more projects than the default one.
    pub fn has_projects(&self) -> bool {
        self.more_projects.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(super) async fn count_projects(&self) -> Result<()> {
        let more = self.db.read(store::how_many).await? > 1;
        self.more_projects.store(more, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }
}
