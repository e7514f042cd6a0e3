//! The ready-made panels: what each asks for.

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Plain,
    /// 0 to 1, shown as percent.
    Share,
    Bytes,
    BytesPerSecond,
    Seconds,
}

/// One question of a panel. Its lines are called after `name`, or where that is empty after the labels in `by`.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    pub name: &'static str,
    pub of: &'static str,
    pub function: &'static str,
    /// Labels to join by; `*`: each series by itself.
    pub by: &'static str,
    pub quantile: &'static str,
}

/// A chart.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    pub title: &'static str,
    pub unit: Unit,
    pub queries: &'static [Query],
}

const fn q(name: &'static str, of: &'static str, function: &'static str, by: &'static str) -> Query {
    Query { name, of, function, by, quantile: "" }
}

const fn quantile(name: &'static str, of: &'static str, by: &'static str, quantile: &'static str) -> Query {
    Query { name, of, function: "quantile", by, quantile }
}

const fn panel(title: &'static str, unit: Unit, queries: &'static [Query]) -> Panel {
    Panel { title, unit, queries }
}

/// Seconds, and what they are called.
pub const RANGES: [(&str, &str); 8] = [
    ("900", "15 min"),
    ("3600", "1 h"),
    ("21600", "6 h"),
    ("86400", "24 h"),
    ("172800", "2 days"),
    ("604800", "7 days"),
    ("2592000", "30 days"),
    ("31536000", "1 year"),
];

type Group = (&'static str, &'static str, &'static [Panel]);

pub const GROUPS: [Group; 7] = [
    ("box", "Box", BOX),
    ("gpu", "GPUs", GPU),
    ("store", "Store", STORE),
    ("queue", "Queue and jobs", QUEUE),
    ("deployments", "Deployments", DEPLOYMENTS),
    ("quality", "Model quality", QUALITY),
    ("drydock", "Drydock", DRYDOCK),
];

/// The panels of a group; those of the box where there is none of that name.
pub fn group(key: &str) -> &'static [Panel] {
    GROUPS.iter().find(|group| group.0 == key).map_or(BOX, |group| group.2)
}

const BOX: &[Panel] = &[
    panel("Processor", Unit::Share, &[q("in use", "drydock_box_cpu_ratio", "avg", "")]),
    panel(
        "Load",
        Unit::Plain,
        &[q("", "drydock_box_load", "avg", "minutes"), q("cores", "drydock_box_cpus", "last", "")],
    ),
    panel(
        "Memory",
        Unit::Bytes,
        &[q("in use", "drydock_box_memory_used_bytes", "max", ""), q("there", "drydock_box_memory_bytes", "last", "")],
    ),
    panel("Free on disks", Unit::Bytes, &[q("", "drydock_disk_free_bytes", "min", "mounted_at")]),
    panel(
        "Disks",
        Unit::BytesPerSecond,
        &[
            q("read", "drydock_disk_read_bytes_per_second", "avg", "device"),
            q("written", "drydock_disk_written_bytes_per_second", "avg", "device"),
        ],
    ),
    panel(
        "Network",
        Unit::BytesPerSecond,
        &[
            q("received", "drydock_network_received_bytes_total", "rate", "interface"),
            q("sent", "drydock_network_sent_bytes_total", "rate", "interface"),
        ],
    ),
];

const GPU: &[Panel] = &[
    panel("At work", Unit::Share, &[q("", "drydock_gpu_utilization_ratio", "avg", "name,uuid")]),
    panel("Memory in use", Unit::Bytes, &[q("", "drydock_gpu_memory_used_bytes", "max", "name,uuid")]),
    panel("Temperature (°C)", Unit::Plain, &[q("", "drydock_gpu_temperature_celsius", "max", "name,uuid")]),
    panel(
        "Power (W)",
        Unit::Plain,
        &[
            q("drawn", "drydock_gpu_power_watts", "avg", "name,uuid"),
            q("limit", "drydock_gpu_power_limit_watts", "last", "name,uuid"),
        ],
    ),
    panel("Clock of its processors (Hz)", Unit::Plain, &[q("", "drydock_gpu_clock_sm_hertz", "avg", "name,uuid")]),
    panel(
        "Memory errors",
        Unit::Plain,
        &[
            q("mended", "drydock_gpu_ecc_corrected", "last", "name,uuid"),
            q("not mended", "drydock_gpu_ecc_uncorrected", "last", "name,uuid"),
        ],
    ),
];

const STORE: &[Panel] = &[
    panel("Content", Unit::Bytes, &[q("kept", "drydock_blob_bytes", "last", "")]),
    panel(
        "The data directory's disk",
        Unit::Bytes,
        &[q("free", "drydock_box_disk_free_bytes", "min", ""), q("size", "drydock_box_disk_bytes", "last", "")],
    ),
    panel("Distinct contents", Unit::Plain, &[q("kept", "drydock_blobs", "last", "")]),
    panel(
        "Writes a second",
        Unit::Plain,
        &[q("writes", "drydock_db_writes_total", "rate", ""), q("commits", "drydock_db_commits_total", "rate", "")],
    ),
    panel("Writes that wait", Unit::Plain, &[q("waiting", "drydock_db_queued_writes", "max", "")]),
    panel("Of each second in commits", Unit::Share, &[q("in commits", "drydock_db_commit_seconds_total", "rate", "")]),
];

const QUEUE: &[Panel] = &[
    panel("Jobs", Unit::Plain, &[q("", "drydock_jobs", "max", "state")]),
    panel(
        "Cores in use by jobs",
        Unit::Plain,
        &[q("", "drydock_container_cpu_seconds_total{kind=\"job\"}", "rate", "name")],
    ),
    panel("Memory of jobs", Unit::Bytes, &[q("", "drydock_container_memory_bytes{kind=\"job\"}", "max", "name")]),
    panel(
        "Disks by jobs",
        Unit::BytesPerSecond,
        &[
            q("read", "drydock_container_disk_read_bytes_total{kind=\"job\"}", "rate", ""),
            q("written", "drydock_container_disk_written_bytes_total{kind=\"job\"}", "rate", ""),
        ],
    ),
];

const DEPLOYMENTS: &[Panel] = &[
    panel("Requests a second", Unit::Plain, &[q("", "drydock_gateway_requests_total", "rate", "deployment")]),
    panel(
        "Failed a second",
        Unit::Plain,
        &[q("", "drydock_gateway_requests_total{answer=~\"5xx|none\"}", "rate", "deployment")],
    ),
    panel(
        "95 of 100 answered within",
        Unit::Seconds,
        &[quantile("", "drydock_gateway_duration_seconds", "deployment", "0.95")],
    ),
    panel(
        "Half answered within",
        Unit::Seconds,
        &[quantile("", "drydock_gateway_duration_seconds", "deployment", "0.5")],
    ),
    panel("Requests that wait", Unit::Plain, &[q("", "drydock_gateway_queued_requests", "max", "deployment")]),
    panel("Not let in, a second", Unit::Plain, &[q("", "drydock_gateway_refused_total", "rate", "deployment,reason")]),
    panel("Tokens a second", Unit::Plain, &[q("", "drydock_gateway_tokens_total", "rate", "deployment,kind")]),
    panel(
        "Cores in use",
        Unit::Plain,
        &[q("", "drydock_container_cpu_seconds_total{kind=\"deployment\"}", "rate", "name")],
    ),
    panel("Memory", Unit::Bytes, &[q("", "drydock_container_memory_bytes{kind=\"deployment\"}", "max", "name")]),
];

const QUALITY: &[Panel] = &[
    panel("Columns that drifted", Unit::Share, &[q("", "drydock_deployment_drift_share", "last", "deployment")]),
    panel(
        "Drift by column (statistic of its test)",
        Unit::Plain,
        &[q("", "drydock_deployment_drift_statistic", "last", "deployment,column")],
    ),
    panel(
        "Captured a second",
        Unit::Plain,
        &[
            q("captured", "drydock_capture_requests_total", "rate", ""),
            q("left out", "drydock_capture_dropped_total", "rate", ""),
        ],
    ),
];

const DRYDOCK: &[Panel] = &[
    panel("Memory", Unit::Bytes, &[q("resident", "process_resident_memory_bytes", "max", "")]),
    panel("Requests a second", Unit::Plain, &[q("", "drydock_api_requests_total", "rate", "answer")]),
    panel(
        "Answered within",
        Unit::Seconds,
        &[
            quantile("half", "drydock_api_request_duration_seconds", "", "0.5"),
            quantile("95 of 100", "drydock_api_request_duration_seconds", "", "0.95"),
        ],
    ),
    panel(
        "Background parts: the longest pass",
        Unit::Seconds,
        &[q("", "drydock_task_last_duration_seconds", "max", "task")],
    ),
    panel("Series that are kept", Unit::Plain, &[q("series", "drydock_metrics_series", "last", "")]),
    panel("Size of what is kept", Unit::Bytes, &[q("metrics.db", "drydock_metrics_stored_bytes", "last", "")]),
];
