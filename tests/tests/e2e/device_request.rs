//! What a container with GPUs really gets from Docker, seen where NVIDIA's own hook would see it: a private daemon with a stand-in for that
//! hook, real runc, the real configuration of the container.

use std::time::Duration;

use anyhow::{Context, Result};
use drydock_tests::{GpuBox, Nvml, dockerd::HookCall};
use reqwest::Method;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
const GIB: u64 = 1 << 30;

/// Prints what decides about GPUs and foreign libraries.
const TELL: &str = "echo gpus=$NVIDIA_VISIBLE_DEVICES preload=$LD_PRELOAD";

async fn end_and_log(gpu_box: &GpuBox, job: &str) -> Result<String> {
    let end = gpu_box.admin.finished(job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{end}");
    let (_, log) = gpu_box.admin.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
    Ok(log.as_str().unwrap_or_default().trim().to_owned())
}

/// The calls of the hook for containers of this job, by the label's only trace that runc has: the environment.
fn calls_of(gpu_box: &GpuBox, job: &str) -> Result<Vec<HookCall>> {
    let all = gpu_box.dockerd.hook_calls()?;
    Ok(all.into_iter().filter(|call| call.variable("DRYDOCK_JOB_ID").as_deref() == Some(job)).collect())
}

#[tokio::test]
async fn a_job_gets_the_gpus_of_its_lease_and_no_others() -> Result<()> {
    let gpu_box = GpuBox::start("gpus=3\n").await?;

    // The first holds a GPU while the second asks for the other two.
    let first = gpu_box.submit("one", &format!("{TELL}; sleep 600"), 1).await?;
    gpu_box.running(&first).await?;
    let second = gpu_box.submit("two", TELL, 2).await?;
    let log = end_and_log(&gpu_box, &second).await?;
    let held: Vec<u32> = {
        let mut held = vec![];
        for number in 0..3 {
            if !gpu_box.gpu(number).await?["leases"].as_array().context("leases")?.is_empty() {
                held.push(number);
            }
        }
        held
    };
    let [of_first] = held[..] else { anyhow::bail!("leases on {held:?}") };
    let others: Vec<String> = (0..3).filter(|number| *number != of_first).map(Nvml::uuid).collect();
    assert_eq!(log, format!("gpus={} preload=", others.join(",")));

    // Docker's driver asked the hook, with exactly these devices; what the image wished does not count.
    let calls = calls_of(&gpu_box, &second)?;
    assert_eq!(calls.len(), 1, "{calls:?}");
    let call = &calls[0];
    assert_eq!(call.args, "prestart");
    assert_eq!(call.variable("NVIDIA_VISIBLE_DEVICES"), Some(others.join(",")));
    let capabilities = call.variable("NVIDIA_DRIVER_CAPABILITIES").unwrap_or_default();
    assert!(capabilities.contains("compute") && capabilities.contains("utility"), "{capabilities}");
    assert_eq!(call.variable("LD_PRELOAD").as_deref(), Some(""));
    let hooks = call.config["hooks"]["prestart"].as_array().context("no hooks")?;
    assert!(
        hooks.iter().any(|hook| hook["path"].as_str().is_some_and(|path| path.ends_with("container-runtime-hook")))
    );

    let calls = calls_of(&gpu_box, &first)?;
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].variable("NVIDIA_VISIBLE_DEVICES"), Some(Nvml::uuid(of_first)));
    Ok(())
}

#[tokio::test]
async fn a_job_without_gpus_gets_none_whatever_its_image_or_its_wish_says() -> Result<()> {
    let gpu_box = GpuBox::start("gpus=1\n").await?;
    let plain = gpu_box.submit("plain", TELL, 0).await?;
    assert_eq!(end_and_log(&gpu_box, &plain).await?, "gpus=void preload=");
    let env = json!({ "NVIDIA_VISIBLE_DEVICES": "all", "LD_PRELOAD": "/data/evil.so" });
    let wish = json!({
        "name": "sly", "image": drydock_tests::dockerd::BUSYBOX, "command": ["sh", "-c", TELL], "env": env,
        "resources": { "cpus": 0.1, "memory_bytes": 64 << 20, "gpus": 0 },
    });
    let (status, answer) = gpu_box.admin.send(Method::POST, "/api/v1/jobs", Some(wish)).await?;
    if status.is_success() {
        let sly = answer["summary"]["id"].as_str().context("an id")?;
        assert_eq!(end_and_log(&gpu_box, sly).await?, "gpus=void preload=");
    } else {
        assert!([400, 422].contains(&status.as_u16()), "{answer}");
    }
    assert_eq!(gpu_box.dockerd.hook_calls()?.len(), 0, "without a device request Docker calls no hook");
    Ok(())
}

#[tokio::test]
async fn shares_of_one_gpu_see_that_gpu_and_an_instance_is_given_as_itself() -> Result<()> {
    let gpu_box = GpuBox::start("gpus=2\nmemory=16\nmig=1,1\n").await?;
    let share = json!({ "gpus": 1, "gpu_memory_bytes": 6 * GIB });
    let one = gpu_box.submit_with("one", &format!("{TELL}; sleep 600"), share.clone()).await?;
    let other = gpu_box.submit_with("other", TELL, share).await?;
    gpu_box.running(&one).await?;
    let log = end_and_log(&gpu_box, &other).await?;
    assert_eq!(log, format!("gpus={} preload=", Nvml::uuid(0)));
    // the other GPU is cut up: its one instance is what is left
    let whole = gpu_box.submit("instance", TELL, 1).await?;
    assert_eq!(end_and_log(&gpu_box, &whole).await?, format!("gpus={} preload=", Nvml::mig_uuid(1, 0)));
    let calls = calls_of(&gpu_box, &whole)?;
    assert_eq!(calls[0].variable("NVIDIA_VISIBLE_DEVICES"), Some(Nvml::mig_uuid(1, 0)));
    Ok(())
}
