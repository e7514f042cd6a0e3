//! People, roles, sessions, tokens, the audit trail.

wire! {
    /// What a person may do. Ordered: each role may do what the ones before it may.
    #[derive(Copy, Eq, PartialOrd, Ord, Hash)]
    #[serde(rename_all = "lowercase")]
    pub enum Role {
        /// Sees everything, changes nothing.
        Viewer,
        /// Runs experiments, jobs, models, datasets and deployments.
        Engineer,
        /// Also manages people and the box.
        Admin,
    }

    /// `GET /api/v1/setup`. Needs no login.
    pub struct SetupState {
        /// True until the first admin exists.
        pub needed: bool,
        pub version: String,
    }

    /// `POST /api/v1/setup`: makes the first admin with the one-time secret from the server's console.
    pub struct CompleteSetup {
        pub secret: String,
        pub username: String,
        pub password: String,
    }

    /// `POST /api/v1/login`. Answers `Me` and sets the session cookie.
    pub struct Login {
        pub username: String,
        pub password: String,
    }

    /// `GET /api/v1/me`: who is asking.
    pub struct Me {
        pub username: String,
        /// On the box.
        pub role: Role,
        /// In the project that the request asked for, or the default one.
        #[serde(default)]
        pub role_here: Option<Role>,
        /// How the request proved itself: `session`, `token`, `basic` or `job`.
        pub via: String,
        /// The project that the token is good in alone.
        #[serde(default)]
        pub project: Option<String>,
    }

    /// `POST /api/v1/me/password`.
    pub struct ChangePassword {
        pub current: String,
        pub new: String,
    }

    /// A signed-in browser.
    pub struct Session {
        pub id: String,
        pub created_at: i64,
        pub last_used_at: i64,
        pub address: String,
        pub user_agent: String,
        /// The session that asks.
        pub current: bool,
    }

    /// An API token, without its secret.
    pub struct Token {
        pub id: String,
        pub name: String,
        pub created_at: i64,
        pub expires_at: Option<i64>,
        pub last_used_at: Option<i64>,
        /// The project that it is good in alone; absent: wherever the person may.
        #[serde(default)]
        pub project: Option<String>,
        /// The most that it may do; absent: whatever the person may.
        #[serde(default)]
        pub role: Option<Role>,
    }

    /// `POST /api/v1/tokens`.
    pub struct CreateToken {
        pub name: String,
        /// Days until it expires; absent: never.
        #[serde(default)]
        pub expires_in_days: Option<u32>,
        /// The project that it is good in alone; elsewhere it looks at what is open. Absent: wherever the person may.
        #[serde(default)]
        pub project: Option<String>,
        /// The most that it may do; absent: whatever the person may.
        #[serde(default)]
        pub role: Option<Role>,
    }

    /// The only time a token's secret is shown.
    pub struct CreatedToken {
        pub token: Token,
        pub secret: String,
    }

    /// `GET /api/v1/people`: admins only.
    pub struct Person {
        pub username: String,
        pub role: Role,
        pub disabled: bool,
        pub created_at: i64,
        pub last_seen_at: Option<i64>,
    }

    /// `GET /api/v1/people/{username}`: all that an admin sees of a person.
    pub struct PersonDetail {
        pub person: Person,
        pub sessions: Vec<Session>,
        pub tokens: Vec<Token>,
        pub s3_keys: Vec<crate::storage::S3Key>,
        /// Newest first, at most 100.
        pub logins: Vec<LoginAttempt>,
    }

    /// Somebody came in with this name, or tried to. `GET /api/v1/me/logins`: one's own.
    pub struct LoginAttempt {
        pub at: i64,
        pub address: String,
        pub user_agent: String,
        /// `entered`, `wrong` (the password), `code` (the second step) or `disabled` (the account).
        pub outcome: String,
    }

    /// `POST /api/v1/people/{username}/password-link`: with it the person sets a password, once. Not shown again.
    pub struct PasswordLink {
        /// Of the dashboard, `/welcome#SECRET`.
        pub path: String,
        pub expires_at: i64,
    }

    /// `POST /api/v1/password-link`. Needs no login.
    pub struct UsePasswordLink {
        pub secret: String,
        pub password: String,
    }

    /// `POST /api/v1/people`.
    pub struct CreatePerson {
        pub username: String,
        /// Absent: nobody logs in until a password was set by a link.
        #[serde(default)]
        pub password: Option<String>,
        pub role: Role,
    }

    /// `PATCH /api/v1/people/{username}`: what is absent stays.
    pub struct UpdatePerson {
        #[serde(default)]
        pub role: Option<Role>,
        #[serde(default)]
        pub disabled: Option<bool>,
        #[serde(default)]
        pub password: Option<String>,
    }

    /// One change, as the audit trail keeps it. `GET /api/v1/audit`, admins only, newest first.
    pub struct AuditEntry {
        pub id: i64,
        pub at: i64,
        pub actor: String,
        pub address: String,
        /// `dataset.create`, `deployment.update`, …
        pub action: String,
        /// What it was done to, `dataset/wine`.
        pub subject: String,
        /// What changed, in brief, as JSON.
        pub detail: serde_json::Value,
    }
}

impl Role {
    /// The word shown to people and kept in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Engineer => "engineer",
            Self::Admin => "admin",
        }
    }

    /// The role of that word.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "viewer" => Some(Self::Viewer),
            "engineer" => Some(Self::Engineer),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}
