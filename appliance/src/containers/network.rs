//! The instance's own network: a bridge without a way out, on which containers do not see each other.
//!
//! Only the box itself can be reached from it, at the gateway's address: that is where the container-facing listener stands.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use bollard::{
    models::{IpamConfig, NetworkCreateRequest, NetworkInspect},
    query_parameters::ListNetworksOptions,
};

use super::{
    EngineError, Result,
    engine::{Engine, QUICK, USUAL},
    sandbox::LABEL_INSTANCE,
};

const INTER_CONTAINER: &str = "com.docker.network.bridge.enable_icc";

/// The network that all containers of an instance are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    pub name: String,
    /// The box, seen from inside.
    pub gateway: IpAddr,
}

/// What the names of all instances' networks begin with.
const PREFIX: &str = "drydock-";
/// Names that the message about used up addresses has.
const NAMED: usize = 40;

/// The name of an instance's network.
pub fn network_name(instance: &str) -> String {
    format!("{PREFIX}{instance}")
}

/// Whether Docker said that all its address pools are taken, as its releases word it.
fn no_room(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    said.contains("non-overlapping") && said.contains("address pool") || said.contains("predefined address pools")
}

/// What to do when all address pools are taken. Containers wait until somebody did.
fn used_up(idle: &[String]) -> EngineError {
    let why = "Docker has no addresses left for Drydock's network (it gives out about 30 pools).";
    EngineError::Unavailable(if idle.is_empty() {
        format!(
            "{why} No network of another Drydock is idle: remove some that `docker network ls` shows, or name more pools \
             under `default-address-pools` in Docker's daemon.json."
        )
    } else {
        let more = idle.len().saturating_sub(NAMED);
        let rest = if more == 0 { String::new() } else { format!(" ({more} more afterwards)") };
        let names = idle.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(" ");
        format!(
            "{why} Networks of Drydocks that were not taken down have no container; if none of them is still in use: \
             `docker network rm {names}`{rest}."
        )
    })
}

impl Engine {
    /// Makes the network if it is not there. One that has the name but not the walls is refused, never used.
    pub async fn ensure_network(&self, instance: &str) -> Result<Network> {
        // Docker before 25 makes two networks of one name if asked twice
        let _one_at_a_time = self.network_lock().await;
        let name = network_name(instance);
        if let Some(found) = self.find_network(&name).await? {
            return walled(&found, instance);
        }
        let request = request(&name, instance);
        match self.call(USUAL, &name, |docker| async move { docker.create_network(request).await }).await {
            Ok(_) => {}
            Err(EngineError::Refused(said)) if no_room(&said) => return Err(self.pools_are_used_up(&name).await),
            Err(other) => return Err(other),
        }
        match self.find_network(&name).await? {
            Some(found) => walled(&found, instance),
            None => Err(EngineError::NotFound(format!("The network {name} vanished right after it was made."))),
        }
    }

    /// Removes the instance's network; absent is fine. Refused while containers are on it.
    pub async fn remove_network(&self, instance: &str) -> Result<()> {
        let name = network_name(instance);
        match self
            .call(USUAL, &name, |docker| async move { docker.remove_network(&network_name(instance)).await })
            .await
        {
            Ok(()) | Err(EngineError::NotFound(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Which networks of former instances stand about without a container on them.
    async fn pools_are_used_up(&self, name: &str) -> EngineError {
        let ours = ListNetworksOptions {
            filters: Some(HashMap::from([("label".to_owned(), vec![LABEL_INSTANCE.to_owned()])])),
        };
        let listed = self.call(USUAL, name, |docker| async move { docker.list_networks(Some(ours)).await }).await;
        let names: Vec<String> = listed.unwrap_or_default().into_iter().filter_map(|found| found.name).collect();
        let mut idle = Vec::new();
        for other in names.into_iter().filter(|other| other.starts_with(PREFIX) && other != name) {
            // Only what Docker says about one network has its containers.
            if let Ok(Some(found)) = self.find_network(&other).await
                && found.containers.is_none_or(|containers| containers.is_empty())
            {
                idle.push(other);
            }
        }
        used_up(&idle)
    }

    async fn find_network(&self, name: &str) -> Result<Option<NetworkInspect>> {
        match self.call(QUICK, name, |docker| async move { docker.inspect_network(name, None).await }).await {
            Ok(found) => Ok(Some(found)),
            Err(EngineError::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

fn request(name: &str, instance: &str) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        internal: Some(true),
        attachable: Some(false),
        enable_ipv6: Some(false),
        options: Some(HashMap::from([(INTER_CONTAINER.to_owned(), "false".to_owned())])),
        labels: Some(HashMap::from([(LABEL_INSTANCE.to_owned(), instance.to_owned())])),
        ..Default::default()
    }
}

fn walled(found: &NetworkInspect, instance: &str) -> Result<Network> {
    let name = network_name(instance);
    let option = found.options.as_ref().and_then(|options| options.get(INTER_CONTAINER));
    let label = found.labels.as_ref().and_then(|labels| labels.get(LABEL_INSTANCE));
    let closed = found.internal == Some(true)
        && found.driver.as_deref() == Some("bridge")
        && option.map(String::as_str) == Some("false")
        && label.map(String::as_str) == Some(instance);
    if !closed {
        return Err(EngineError::Refused(format!(
            "There is a Docker network {name} that is not Drydock's own: remove it with `docker network rm {name}`."
        )));
    }
    let configs = found.ipam.as_ref().and_then(|ipam| ipam.config.as_deref()).unwrap_or_default();
    match configs.iter().find_map(gateway) {
        Some(gateway) => Ok(Network { name, gateway }),
        None => Err(EngineError::Refused(format!("Docker gave the network {name} no address."))),
    }
}

/// As Docker says, else by its rule: the first address of the subnet.
fn gateway(config: &IpamConfig) -> Option<IpAddr> {
    let told = config.gateway.as_deref().and_then(|text| text.split('/').next()?.parse().ok());
    told.or_else(|| {
        let (first, _) = config.subnet.as_deref()?.split_once('/')?;
        let first: Ipv4Addr = first.parse().ok()?;
        Some(IpAddr::V4(Ipv4Addr::from(u32::from(first) + 1)))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(change: impl FnOnce(&mut NetworkInspect)) -> NetworkInspect {
        let wanted = request("drydock-a", "a");
        let mut found = NetworkInspect {
            internal: wanted.internal,
            driver: wanted.driver,
            options: wanted.options,
            labels: wanted.labels,
            ..Default::default()
        };
        let config = IpamConfig { subnet: Some("172.20.0.0/16".into()), ..Default::default() };
        found.ipam = Some(bollard::models::Ipam { config: Some(vec![config]), ..Default::default() });
        change(&mut found);
        found
    }

    #[test]
    fn a_network_with_all_walls_is_used() {
        let network = walled(&found(|_| ()), "a").unwrap();
        assert_eq!(network, Network { name: "drydock-a".into(), gateway: "172.20.0.1".parse().unwrap() });
    }

    #[test]
    fn used_up_address_pools_are_known_by_what_docker_says() {
        for said in [
            "Docker refused: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
            "Docker refused: all predefined address pools have been fully subnetted",
        ] {
            assert!(no_room(said), "{said}");
        }
        for said in [
            "Docker refused: network with name drydock-a already exists",
            "Docker refused: Pool overlaps with other one",
        ] {
            assert!(!no_room(said), "{said}");
        }
    }

    #[test]
    fn idle_networks_are_named_with_the_command_that_removes_them() {
        let text = used_up(&["drydock-a".into(), "drydock-b".into()]).to_string();
        assert!(text.contains("`docker network rm drydock-a drydock-b`."), "{text}");
        assert!(used_up(&[]).to_string().contains("default-address-pools"));
        let many: Vec<String> = (0..NAMED + 2).map(|number| format!("drydock-{number}")).collect();
        assert!(used_up(&many).to_string().contains("(2 more afterwards)"));
    }

    #[test]
    fn a_network_without_one_of_them_is_refused() {
        for change in [
            |f: &mut NetworkInspect| f.internal = Some(false),
            |f: &mut NetworkInspect| f.options = None,
            |f: &mut NetworkInspect| f.labels = None,
            |f: &mut NetworkInspect| f.driver = Some("host".into()),
        ] {
            assert!(matches!(walled(&found(change), "a"), Err(EngineError::Refused(_))));
        }
    }
}
