//! Webhooks as the dashboard sees them. MLflow clients have their own face.

/// Every event that can be subscribed to, as `entity.action`; MLflow's words, but for the last. Budgets are MLflow's gateway's and never happen here.
pub const EVENTS: [&str; 16] = [
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
    "prompt.created",
    "prompt_version.created",
    "prompt_tag.set",
    "prompt_tag.deleted",
    "prompt_version_tag.set",
    "prompt_version_tag.deleted",
    "prompt_alias.created",
    "prompt_alias.deleted",
    "budget_policy.exceeded",
    "deployment.drifted",
];

wire! {
    /// `GET /api/v1/webhooks`. The secret is never told.
    pub struct Webhook {
        pub id: String,
        pub name: String,
        pub url: String,
        pub description: String,
        /// Of `EVENTS`.
        pub events: Vec<String>,
        pub active: bool,
        /// Whether its messages are signed.
        pub signed: bool,
        pub created_at: i64,
        pub created_by: String,
        pub updated_at: i64,
        /// The message that was sent, or is to be sent, last.
        pub last: Option<Delivery>,
        /// Messages that wait for another attempt.
        pub waiting: u64,
    }

    /// `POST /api/v1/webhooks`.
    #[serde(deny_unknown_fields)]
    pub struct CreateWebhook {
        pub name: String,
        pub url: String,
        #[serde(default)]
        pub description: String,
        pub events: Vec<String>,
        /// Key of the signatures; absent: messages are not signed.
        #[serde(default)]
        pub secret: Option<String>,
        /// Absent: yes.
        #[serde(default)]
        pub active: Option<bool>,
    }

    /// `PATCH /api/v1/webhooks/{id}`. What is absent stays.
    #[serde(deny_unknown_fields, default)]
    #[derive(Default)]
    pub struct UpdateWebhook {
        pub name: Option<String>,
        pub url: Option<String>,
        pub description: Option<String>,
        pub events: Option<Vec<String>>,
        /// Empty: messages are not signed any more.
        pub secret: Option<String>,
        pub active: Option<bool>,
    }

    /// How a message fares.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum DeliveryState {
        /// To be sent, for the first time or again.
        Due,
        Delivered,
        /// Given up.
        Failed,
    }

    /// `GET /api/v1/webhooks/{id}/deliveries`, newest first.
    pub struct Delivery {
        /// Also the header `X-MLflow-Delivery-Id`; the same at every attempt.
        pub id: String,
        pub event: String,
        /// Sent by the Test button.
        pub is_test: bool,
        pub state: DeliveryState,
        pub created_at: i64,
        pub attempts: u64,
        /// When it is sent next; absent when it is not.
        pub due_at: Option<i64>,
        pub tried_at: Option<i64>,
        pub took_ms: Option<u64>,
        pub answer_status: Option<u16>,
        /// What went wrong, in words.
        pub error: Option<String>,
    }

    /// `GET /api/v1/webhooks/{id}/deliveries/{delivery}`.
    pub struct DeliveryDetail {
        pub delivery: Delivery,
        /// The JSON that is sent.
        pub body: String,
        /// The start of what was answered.
        pub answer_body: Option<String>,
    }
}
