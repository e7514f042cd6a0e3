//! The devices in a real Chromium: GPUs of the test library with what they tell, who is on them, quarantine by hand, the machine.

use std::time::Duration;

use anyhow::{Result, ensure};
use drydock_tests::{Browser, GpuBox, Server, dockerd::BUSYBOX, until};
use serde_json::json;

use crate::browser::{log_in, looked_at};

const GIB: u64 = 1 << 30;
const SOON: Duration = Duration::from_secs(40);

#[tokio::test]
async fn gpus_are_looked_at_quarantined_and_freed() -> Result<()> {
    let gpu_box = GpuBox::start("gpus=2\nmemory=16\npower=250000\necc=0,3,0\nmig=1,2\n").await?;
    let admin = &gpu_box.admin;
    gpu_box.server.person(admin, "erin", "engineer").await?;
    let wish = json!({ "gpus": 1, "gpu_memory_bytes": 8 * GIB });
    let job = gpu_box.submit_with("share", "sleep 600", wish).await?;
    gpu_box.running(&job).await?;
    let mut outside = std::process::Command::new("sleep").arg("600").spawn()?;
    let (pid, other) = (gpu_box.pid_of(&job).await?, outside.id());
    let orders = "gpus=2\nmemory=16\npower=250000\necc=0,3,0\nmig=1,2\n";
    gpu_box.nvml.tell(&format!("{orders}process=0,{pid},{}\nprocess=0,{other},{}\n", 5 * GIB, 2 * GIB))?;

    let browser = Browser::open(&gpu_box.server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/devices").await?;
    for text in ["GPU 0", "Instance of GPU 1", "250 of 400 W", "3 mended, 0 not", "share", "8 GiB", "sleep", "Disks"] {
        browser.sees_within(text, SOON).await?;
    }
    browser.sees_within("5 GiB", SOON).await?;
    // a line for each GPU, by its name
    browser.sees("GPU 0 · Fake GPU 0 · 00000000").await?;
    browser.sees("GPU 1 · Fake GPU 1 · 00000000").await?;
    let mut barriers = looked_at(&browser, "devices", "/devices", "Held by").await?;
    let charts = format!("/jobs/{job}?tab=charts");
    browser.visit(&charts).await?;
    browser.sees_within("GPU at work (%)", SOON).await?;
    browser.sees("GPU 0 · Fake GPU 0 · 00000000").await?;
    barriers.extend(looked_at(&browser, "jobs-charts-gpu", &charts, "GPU memory (GiB)").await?);
    barriers.extend(replica_on_a_gpu(&gpu_box, &browser).await?);
    browser.visit("/devices").await?;
    browser.look(1280, "light").await?;
    browser.sees("Held by").await?;

    // taken out by hand: with a reason, and what runs on it is named before
    browser.press("//section[contains(., 'GPU 0')]//button[contains(., 'Quarantine')]", "Quarantine").await?;
    browser.click("Quarantine it").await?;
    browser.sees("Say why").await?;
    browser.fill("Why", "its fan is loud").await?;
    browser.sees("1 program on it: share").await?;
    browser.shoot("devices-quarantine-light-1280").await?;
    barriers.extend(browser.barriers().await?);
    browser.click("Quarantine it").await?;
    browser.sees("its fan is loud").await?;
    browser.sees("until an admin frees it").await?;
    barriers.extend(looked_at(&browser, "devices-quarantined", "/devices", "its fan is loud").await?);
    ensure!(barriers.is_empty(), "{}", barriers.join("\n"));

    // who is no admin sees why, and is offered nothing
    let engineer = Browser::open(&gpu_box.server.url()).await?;
    log_in(&engineer, "erin").await?;
    engineer.visit("/devices").await?;
    engineer.sees("its fan is loud").await?;
    ensure!(!engineer.offers("Free").await? && !engineer.offers("Quarantine").await?, "an engineer may not");
    engineer.close().await?;

    browser.look(1280, "light").await?;
    browser.click("Free").await?;
    browser.sees("GPU 0 is free").await?;
    until("the GPU is not free", SOON, || async { Ok((gpu_box.gpu(0).await?["state"] == "usable").then_some(())) })
        .await?;
    // whole only, by a tick
    browser.press("//input[@aria-label='GPU 0 may be shared']", "the tick").await?;
    until("it may still be shared", SOON, || async { Ok((gpu_box.gpu(0).await?["sharable"] == false).then_some(())) })
        .await?;
    outside.kill()?;
    outside.wait()?;
    browser.close().await
}

#[tokio::test]
async fn a_box_without_a_gpu_says_what_to_do() -> Result<()> {
    let server = Server::start().await?;
    server.admin().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/devices").await?;
    browser.sees("Machine").await?;
    browser.sees("All cores").await?;
    let barriers = looked_at(&browser, "devices-none", "/devices", "Networks").await?;
    ensure!(barriers.is_empty(), "{}", barriers.join("\n"));
    ensure!(browser.text().await?.contains("driver"), "{}", browser.text().await?);
    browser.close().await
}

/// A replica that serves from a share of a GPU says which one, by its name, and how much of it.
async fn replica_on_a_gpu(gpu_box: &GpuBox, browser: &Browser) -> Result<Vec<String>> {
    let command = ["busybox", "httpd", "-f", "-p", "8000"];
    let runtime = json!({ "kind": "image", "image": BUSYBOX, "command": command, "port": 8000, "protocol": "plain" });
    let resources = json!({ "cpus": 0.1, "memory_bytes": 64 << 20, "gpus": 1, "gpu_memory_bytes": 4 * GIB });
    let wish = json!({ "served_by": { "runtime": runtime }, "resources": resources });
    gpu_box.admin.put("/api/v1/deployments/shared", wish).await?;
    browser.visit("/deployments/shared").await?;
    browser.sees_within("1 of 1 ready", SOON).await?;
    browser.sees_within("GPU 0 · Fake GPU 0 · 00000000", SOON).await?;
    browser.sees("4 GiB of 16 GiB").await?;
    let barriers = looked_at(browser, "deployments-gpu", "/deployments/shared", "4 GiB of 16 GiB").await?;
    gpu_box.admin.delete("/api/v1/deployments/shared").await?;
    gpu_box.leases(0, 1).await?;
    Ok(barriers)
}
