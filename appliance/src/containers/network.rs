//! The instance's own network: a bridge without a way out, on which containers do not see each other.
//!
//! Only the box itself can be reached from it, at the gateway's address: that is where the container-facing listener stands.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use bollard::models::{IpamConfig, NetworkCreateRequest, NetworkInspect};

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

/// The name of an instance's network.
pub fn network_name(instance: &str) -> String {
    format!("drydock-{instance}")
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
        self.call(USUAL, &name, |docker| async move { docker.create_network(request).await }).await?;
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
