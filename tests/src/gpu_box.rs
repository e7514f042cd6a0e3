//! A box with GPUs: a server whose NVIDIA library is [`Nvml`] and whose Docker is a [`Dockerd`] with the stand-in for NVIDIA's hook.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Api, Dockerd, Nvml, Server, dockerd::BUSYBOX, until};

/// How long something on it may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Dropped in this order: the server, its containers, its library.
pub struct GpuBox {
    pub server: Server,
    pub admin: Api,
    pub dockerd: Dockerd,
    pub nvml: Nvml,
}

impl GpuBox {
    /// With these orders to the library; answers once its GPUs have rows.
    pub async fn start(orders: &str) -> Result<Self> {
        Self::start_with(orders, "").await
    }

    /// The same with a settings file.
    pub async fn start_with(orders: &str, settings: &str) -> Result<Self> {
        let (dockerd, nvml) = (Dockerd::start().await?, Nvml::new(orders)?);
        let environment = [("DOCKER_HOST", dockerd.host()), ("DRYDOCK_NVML_LIBRARY", nvml.path())];
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        let server =
            Server::start_as(crate::Setup { environment: &environment, settings, ..Default::default() }).await?;
        let admin = server.admin().await?;
        let all = Self { server, admin, dockerd, nvml };
        until("the GPUs have no rows", LIMIT, || async {
            let devices = all.devices().await?;
            Ok(devices["gpus"].as_array().is_some_and(|gpus| !gpus.is_empty()).then_some(()))
        })
        .await?;
        Ok(all)
    }

    /// Submits a job of busybox with so many whole GPUs; no retries.
    pub async fn submit(&self, name: &str, script: &str, gpus: u32) -> Result<String> {
        self.submit_with(name, script, json!({ "gpus": gpus })).await
    }

    /// With these resources beside a tenth of a core and 64 MiB.
    pub async fn submit_with(&self, name: &str, script: &str, more: Value) -> Result<String> {
        let mut resources = json!({ "cpus": 0.1, "memory_bytes": 64 << 20 });
        if let (Some(resources), Some(more)) = (resources.as_object_mut(), more.as_object()) {
            resources.extend(more.clone());
        }
        let command = ["sh", "-c", script];
        let wish = json!({ "name": name, "image": BUSYBOX, "command": command, "resources": resources });
        self.admin.submit_with(wish).await
    }

    pub async fn job(&self, id: &str) -> Result<Value> {
        self.admin.get(&format!("/api/v1/jobs/{id}")).await
    }

    /// Waits until a job runs; fails at once when it ended instead.
    pub async fn running(&self, id: &str) -> Result<()> {
        let state = until(&format!("job {id} does not run"), LIMIT, || async {
            let job = self.job(id).await?;
            let state = job["summary"]["state"].as_str().unwrap_or_default().to_owned();
            let waits = ["queued", "starting"].contains(&state.as_str());
            Ok((!waits).then_some((state, job)))
        })
        .await?;
        ensure!(state.0 == "running", "{:#}", state.1);
        Ok(())
    }

    /// The process of a running job's container, as the box sees it.
    pub async fn pid_of(&self, job: &str) -> Result<u64> {
        let containers = self.dockerd.containers_of(job)?;
        let id = containers.first().context("no container")?;
        self.dockerd.inspect(id)?["State"]["Pid"].as_u64().context("no process")
    }

    pub async fn devices(&self) -> Result<Value> {
        self.admin.get("/api/v1/devices").await
    }

    /// What the page says of the GPU with this number.
    pub async fn gpu(&self, number: u32) -> Result<Value> {
        let devices = self.devices().await?;
        let uuid = Nvml::uuid(number);
        let found = devices["gpus"].as_array().into_iter().flatten().find(|gpu| gpu["uuid"] == uuid.as_str());
        Ok(found.with_context(|| format!("no GPU {number} in {devices}"))?.clone())
    }

    /// Waits until the GPU is in this state, and answers what the page says of it then.
    pub async fn gpu_is(&self, number: u32, state: &str, limit: Duration) -> Result<Value> {
        until(&format!("GPU {number} is not {state}"), limit, || async {
            let gpu = self.gpu(number).await?;
            Ok((gpu["state"] == state).then_some(gpu))
        })
        .await
    }

    /// Waits until the GPU has so many leases, and answers them.
    pub async fn leases(&self, number: u32, count: usize) -> Result<Vec<Value>> {
        until(&format!("GPU {number} has not {count} leases"), LIMIT, || async {
            let leases = self.gpu(number).await?["leases"].as_array().cloned().unwrap_or_default();
            Ok((leases.len() == count).then_some(leases))
        })
        .await
    }

    /// An admin frees it.
    pub async fn free(&self, number: u32) -> Result<()> {
        self.admin.post(&format!("/api/v1/devices/{}/free", Nvml::uuid(number)), json!({})).await.map(drop)
    }
}
