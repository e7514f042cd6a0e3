//! What is on the box: containers of one instance, as Docker reports them.

use std::{collections::HashMap, net::IpAddr};

use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerSummaryStateEnum};

use super::{
    instant::parse_ms,
    sandbox::{LABEL_GENERATION, LABEL_INSTANCE, LABEL_KIND, LABEL_SPEC_HASH, LABEL_WORKLOAD},
};

/// A container of ours as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub workload: String,
    /// -1 where the label is not a number: no desired row has that generation.
    pub generation: i64,
    pub spec_hash: String,
    /// `job` or `revision`.
    pub kind: String,
    pub phase: SeenPhase,
    /// Only when exited.
    pub exit_code: Option<i64>,
    /// The kernel killed a process of it for want of memory.
    pub oom_killed: bool,
    /// Milliseconds since 1970.
    pub started_at: Option<i64>,
    /// Milliseconds since 1970; only when exited.
    pub finished_at: Option<i64>,
    /// On the instance's network, while running.
    pub address: Option<IpAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenPhase {
    /// Never started (or its start failed).
    Created,
    Running,
    /// Ran and ended, or is being removed.
    Exited,
}

/// `None` for a container that does not carry the label of `instance`.
pub(super) fn from_inspect(found: ContainerInspectResponse, instance: &str) -> Option<Seen> {
    let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
    if labels.get(LABEL_INSTANCE).map(String::as_str) != Some(instance) {
        return None;
    }
    let state = found.state.unwrap_or_default();
    let phase = phase(&state);
    let exited = phase == SeenPhase::Exited;
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    Some(Seen {
        id: found.id?,
        workload: label(LABEL_WORKLOAD),
        generation: label(LABEL_GENERATION).parse().unwrap_or(-1),
        spec_hash: label(LABEL_SPEC_HASH),
        kind: label(LABEL_KIND),
        phase,
        exit_code: state.exit_code.filter(|_| exited),
        oom_killed: state.oom_killed.unwrap_or(false),
        started_at: state.started_at.as_deref().and_then(parse_ms),
        finished_at: state.finished_at.as_deref().filter(|_| exited).and_then(parse_ms),
        address: (phase == SeenPhase::Running).then(|| address(&networks)).flatten(),
    })
}

pub(super) fn phase(state: &ContainerState) -> SeenPhase {
    use ContainerStateStatusEnum as Status;
    match state.status.unwrap_or(Status::EMPTY) {
        Status::CREATED | Status::EMPTY => SeenPhase::Created,
        Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING => SeenPhase::Running,
        Status::EXITED | Status::DEAD | Status::REMOVING => SeenPhase::Exited,
    }
}

/// By the word in Docker's list.
pub(super) fn phase_of(state: ContainerSummaryStateEnum) -> Option<SeenPhase> {
    use ContainerSummaryStateEnum as State;
    match state {
        State::CREATED => Some(SeenPhase::Created),
        State::RUNNING => Some(SeenPhase::Running),
        State::EXITED => Some(SeenPhase::Exited),
        // on its way: worth a look
        _ => None,
    }
}

fn address(networks: &HashMap<String, bollard::models::EndpointSettings>) -> Option<IpAddr> {
    networks.values().find_map(|endpoint| endpoint.ip_address.as_deref()?.parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn inspected(status: &str) -> ContainerInspectResponse {
        serde_json::from_value(serde_json::json!({
            "Id": "c1",
            "State": { "Status": status, "ExitCode": 3, "OOMKilled": true, "StartedAt": "2026-11-23T13:24:05.5Z", "FinishedAt": "2026-11-23T13:24:06Z" },
            "Config": { "Labels": { LABEL_INSTANCE: "box1", LABEL_WORKLOAD: "w", LABEL_GENERATION: "4", LABEL_SPEC_HASH: "h", LABEL_KIND: "job" } },
            "NetworkSettings": { "Networks": { "drydock-box1": { "IPAddress": "172.18.0.2" } } },
        }))
        .unwrap()
    }

    #[test]
    fn an_exited_container_has_its_code_and_no_address() {
        let seen = from_inspect(inspected("exited"), "box1").unwrap();
        assert_eq!((seen.exit_code, seen.oom_killed, seen.address), (Some(3), true, None));
        assert_eq!(seen.finished_at.unwrap() - seen.started_at.unwrap(), 500);
    }

    #[test]
    fn a_running_container_has_an_address_and_no_code() {
        let seen = from_inspect(inspected("running"), "box1").unwrap();
        assert_eq!((seen.phase, seen.exit_code, seen.finished_at), (SeenPhase::Running, None, None));
        assert_eq!(seen.address, Some("172.18.0.2".parse().unwrap()));
    }

    #[test]
    fn another_instances_container_is_not_seen() {
        assert_eq!(from_inspect(inspected("running"), "box2"), None);
    }
}
