//! Queues that jobs wait in, and the order in which they start.

use crate::{Page, jobs::Resources};

wire! {
    /// `PUT /api/v1/queues/{name}`: makes the queue or changes it. For admins.
    #[serde(deny_unknown_fields, default)]
    pub struct QueueSettings {
        /// 1 to 1000: of two queues that both have jobs, one of weight 3 gets three times as much of the box as one of weight 1.
        pub weight: u32,
        /// Of all its jobs together.
        pub caps: Caps,
        /// Of each person's jobs in it.
        pub person_caps: Caps,
        /// A person's jobs of which none has started in its turn for this long come before all shares and priorities.
        pub patience_s: u64,
        /// The time limit of a job that names none.
        pub longest_s: u64,
        /// The highest priority that its jobs may have, 0 to 1000.
        pub highest_priority: i32,
        /// Its jobs may have resumable ones stopped: of a lower priority in it, or of queues that have more than their share.
        pub preempts: bool,
        /// Nothing of it starts; what runs goes on.
        pub paused: bool,
    }

    /// The most that may be in use at once; absent: no cap.
    #[derive(Copy, Default)]
    #[serde(deny_unknown_fields, default)]
    pub struct Caps {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cpus: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub memory_bytes: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub disk_bytes: Option<u64>,
        /// A share counts by its part of the box's largest GPU.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub gpus: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub jobs: Option<u32>,
    }

    /// So much of the box.
    #[derive(Copy, Default)]
    pub struct BoxUse {
        pub cpus: f64,
        pub memory_bytes: u64,
        pub disk_bytes: u64,
        /// With shares, by their part of the largest GPU.
        pub gpus: f64,
        pub jobs: u32,
    }

    /// `GET /api/v1/queues` answers `Page<Queue>`, by name; `GET /api/v1/queues/{name}` one.
    pub struct Queue {
        pub name: String,
        pub settings: QueueSettings,
        /// Jobs.
        pub waiting: u64,
        pub running: u64,
        pub using: BoxUse,
        /// What counts against its weight: the largest part of any one resource that it uses now, plus hours of the whole box that it
        /// used before, of which half fade in a day.
        pub share: f64,
        /// Who has jobs in it or used it in the last days.
        pub people: Vec<QueuePerson>,
        pub created_at: i64,
        pub updated_at: i64,
    }

    pub struct QueuePerson {
        pub username: String,
        pub waiting: u64,
        pub using: BoxUse,
        /// As the queue's.
        pub share: f64,
        /// When something of theirs last started in its turn.
        pub turn_at: Option<i64>,
    }

    /// `GET /api/v1/queue?queue=&page=&limit=`: what waits, in the order in which it is looked at when something is free.
    pub struct QueueOrder {
        /// When this was decided; absent: not since the start of the server.
        pub decided_at: Option<i64>,
        /// What the box has for jobs, and what of it they use.
        pub total: BoxUse,
        pub using: BoxUse,
        pub jobs: Page<QueuedJob>,
    }

    pub struct QueuedJob {
        /// 1 is looked at first.
        pub position: u64,
        pub id: String,
        pub name: String,
        pub queue: String,
        pub priority: i32,
        pub submitted_by: String,
        /// From here on it counts as waiting.
        pub since: i64,
        pub resources: Resources,
        /// Why it does not start now, in words.
        pub reason: String,
        /// It is next for what it waits for: room is kept for it, and by this instant it starts at the latest.
        pub starts_by: Option<i64>,
        /// It ran before: so many attempts.
        pub attempts: u64,
    }

    /// `POST /api/v1/jobs/{id}/priority`, by its owner or an admin; answers the job.
    #[derive(Eq, Copy)]
    #[serde(deny_unknown_fields)]
    pub struct SetPriority {
        /// As far as its queue's highest.
        pub priority: i32,
    }

    /// `POST /api/v1/jobs/{id}/queue`, by its owner or an admin, while it waits; answers the job.
    #[derive(Eq)]
    #[serde(deny_unknown_fields)]
    pub struct SetQueue {
        pub queue: String,
    }

    /// `POST /api/v1/queues/{name}/pause`: nothing of it starts until it is resumed. For admins; answers the queue.
    #[derive(Eq, Copy)]
    #[serde(deny_unknown_fields)]
    pub struct PauseQueue {
        pub paused: bool,
    }
}

/// The queue that every box has, and that a job is in if it names none.
pub const DEFAULT_QUEUE: &str = "default";

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            weight: 1,
            caps: Caps::default(),
            person_caps: Caps::default(),
            patience_s: 4 * 3600,
            longest_s: 30 * 24 * 3600,
            highest_priority: 10,
            preempts: false,
            paused: false,
        }
    }
}
