//! The one decision about who may do what, and the proof of it that features ask for.

use std::marker::PhantomData;

use drydock_wire::{ErrorCode, accounts::Role};

use super::{Principal, Via, reach::Scope};
use crate::error::{Error, Result};

/// The project everything belongs to until there are more.
pub const DEFAULT_PROJECT: &str = "default";

/// What somebody wants to do. The marker types below are the only ones.
pub trait Action: Copy {
    /// The lowest role that may.
    const NEEDS: Role;
    /// Whether the token of a running job may, too.
    const JOBS_MAY: bool;
    /// Whether it is done to the box, and not to a project.
    const ON_BOX: bool = false;
}

/// Marker types, from least to most.
pub mod action {
    use super::{Action, Role};

    /// Look at anything.
    #[derive(Debug, Clone, Copy)]
    pub struct View;
    /// Runs, models, datasets, jobs.
    #[derive(Debug, Clone, Copy)]
    pub struct Develop;
    /// Jobs: start and cancel containers. Not for the token of a job itself.
    #[derive(Debug, Clone, Copy)]
    pub struct Launch;
    /// Take files and traces away for good. Not for the token of a job: what it logs stays as it was logged.
    #[derive(Debug, Clone, Copy)]
    pub struct Erase;
    /// Put images into the registry. Not for the token of a job: what others run is not a job's to change.
    #[derive(Debug, Clone, Copy)]
    pub struct Push;
    /// Change what the gateway serves.
    #[derive(Debug, Clone, Copy)]
    pub struct Deploy;
    /// A project and who is in it.
    #[derive(Debug, Clone, Copy)]
    pub struct Manage;
    /// People and the box.
    #[derive(Debug, Clone, Copy)]
    pub struct Administer;

    impl Action for View {
        const NEEDS: Role = Role::Viewer;
        const JOBS_MAY: bool = true;
    }
    impl Action for Develop {
        const NEEDS: Role = Role::Engineer;
        const JOBS_MAY: bool = true;
    }
    impl Action for Launch {
        const NEEDS: Role = Role::Engineer;
        const JOBS_MAY: bool = false;
    }
    impl Action for Erase {
        const NEEDS: Role = Role::Engineer;
        const JOBS_MAY: bool = false;
    }
    impl Action for Push {
        const NEEDS: Role = Role::Engineer;
        const JOBS_MAY: bool = false;
    }
    impl Action for Deploy {
        const NEEDS: Role = Role::Engineer;
        const JOBS_MAY: bool = false;
    }
    impl Action for Manage {
        const NEEDS: Role = Role::Admin;
        const JOBS_MAY: bool = false;
    }
    impl Action for Administer {
        const NEEDS: Role = Role::Admin;
        const JOBS_MAY: bool = false;
        const ON_BOX: bool = true;
    }
}

/// Proof that `authorize` said yes. Cannot be made elsewhere, so a feature that asks for it cannot be called without.
#[derive(Debug, Clone)]
pub struct Authorized<A> {
    principal: Principal,
    _action: PhantomData<A>,
}

impl<A> Authorized<A> {
    /// Who asked.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The project that it is a proof for; new things go into it.
    pub fn project(&self) -> &str {
        &self.principal.project
    }

    /// What lists show to them.
    pub fn scope(&self) -> Scope {
        self.principal.reach.scope()
    }
}

/// Says whether `principal` may do `A` in `project`, which mostly is `principal.project`: the one that the request is about.
/// The proof is for that project.
///
/// # Errors
/// `forbidden` with the role that would be needed; `not_found` when the project is not there for this person.
pub fn authorize<A: Action>(principal: &Principal, _action: A, project: &str) -> Result<Authorized<A>> {
    if principal.via == Via::Job && !A::JOBS_MAY {
        return Err(Error::new(ErrorCode::Forbidden, "The token of a job may log, read and register, nothing else."));
    }
    let principal = if principal.project == project {
        principal.clone()
    } else {
        principal.within(project).ok_or_else(|| Error::not_found(format!("There is no project {project}.")))?
    };
    let role = if A::ON_BOX { principal.reach.on_box() } else { principal.role };
    if role < A::NEEDS {
        let needed = A::NEEDS.as_str();
        let text = if A::ON_BOX || project == DEFAULT_PROJECT {
            format!("This needs the role {needed}; {} is {}.", principal.username, role.as_str())
        } else {
            format!(
                "This needs the role {needed} in the project {project}; {} is {}.",
                principal.username,
                role.as_str()
            )
        };
        return Err(Error::new(ErrorCode::Forbidden, text));
    }
    Ok(Authorized { principal, _action: PhantomData })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody(role: Role, via: Via) -> Principal {
        Principal { via, ..Principal::of_role("ann", role) }
    }

    #[test]
    fn a_viewer_changes_nothing() {
        let viewer = somebody(Role::Viewer, Via::Session);
        assert!(authorize(&viewer, action::View, DEFAULT_PROJECT).is_ok());
        assert!(authorize(&viewer, action::Develop, DEFAULT_PROJECT).is_err());
        assert!(authorize(&viewer, action::Deploy, DEFAULT_PROJECT).is_err());
    }

    #[test]
    fn a_job_of_an_admin_neither_deploys_nor_erases_nor_administers() {
        let job = somebody(Role::Admin, Via::Job);
        assert!(authorize(&job, action::Develop, DEFAULT_PROJECT).is_ok());
        assert!(authorize(&job, action::Deploy, DEFAULT_PROJECT).is_err());
        assert!(authorize(&job, action::Launch, DEFAULT_PROJECT).is_err());
        assert!(authorize(&job, action::Erase, DEFAULT_PROJECT).is_err());
        assert!(authorize(&job, action::Administer, DEFAULT_PROJECT).is_err());
    }
}
