//! Logs beyond their stream: by line, and searched on the server. The same questions work for jobs (`/jobs/{id}/log…`) and for
//! whatever else keeps a log.

use crate::jobs::LogLine;

/// `LogLine::stream` of a line that Drydock itself wrote: where lines are left out, and why.
pub const NOTE: &str = "drydock";

wire! {
    /// `GET …/log/lines?attempt=&from=&limit=`: lines in their order from line `from` on; at most 5,000, 1,000 if not said.
    pub struct LogPage {
        pub lines: Vec<LogLine>,
        /// The `from` of the page after this one; absent when there are no more lines now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<u64>,
        /// How many lines were written so far.
        pub total: u64,
        /// No line will be added any more.
        pub complete: bool,
    }

    /// `GET …/log/search?attempt=&q=&regex=&case=&from=&to=&limit=`: lines that contain `q` (or match it, with `regex=true`), large
    /// and small letters alike unless `case=true`, among the lines `from` to `to` (not included); at most 1,000, 200 if not said.
    pub struct LogHits {
        pub hits: Vec<LogLine>,
        /// Where to go on: there may be more from this line on. Absent when all was searched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<u64>,
        /// How many lines were written so far.
        pub total: u64,
    }
}

wire! {
    /// Who wrote a line.
    #[derive(Copy, Eq, Hash, PartialOrd, Ord)]
    #[serde(rename_all = "snake_case")]
    pub enum LogKind {
        Job,
        Deployment,
        Build,
        /// Drydock itself; for admins alone.
        Drydock,
    }

    /// How grave a line is, from least to most.
    #[derive(Copy, Eq, Hash, PartialOrd, Ord)]
    #[serde(rename_all = "snake_case")]
    pub enum LogLevel {
        Trace,
        Debug,
        Info,
        Warn,
        Error,
        Fatal,
    }

    /// A line of any log.
    pub struct LogEntry {
        /// Its own; lines that came later have larger ones.
        pub id: u64,
        /// Milliseconds since 1970.
        pub at: i64,
        pub kind: LogKind,
        /// Id of the job, the deployment or the build; empty for Drydock.
        pub owner: String,
        /// What people call it.
        pub name: String,
        /// Which log of it: `attempt 2`, a replica's id; empty where there is one alone.
        pub part: String,
        pub project: String,
        /// Of the line in its own log.
        pub seq: u64,
        /// Absent where the line does not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub level: Option<LogLevel>,
        /// `stdout`, `stderr`, or `drydock` for what Drydock wrote into it.
        pub stream: String,
        pub message: String,
        /// Fields of a line that was JSON, in its order; those within others with dotted names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub labels: Vec<crate::KeyValue>,
    }

    /// `GET /api/v1/logs`: newest first.
    pub struct LogAnswer {
        pub lines: Vec<LogEntry>,
        /// The `before` of the page after this one; absent when there are no older lines.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub next: Option<String>,
        pub took_ms: u64,
    }

    /// `GET /api/v1/logs/histogram`: how many lines match, over time.
    pub struct LogHistogram {
        pub from: i64,
        pub to: i64,
        pub step_ms: i64,
        /// One after the other from `from` on, without gaps.
        pub buckets: Vec<LogBucket>,
        pub total: u64,
        pub took_ms: u64,
    }

    pub struct LogBucket {
        pub at: i64,
        pub total: u64,
        /// Of these, at warn.
        pub warnings: u64,
        /// Of these, at error or fatal.
        pub errors: u64,
    }

    /// `GET /api/v1/logs/context`: what stands around a line in its own log, in the order in which it was written.
    pub struct LogContext {
        pub lines: Vec<LogEntry>,
        /// There are more before, and after.
        pub more_before: bool,
        pub more_after: bool,
    }

    /// `GET /api/v1/logs/state`: what is kept and for how long.
    pub struct LogState {
        pub line_count: u64,
        pub size_bytes: u64,
        pub max_bytes: u64,
        pub max_age_days: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub oldest_at: Option<i64>,
        /// Why nothing is taken in now; what is written meanwhile is found later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub paused: Option<String>,
        /// Lines of Drydock itself that came faster than they could be written down, since it started.
        pub lost_count: u64,
    }
}

impl LogKind {
    pub const ALL: [Self; 4] = [Self::Job, Self::Deployment, Self::Build, Self::Drydock];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Deployment => "deployment",
            Self::Build => "build",
            Self::Drydock => "drydock",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl LogLevel {
    pub const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// As programs name it, whatever the case of the letters: `WARNING`, `err`, `critical`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "trace" | "notset" => Self::Trace,
            "debug" | "dbg" => Self::Debug,
            "info" | "information" | "notice" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "error" | "err" | "severe" => Self::Error,
            "fatal" | "critical" | "crit" | "panic" | "emerg" | "emergency" | "alert" => Self::Fatal,
            _ => return None,
        })
    }
}
