//! GPUs and the machine as the server sees them through the real wrapper of NVIDIA's library: readings, who is on a GPU, quarantine by
//! hand, shares.

use std::time::Duration;

use anyhow::Result;
use drydock_tests::{GpuBox, Nvml, Server, until};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);
const GIB: u64 = 1 << 30;

/// The events of that kind, newest first.
fn events<'a>(devices: &'a Value, kind: &str) -> Vec<&'a str> {
    let all = devices["events"].as_array().into_iter().flatten();
    all.filter(|event| event["kind"] == kind).filter_map(|event| event["words"].as_str()).collect()
}

#[tokio::test]
async fn a_box_tells_its_gpus_disks_and_networks() -> Result<()> {
    let nvml = Nvml::new("gpus=2\nmemory=8\necc=1,3,0\npower=250000\nmig=1,2\n")?;
    let server = Server::start_with(&[("DRYDOCK_NVML_LIBRARY", &nvml.path())]).await?;
    let admin = server.admin().await?;
    let devices = until("the GPUs have no rows", LIMIT, || async {
        let devices = admin.get("/api/v1/devices").await?;
        Ok((devices["gpus"].as_array().is_some_and(|gpus| gpus.len() == 4)).then_some(devices))
    })
    .await?;
    let gpus = devices["gpus"].as_array().unwrap();
    let uuids: Vec<&str> = gpus.iter().filter_map(|gpu| gpu["uuid"].as_str()).collect();
    assert_eq!(uuids, [Nvml::uuid(0), Nvml::uuid(1), Nvml::mig_uuid(1, 0), Nvml::mig_uuid(1, 1)]);
    let first = &gpus[0];
    assert_eq!((&first["state"], &first["memory_bytes"]), (&json!("usable"), &json!(8 * GIB)), "{first}");
    let expected = json!({
        "memory_used_bytes": GIB, "utilization_percent": 10, "temperature_celsius": 40, "power_mw": 250_000,
        "power_limit_mw": 400_000, "clock_sm_mhz": 1410, "clock_memory_mhz": 1215, "ecc_corrected": 0, "ecc_uncorrected": 0,
    });
    assert_eq!(first["live"], expected);
    assert_eq!((&gpus[1]["is_divided"], &gpus[1]["live"]["ecc_corrected"]), (&json!(true), &json!(3)));
    assert_eq!(gpus[3]["parent_uuid"], Nvml::uuid(1).as_str(), "{}", gpus[3]);
    // what an instance does not tell is absent
    assert_eq!(gpus[3]["live"].get("utilization_percent"), None);

    let machine = &devices["machine"];
    assert!(machine["cpu_percents"].as_array().is_some_and(|all| !all.is_empty()), "{machine}");
    let disks = machine["disks"].as_array().unwrap();
    assert_eq!(disks.iter().filter(|disk| disk["holds_data"] == true).count(), 1, "{machine}");
    assert!(machine["networks"].as_array().is_some(), "{machine}");

    let metrics = reqwest::get(format!("{}/metrics", server.url())).await?.text().await?;
    for sample in [
        format!("drydock_gpu_power_watts{{uuid=\"{}\",name=\"Fake GPU 0\"}} 250", Nvml::uuid(0)),
        format!("drydock_gpu_ecc_corrected{{uuid=\"{}\",name=\"Fake GPU 1\"}} 3", Nvml::uuid(1)),
        "drydock_gpus 2".to_owned(),
    ] {
        assert!(metrics.contains(&sample), "{sample} is not in {metrics}");
    }
    assert!(metrics.contains("drydock_disk_free_bytes{device="), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn a_gpu_that_comes_and_goes_while_nobody_has_it_needs_nobody() -> Result<()> {
    let nvml = Nvml::new("gpus=2\n")?;
    let server = Server::start_with(&[("DRYDOCK_NVML_LIBRARY", &nvml.path())]).await?;
    let admin = server.admin().await?;
    let state = |wanted: &'static str| {
        let admin = admin.clone();
        async move {
            until(&format!("GPU 1 is not {wanted}"), LIMIT, || async {
                let devices = admin.get("/api/v1/devices").await?;
                Ok((devices["gpus"][1]["state"] == wanted).then_some(devices))
            })
            .await
        }
    };
    state("usable").await?;
    nvml.tell("gpus=1\n")?;
    let gone = state("missing").await?;
    assert_eq!(gone["gpus"][1].get("live"), None, "{gone}");
    let freed = admin.status(Method::POST, &format!("/api/v1/devices/{}/free", Nvml::uuid(1)), Some(json!({}))).await?;
    assert_eq!(freed, 409);
    nvml.tell("gpus=2\n")?;
    let back = state("usable").await?;
    assert_eq!((events(&back, "missing").len(), events(&back, "back").len()), (1, 1), "{back}");
    Ok(())
}

#[tokio::test]
async fn an_admin_takes_a_gpu_out_and_gives_it_back() -> Result<()> {
    let gpu_box = GpuBox::start("gpus=1\n").await?;
    let admin = &gpu_box.admin;
    let path = format!("/api/v1/devices/{}", Nvml::uuid(0));
    let engineer = gpu_box.server.person(admin, "ann", "engineer").await?;
    let reason = json!({ "reason": "its fan is loud" });
    assert_eq!(engineer.status(Method::POST, &format!("{path}/quarantine"), Some(reason.clone())).await?, 403);
    let empty = json!({ "reason": " " });
    assert_eq!(admin.status(Method::POST, &format!("{path}/quarantine"), Some(empty)).await?, 400);
    assert_eq!(admin.status(Method::POST, "/api/v1/devices/GPU-x/free", Some(json!({}))).await?, 404);

    // what runs goes on, what waits is told why
    let first = gpu_box.submit("first", "sleep 600", 1).await?;
    gpu_box.running(&first).await?;
    admin.post(&format!("{path}/quarantine"), reason).await?;
    let gpu = gpu_box.gpu(0).await?;
    assert_eq!(gpu["reason"], "Taken out by admin: its fan is loud", "{gpu}");
    let second = gpu_box.submit("second", "echo it runs", 1).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(gpu_box.job(&first).await?["summary"]["state"], "running");
    assert_eq!(gpu_box.job(&second).await?["summary"]["state"], "queued");

    // and is stopped where the admin says so
    admin.post(&format!("{path}/quarantine"), json!({ "reason": "smoke", "stop": true })).await?;
    let end = admin.finished(&first, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "failed", "{end}");
    assert!(end["summary"]["reason"].as_str().unwrap_or_default().contains("smoke"), "{end}");
    assert_eq!(gpu_box.job(&second).await?["summary"]["state"], "queued");

    gpu_box.free(0).await?;
    let end = admin.finished(&second, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{end}");
    gpu_box.leases(0, 0).await?;
    let audit = admin.get("/api/v1/audit").await?.to_string();
    assert!(audit.contains("gpu.quarantine") && audit.contains("gpu.free") && audit.contains("smoke"), "{audit}");
    Ok(())
}

#[tokio::test]
async fn programs_outside_are_named_and_their_memory_is_not_promised() -> Result<()> {
    let gpu_box = GpuBox::start("gpus=1\nmemory=16\n").await?;
    let outside = std::process::Command::new("sleep").arg("600").spawn()?;
    let pid = outside.id();
    gpu_box.nvml.tell(&format!("gpus=1\nmemory=16\nprocess=0,{pid},{}\n", 10 * GIB))?;
    let gpu = until("the program is not counted", LIMIT, || async {
        let gpu = gpu_box.gpu(0).await?;
        Ok((gpu["foreign_bytes"] == 10 * GIB).then_some(gpu))
    })
    .await?;
    let expected = json!([{ "pid": pid, "name": "sleep", "memory_bytes": 10 * GIB }]);
    assert_eq!(gpu["foreign"], expected, "{gpu}");
    let devices = gpu_box.devices().await?;
    let words = events(&devices, "foreign");
    assert_eq!(words, [format!("sleep (process {pid}) was not started by Drydock and holds 10.0 GiB.")]);

    // 8 of 16 GiB would fit, of the 6 that are left they do not
    let wish = json!({ "gpus": 1, "gpu_memory_bytes": 8 * GIB });
    let job = gpu_box.submit_with("share", "echo done", wish).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(gpu_box.job(&job).await?["summary"]["state"], "queued");
    end_process(outside)?;
    gpu_box.nvml.tell("gpus=1\nmemory=16\n")?;
    let end = gpu_box.admin.finished(&job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{end}");
    Ok(())
}

fn end_process(mut process: std::process::Child) -> Result<()> {
    process.kill()?;
    process.wait()?;
    Ok(())
}

#[tokio::test]
async fn whoever_uses_more_of_a_gpu_than_it_asked_for_is_named_and_stopped() -> Result<()> {
    let gpu_box = GpuBox::start("gpus=1\nmemory=16\n").await?;
    let (greedy, modest) = two_shares(&gpu_box).await?;
    let (one, other) = (gpu_box.pid_of(&greedy).await?, gpu_box.pid_of(&modest).await?);
    let within = format!("gpus=1\nmemory=16\nprocess=0,{one},{}\nprocess=0,{other},{}\n", 8 * GIB, 8 * GIB);
    gpu_box.nvml.tell(&within)?;
    until("what they hold is not told", LIMIT, || async {
        let leases = gpu_box.leases(0, 2).await?;
        Ok(leases.iter().all(|lease| lease["used_bytes"] == 8 * GIB && lease["memory_bytes"] == 8 * GIB).then_some(()))
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(events(&gpu_box.devices().await?, "over_share"), Vec::<&str>::new());

    gpu_box.nvml.tell(&within.replace(&format!("{one},{}", 8 * GIB), &format!("{one},{}", 9 * GIB)))?;
    let end = gpu_box.admin.finished(&greedy, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "failed", "{end}");
    let reason = end["summary"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("9.0 GiB of GPU 0") && reason.contains("8.0 GiB were asked for"), "{end}");
    assert_eq!(gpu_box.job(&modest).await?["summary"]["state"], "running");
    let devices = gpu_box.devices().await?;
    assert_eq!(devices["gpus"][0]["state"], "usable", "a greedy program is no fault of the GPU: {devices}");
    let event = devices["events"].as_array().into_iter().flatten().find(|event| event["kind"] == "over_share");
    assert_eq!(event.map(|event| &event["workload"]), Some(&json!(greedy)), "{devices}");
    Ok(())
}

#[tokio::test]
async fn a_box_that_only_warns_stops_nobody() -> Result<()> {
    let gpu_box = GpuBox::start_with("gpus=1\nmemory=16\n", "[gpus]\nover_share = \"warn\"\n").await?;
    let (greedy, _modest) = two_shares(&gpu_box).await?;
    let pid = gpu_box.pid_of(&greedy).await?;
    gpu_box.nvml.tell(&format!("gpus=1\nmemory=16\nprocess=0,{pid},{}\n", 9 * GIB))?;
    until("it is not named", LIMIT, || async {
        Ok((events(&gpu_box.devices().await?, "over_share").len() == 1).then_some(()))
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(gpu_box.job(&greedy).await?["summary"]["state"], "running");
    assert_eq!(gpu_box.devices().await?["over_share"], "warn");
    Ok(())
}

/// Two jobs with 8 GiB each of a GPU of 16, and a third that has to wait for one of them.
async fn two_shares(gpu_box: &GpuBox) -> Result<(String, String)> {
    let share = json!({ "gpus": 1, "gpu_memory_bytes": 8 * GIB });
    let one = gpu_box.submit_with("one", "sleep 600", share.clone()).await?;
    let other = gpu_box.submit_with("other", "sleep 600", share).await?;
    gpu_box.running(&one).await?;
    gpu_box.running(&other).await?;
    let third = gpu_box.submit_with("third", "true", json!({ "gpus": 1, "gpu_memory_bytes": GIB })).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(gpu_box.job(&third).await?["summary"]["state"], "queued", "the shares are the whole memory");
    gpu_box.admin.post(&format!("/api/v1/jobs/{third}/cancel"), json!({})).await?;
    Ok((one, other))
}
