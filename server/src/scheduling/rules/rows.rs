//! What a decision is made from, and what it is.

use std::collections::HashMap;

/// Amounts by resource: thousandths of cores, bytes of memory, bytes of disk, thousandths of GPUs, jobs.
pub type Amounts = [u64; 5];
pub const CPU: usize = 0;
pub const MEMORY: usize = 1;
pub const DISK: usize = 2;
pub const GPU: usize = 3;
pub const JOBS: usize = 4;

/// The most that may be in use at once; absent: no cap.
pub type Caps = [Option<u64>; 5];
pub const NO_CAPS: Caps = [None; 5];

/// What a job wants of GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuAsk {
    None,
    /// So many GPUs, each for it alone.
    Whole(u32),
    /// So many bytes of one GPU that others use, too.
    Share(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub cpus_milli: u64,
    pub memory: u64,
    pub disk: u64,
    pub gpu: GpuAsk,
}

/// A GPU or a MIG instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    pub memory: u64,
    /// False: quarantined or gone. What runs there counts until it has ended; nothing new is given to it.
    pub usable: bool,
    pub sharable: bool,
}

/// What the box has for jobs: all of it less what other things (deployments, the server) hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub cpus_milli: u64,
    pub memory: u64,
    pub disk: u64,
    pub gpus: Vec<Gpu>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    pub name: String,
    /// Above 0: a queue of weight 3 gets three times as much as one of weight 1 while both have jobs.
    pub weight: u64,
    pub caps: Caps,
    /// Of each person in this queue.
    pub person_caps: Caps,
    pub patience_ms: i64,
    /// Nothing of it starts.
    pub paused: bool,
    /// Whether its jobs may have resumable ones stopped: of lower priority in it, or of queues that are above their share.
    pub preempts: bool,
    /// Use before now that has faded (half of it in a day, say), in hours of the whole box: of the queue, and of its persons. What
    /// is in use now counts as one hour of it.
    pub past: f64,
    pub persons_past: HashMap<u32, f64>,
}

#[derive(Clone, Debug)]
pub struct Waiting {
    /// A UUID as a number: version 7, so that it grows with time.
    pub id: u128,
    pub queue: usize,
    pub person: u32,
    /// A sweep, whose jobs have a cap together.
    pub group: Option<usize>,
    pub priority: i32,
    /// From here on it counts as waiting.
    pub since: i64,
    /// Not before this instant: the pause before a retry.
    pub not_before: i64,
    pub ask: Ask,
    /// It is over after this long, its grace included.
    pub limit_ms: i64,
}

#[derive(Clone, Debug)]
pub struct Running {
    pub id: u128,
    pub queue: usize,
    pub person: u32,
    pub group: Option<usize>,
    pub priority: i32,
    pub ask: Ask,
    /// Indices of the GPUs it has.
    pub gpus: Vec<usize>,
    pub started_at: i64,
    pub ends_by: i64,
    /// It may be stopped and goes on later from its checkpoint.
    pub resumable: bool,
    /// It was told to stop.
    pub stopping: bool,
}

#[derive(Clone, Debug)]
pub struct Rows {
    pub now: i64,
    pub capacity: Capacity,
    pub queues: Vec<Queue>,
    /// Jobs at once, by group.
    pub groups: Vec<u64>,
    pub running: Vec<Running>,
    pub waiting: Vec<Waiting>,
    /// When something of this line, a queue and a person, last started in its turn.
    pub started: HashMap<(usize, u32), i64>,
    /// The head of the last decision, if it had one.
    pub head: Option<u128>,
    /// One that has run for less is not preempted.
    pub least_run_ms: i64,
    /// A preempted job is over after this long.
    pub grace_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Index in `Rows::waiting`.
    pub job: usize,
    /// Indices of its GPUs.
    pub gpus: Vec<usize>,
    /// No job before it in its line is left waiting for room.
    pub in_turn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Queue,
    Person,
    Group,
}

/// Why a job does not start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It starts.
    Starts,
    Paused,
    Retry {
        until: i64,
    },
    /// The box has too little free of this; what is free of what there is. The head also knows by when it starts at the latest.
    Box {
        resource: usize,
        free: u64,
        of: u64,
        by: Option<i64>,
    },
    /// No GPU has that many bytes left for a share.
    Share {
        freest: u64,
        by: Option<i64>,
    },
    Cap {
        scope: Scope,
        resource: usize,
        used: u64,
        cap: u64,
    },
    /// An older job waits for room under the same cap.
    Behind {
        scope: Scope,
    },
    /// There would be room, but it would delay the head.
    Reserved {
        head: u128,
        by: i64,
    },
    /// Others are being stopped for it.
    Preempting {
        by: i64,
    },
    /// Not while the box or a cap is as it is.
    Never {
        resource: usize,
        most: u64,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub start: Vec<Start>,
    /// Indices in `Rows::waiting`: first looked at first; what is not looked at comes last.
    pub order: Vec<usize>,
    /// Indices in `Rows::running`.
    pub preempt: Vec<usize>,
    /// One for each of `Rows::waiting`.
    pub waits: Vec<Wait>,
    /// The head, and by when it starts at the latest.
    pub head: Option<(usize, i64)>,
}

impl Ask {
    pub(super) fn plain(&self) -> [u64; 3] {
        [self.cpus_milli, self.memory, self.disk]
    }

    /// What counts against shares and caps; `largest` is the memory of the box's largest GPU.
    pub fn amounts(&self, largest: u64) -> Amounts {
        let gpu = match self.gpu {
            GpuAsk::None => 0,
            GpuAsk::Whole(count) => u64::from(count) * 1000,
            GpuAsk::Share(bytes) => (bytes as f64 * 1000.0 / largest.max(1) as f64).ceil() as u64,
        };
        [self.cpus_milli, self.memory, self.disk, gpu, 1]
    }
}
