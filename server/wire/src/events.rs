//! Server-sent events of `GET /api/v1/events`: hints that something changed, never the thing itself.

wire! {
    /// What changed. The dashboard asks again for what it shows.
    #[derive(Copy, Eq, Hash)]
    #[serde(rename_all = "snake_case")]
    pub enum Topic {
        Runs,
        Models,
        Datasets,
        Images,
        Jobs,
        Deployments,
        Overview,
        Demo,
        Traces,
        /// Queues and the order of what waits.
        Queue,
        /// GPUs, their leases and faults.
        Devices,
        Builds,
        Packages,
        Pipelines,
    }

    /// `data:` of each event. `id` is absent when many changed, or when the receiver fell behind.
    pub struct Event {
        pub topic: Topic,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub id: Option<String>,
    }
}
