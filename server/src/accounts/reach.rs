//! How far a request reaches: in which projects the person has which role, and which of them the request is for.
//!
//! Always holds: a person's role in a project is the higher of the one on the box and the one as a member; a private project is
//! open to its members and the box's admins alone, to all others it is not there. A token of one project does nothing elsewhere but
//! look at what is open to everybody on the box.

use std::{collections::BTreeMap, sync::Arc};

use drydock_wire::accounts::Role;

use super::authorize::DEFAULT_PROJECT;

/// What somebody may do where. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach(Arc<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    on_box: Role,
    /// The most that the token may do.
    ceiling: Option<Role>,
    /// All projects but the default one.
    others: BTreeMap<String, Place>,
    /// As a member of the default project.
    in_default: Option<Role>,
    /// The project that the token is good in alone.
    bound: Option<String>,
    /// The project that the request asked for: lists show it alone, and new things go into it.
    chosen: Option<String>,
}

/// A project as one person finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub private: bool,
    pub member: Option<Role>,
}

/// What a list may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    All,
    Only(String),
    AllBut(Vec<String>),
}

impl Scope {
    /// A condition for SQL on a column that holds a project's id. Ids of projects are letters, digits and dashes, so that they may
    /// stand in the text.
    pub fn sql(&self, column: &str) -> String {
        match self {
            Self::All => "1".to_owned(),
            Self::Only(id) => format!("{column} = '{}'", plain(id)),
            Self::AllBut(ids) => {
                let list: Vec<String> = ids.iter().map(|id| format!("'{}'", plain(id))).collect();
                format!("{column} NOT IN ({})", list.join(", "))
            }
        }
    }

    /// Whether what belongs to the project is shown.
    pub fn shows(&self, project: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(id) => id == project,
            Self::AllBut(ids) => !ids.iter().any(|id| id == project),
        }
    }
}

/// An id of a project as it may stand in SQL, whatever is in it.
fn plain(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

impl Reach {
    /// Of somebody with this role who is a member of nothing, on a box with one project.
    pub fn of_role(on_box: Role) -> Self {
        Self::new(on_box, BTreeMap::new())
    }

    /// Of somebody with this role on a box with these projects.
    pub fn new(on_box: Role, mut projects: BTreeMap<String, Place>) -> Self {
        let in_default = projects.remove(DEFAULT_PROJECT).and_then(|place| place.member);
        Self(Arc::new(Inner { on_box, ceiling: None, others: projects, in_default, bound: None, chosen: None }))
    }

    /// Narrowed to what a token is good for.
    pub fn narrowed(self, bound: Option<String>, ceiling: Option<Role>) -> Self {
        if bound.is_none() && ceiling.is_none() {
            return self;
        }
        Self(Arc::new(Inner { chosen: bound.clone(), bound, ceiling, ..Arc::unwrap_or_clone(self.0) }))
    }

    /// The same, with lists that show this project alone.
    pub fn choosing(&self, project: &str) -> Self {
        Self(Arc::new(Inner { chosen: Some(project.to_owned()), ..(*self.0).clone() }))
    }

    /// The role for what belongs to no project.
    pub fn on_box(&self) -> Role {
        let most = if self.0.bound.is_some() { Role::Viewer } else { Role::Admin };
        self.0.on_box.min(most).min(self.0.ceiling.unwrap_or(Role::Admin))
    }

    /// The role in a project; absent where the project is not there for this person.
    pub fn role_in(&self, project: &str) -> Option<Role> {
        let inner = &*self.0;
        let place = match inner.others.get(project) {
            Some(place) => *place,
            None => Place { private: false, member: inner.in_default.filter(|_| project == DEFAULT_PROJECT) },
        };
        let admin = (inner.on_box == Role::Admin).then_some(Role::Admin);
        let by_box = if place.private { admin } else { Some(inner.on_box) };
        let whole = by_box.max(place.member)?;
        let role = match inner.bound.as_deref() {
            Some(bound) if bound != project && place.private => return None,
            Some(bound) if bound != project => Role::Viewer,
            _ => whole,
        };
        Some(role.min(inner.ceiling.unwrap_or(Role::Admin)))
    }

    /// Whether the project is there for this person.
    pub fn opens(&self, project: &str) -> bool {
        self.knows(project) && self.role_in(project).is_some()
    }

    /// Whether there is such a project.
    pub fn knows(&self, project: &str) -> bool {
        project == DEFAULT_PROJECT || self.0.others.contains_key(project)
    }

    /// What lists show.
    pub fn scope(&self) -> Scope {
        match &self.0.chosen {
            Some(chosen) if self.opens(chosen) => return Scope::Only(chosen.clone()),
            // no project has this id
            Some(_) => return Scope::Only(String::new()),
            None => {}
        }
        let hidden: Vec<String> = self.0.others.keys().filter(|id| self.role_in(id).is_none()).cloned().collect();
        if hidden.is_empty() { Scope::All } else { Scope::AllBut(hidden) }
    }

    /// Ids of the projects that lists show; absent: all there are.
    pub fn shown(&self) -> Option<Vec<String>> {
        match self.scope() {
            Scope::All => None,
            Scope::Only(id) => Some(vec![id]),
            Scope::AllBut(hidden) => {
                let others = self.0.others.keys().filter(|id| !hidden.contains(id)).cloned();
                Some(std::iter::once(DEFAULT_PROJECT.to_owned()).chain(others).collect())
            }
        }
    }

    /// Whether there is no project that is not there for them.
    pub fn sees_all(&self) -> bool {
        self.0.others.keys().all(|id| self.role_in(id).is_some())
    }

    /// The project that the request asked for, or the token is good in.
    pub fn chosen(&self) -> Option<&str> {
        self.0.chosen.as_deref()
    }

    /// The project that the token is good in alone.
    pub fn bound(&self) -> Option<&str> {
        self.0.bound.as_deref()
    }

    /// The most that the token may do.
    pub fn ceiling(&self) -> Option<Role> {
        self.0.ceiling
    }

    /// Whether the default project is the only one: then whatever there is belongs to it.
    pub fn is_alone(&self) -> bool {
        self.0.others.is_empty() && self.0.bound.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn box_of(role: Role, member: Option<Role>) -> Reach {
        let open = Place { private: false, member };
        let closed = Place { private: true, member };
        Reach::new(role, [("open".to_owned(), open), ("closed".to_owned(), closed)].into())
    }

    #[test]
    fn the_higher_role_counts_and_a_private_project_is_there_for_members_and_admins() {
        use Role::{Admin, Engineer, Viewer};
        let table = [
            (Viewer, None, Some(Viewer), None),
            (Engineer, None, Some(Engineer), None),
            (Admin, None, Some(Admin), Some(Admin)),
            (Viewer, Some(Engineer), Some(Engineer), Some(Engineer)),
            (Engineer, Some(Viewer), Some(Engineer), Some(Viewer)),
            (Viewer, Some(Admin), Some(Admin), Some(Admin)),
        ];
        for (on_box, member, open, closed) in table {
            let reach = box_of(on_box, member);
            let found = (reach.role_in("open"), reach.role_in("closed"), reach.role_in(DEFAULT_PROJECT));
            assert_eq!(found, (open, closed, Some(on_box)), "{on_box:?} {member:?}");
            assert_eq!(reach.scope().shows("closed"), closed.is_some());
            assert_eq!(reach.on_box(), on_box);
        }
    }

    #[test]
    fn a_token_of_one_project_works_there_and_looks_at_what_is_open() {
        let reach = box_of(Role::Admin, None).narrowed(Some("open".into()), None);
        assert_eq!(reach.role_in("open"), Some(Role::Admin));
        assert_eq!(reach.role_in(DEFAULT_PROJECT), Some(Role::Viewer));
        assert_eq!(reach.role_in("closed"), None);
        assert_eq!(reach.on_box(), Role::Viewer);
        assert_eq!(reach.scope(), Scope::Only("open".into()));
        // who is no member any more, and a project that is gone: the token shows nothing
        for gone in ["closed", "never"] {
            let lost = box_of(Role::Engineer, None).narrowed(Some(gone.into()), None);
            assert!(!lost.opens(gone) && lost.scope() == Scope::Only(String::new()), "{gone}");
        }
        let looks = box_of(Role::Admin, None).narrowed(None, Some(Role::Viewer));
        assert_eq!((looks.role_in("open"), looks.on_box()), (Some(Role::Viewer), Role::Viewer));
    }

    #[test]
    fn a_condition_names_what_is_hidden_and_nothing_else() {
        assert_eq!(box_of(Role::Admin, None).scope().sql("p"), "1");
        assert_eq!(box_of(Role::Viewer, None).scope().sql("d.p"), "d.p NOT IN ('closed')");
        assert_eq!(box_of(Role::Viewer, None).shown(), Some(vec!["default".into(), "open".into()]));
        assert_eq!(box_of(Role::Admin, None).shown(), None);
        assert_eq!(Scope::Only("x' OR '1".into()).sql("p"), "p = 'xOR1'");
    }
}
