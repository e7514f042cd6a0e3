//! Projects: who is in them, what belongs to them.

use crate::accounts::Role;

wire! {
    /// `GET /api/v1/projects`: those that the asker may see.
    pub struct Project {
        /// Short name for addresses, folders of the registry and tokens; it stays when the project is renamed.
        pub id: String,
        pub name: String,
        pub description: String,
        /// Seen by its members and the box's admins alone.
        pub private: bool,
        pub created_at: i64,
        pub created_by: String,
        /// What the asker may do in it.
        pub role: Role,
        pub member_count: u64,
    }

    /// `GET /api/v1/projects/{id}`.
    pub struct ProjectDetail {
        pub project: Project,
        pub members: Vec<ProjectMember>,
        /// What is in it, kinds with none left out.
        pub contents: Vec<ProjectContent>,
    }

    /// So many of a kind.
    pub struct ProjectContent {
        /// In the plural: `datasets`, `jobs`.
        pub kind: String,
        pub count: u64,
    }

    pub struct ProjectMember {
        pub username: String,
        pub role: Role,
        pub added_at: i64,
    }

    /// `POST /api/v1/projects`: for admins of the box.
    pub struct CreateProject {
        pub id: String,
        /// The id when absent.
        #[serde(default)]
        pub name: Option<String>,
        #[serde(default)]
        pub description: String,
        #[serde(default)]
        pub private: bool,
    }

    /// `PATCH /api/v1/projects/{id}`: what is absent stays.
    pub struct UpdateProject {
        #[serde(default)]
        pub name: Option<String>,
        #[serde(default)]
        pub description: Option<String>,
        #[serde(default)]
        pub private: Option<bool>,
    }

    /// `PUT /api/v1/projects/{id}/members/{username}`.
    pub struct PutMember {
        pub role: Role,
    }
}
