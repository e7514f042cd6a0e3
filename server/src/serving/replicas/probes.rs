//! What a replica is asked to find out how it is: as its revision says, else as its protocol has it.

use std::net::SocketAddr;
use std::time::Duration;

use drydock_wire::serving::{Probe, Protocol, ServedBy};

/// Pause, patience and tries of probes that nobody configured.
const PERIOD: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(2);
const UNREADY_AFTER: u32 = 3;
const DEAD_AFTER: u32 = 6;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub how: How,
    pub period: Duration,
    pub patience: Duration,
    /// So many in a row count; of a start-up probe together with `period` the time that it has. Absent: as long as the revision may wait.
    pub failures: Option<u32>,
    /// Nobody asked for it, so silence of a replica that is at work says nothing.
    pub by_default: bool,
}

/// How it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    Connect,
    Get(String),
    /// As `Get`; a server that has no such path is well, too.
    GetIfThere(String),
}

/// All questions to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub startup: Ask,
    pub readiness: Ask,
    pub liveness: Option<Ask>,
}

/// What its revision has it asked.
pub fn plan(served_by: &ServedBy) -> Plan {
    let protocol = served_by.runtime.protocol();
    let (ready, live) = (ready(protocol), live(protocol));
    let probes = &served_by.probes;
    let readiness = probes.readiness.as_ref().map_or_else(|| usual(ready.clone(), Some(UNREADY_AFTER)), wished);
    let startup = match (&probes.startup, &probes.readiness) {
        (Some(probe), _) => wished(probe),
        // what makes it ready makes it start
        (None, Some(_)) => Ask { failures: None, ..readiness.clone() },
        (None, None) => usual(ready, None),
    };
    let liveness = match &probes.liveness {
        Some(probe) => Some(wished(probe)),
        None => live.map(|how| usual(how, Some(DEAD_AFTER))),
    };
    Plan { startup, readiness, liveness }
}

fn ready(protocol: Protocol) -> How {
    match protocol {
        Protocol::Mlflow => How::Get("/ping".to_owned()),
        Protocol::OpenInference => How::Get("/v2/health/ready".to_owned()),
        Protocol::Openai => How::GetIfThere("/health".to_owned()),
        Protocol::Plain => How::Connect,
    }
}

fn live(protocol: Protocol) -> Option<How> {
    match protocol {
        Protocol::Mlflow => Some(How::Get("/ping".to_owned())),
        Protocol::OpenInference => Some(How::Get("/v2/health/live".to_owned())),
        // that it does not answer its health check may mean that it loads another model
        Protocol::Openai | Protocol::Plain => None,
    }
}

fn usual(how: How, failures: Option<u32>) -> Ask {
    Ask { how, period: PERIOD, patience: PATIENCE, failures, by_default: true }
}

fn wished(probe: &Probe) -> Ask {
    Ask {
        how: probe.path.clone().map_or(How::Connect, How::Get),
        period: Duration::from_secs(u64::from(probe.period_s.max(1))),
        patience: Duration::from_secs(u64::from(probe.timeout_s.max(1))),
        failures: Some(probe.failures.max(1)),
        by_default: false,
    }
}

impl Ask {
    /// Asks once.
    ///
    /// # Errors
    /// How it failed, for people.
    pub async fn once(&self, client: &reqwest::Client, address: SocketAddr) -> Result<(), String> {
        match &self.how {
            How::Connect => self.connect(address).await,
            How::Get(path) | How::GetIfThere(path) => self.get(client, address, path).await,
        }
    }

    async fn connect(&self, address: SocketAddr) -> Result<(), String> {
        match tokio::time::timeout(self.patience, tokio::net::TcpStream::connect(address)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(format!("port {} refuses connections", address.port())),
            Err(_) => Err(format!("port {} did not answer within {} s", address.port(), self.patience.as_secs())),
        }
    }

    async fn get(&self, client: &reqwest::Client, address: SocketAddr, path: &str) -> Result<(), String> {
        let answer = client.get(format!("http://{address}{path}")).timeout(self.patience).send().await;
        match answer.map(|answer| answer.status().as_u16()) {
            Ok(404 | 405) if matches!(self.how, How::GetIfThere(_)) => Ok(()),
            Ok(status) if status < 400 => Ok(()),
            Ok(status) => Err(format!("{path} answered {status}")),
            Err(error) if error.is_timeout() => {
                Err(format!("{path} did not answer within {} s", self.patience.as_secs()))
            }
            Err(error) if error.is_connect() => Err(format!("port {} refuses connections", address.port())),
            Err(_) => Err(format!("{path} broke the connection off")),
        }
    }
}

#[cfg(test)]
mod tests {
    use drydock_wire::serving::{ImageRuntime, Probes, Runtime};

    use super::*;

    fn image(protocol: Protocol, probes: Probes) -> ServedBy {
        let runtime = ImageRuntime { image: "a".into(), image_id: None, command: vec![], port: 80, protocol };
        ServedBy { runtime: Runtime::Image(runtime), probes, ..ServedBy::default() }
    }

    #[test]
    fn each_protocol_has_its_own_and_what_is_configured_wins() {
        let of = |protocol| plan(&image(protocol, Probes::default())).readiness.how;
        assert_eq!(plan(&ServedBy::default()).startup.how, How::Get("/ping".into()));
        assert_eq!(of(Protocol::OpenInference), How::Get("/v2/health/ready".into()));
        assert_eq!(of(Protocol::Openai), How::GetIfThere("/health".into()));
        assert_eq!(of(Protocol::Plain), How::Connect);
        assert_eq!(plan(&image(Protocol::Plain, Probes::default())).liveness, None);
        let own = Probe { path: Some("/healthz".into()), period_s: 7, timeout_s: 0, failures: 2 };
        let own = plan(&image(Protocol::Plain, Probes { readiness: Some(own), ..Probes::default() }));
        assert_eq!((own.readiness.period, own.readiness.failures), (Duration::from_secs(7), Some(2)));
        assert_eq!((own.startup.how, own.startup.failures), (How::Get("/healthz".into()), None));
    }
}
