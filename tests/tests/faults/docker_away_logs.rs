//! Docker stopped or killed, and started again, while a container prints that outlives it: Drydock's log of it is Docker's own, line by
//! line; and where the container ends with Docker, all of its log that was shown stays.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Fault, GpuBox, until};
use reqwest::Method;

const LIMIT: Duration = Duration::from_secs(120);
const LINES: usize = 12_000;

/// Numbered lines, about a thousand a second; then it waits for a file.
fn program() -> String {
    format!(
        "i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo \"$i the quick brown fox jumps over the lazy dog\"; \
         if [ $((i % 50)) = 0 ]; then sleep 0.05; fi; done; while [ ! -e /outputs/go ]; do sleep 0.2; done"
    )
}

async fn total(gpu_box: &GpuBox, job: &str) -> Result<usize> {
    let page = gpu_box.admin.get(&format!("/api/v1/jobs/{job}/log/lines?limit=1")).await?;
    Ok(usize::try_from(page["total"].as_u64().unwrap_or(0))?)
}

async fn has_more_than(gpu_box: &GpuBox, job: &str, lines: usize) -> Result<()> {
    until(&format!("the log does not go on after {lines} lines"), LIMIT, || async {
        Ok((total(gpu_box, job).await? > lines).then_some(()))
    })
    .await
}

async fn text(gpu_box: &GpuBox, job: &str) -> Result<String> {
    let answer = gpu_box.admin.request(Method::GET, &format!("/api/v1/jobs/{job}/log")).send().await?;
    Ok(answer.error_for_status()?.text().await?.trim().to_owned())
}

/// Each once and in order; how many of them are missing.
fn missing(text: &str) -> Result<usize> {
    let number = |line: &str| line.split(' ').next().and_then(|word| word.parse::<usize>().ok());
    // what Docker had read half of when it was killed begins anywhere
    let numbers: Vec<usize> = text.lines().filter_map(number).collect();
    let wrong = numbers.windows(2).find(|pair| pair[0] >= pair[1]);
    ensure!(wrong.is_none(), "out of order or twice: {wrong:?}");
    Ok(numbers.last().context("no lines")? - numbers.len())
}

#[tokio::test]
async fn a_log_is_dockers_own_though_docker_is_started_again_while_a_container_prints() -> Result<()> {
    let mut fault = Fault::new("a private dockerd stopped or killed while a container prints that outlives it", 2, 20);
    let mut gpu_box = GpuBox::start("gpus=1\n").await?;
    gpu_box.dockerd.keeps_running = true;
    restart(&mut gpu_box).await?;
    let (mut lost_by_stops, mut lost_by_kills) = (0, 0);
    for round in 0..fault.count {
        let job = gpu_box.submit("prints", &program(), 0).await?;
        has_more_than(&gpu_box, &job, 1000).await?;
        let container = gpu_box.dockerd.containers_of(&job)?.pop().context("its container")?;
        for _ in 0..2 {
            let is_kill = round % 2 == 1;
            if is_kill {
                gpu_box.dockerd.kill9()?
            } else {
                gpu_box.dockerd.stop()?
            }
            tokio::time::sleep(Duration::from_millis(200 + fault.dice.below(1500))).await;
            let before = total(&gpu_box, &job).await?;
            gpu_box.dockerd.launch().await?;
            has_more_than(&gpu_box, &job, before + 500).await?;
        }
        let last = format!("{LINES} the quick");
        until("the last line does not come", LIMIT, || async {
            Ok(text(&gpu_box, &job).await?.lines().any(|line| line.starts_with(&last)).then_some(()))
        })
        .await?;
        let dockers = gpu_box.dockerd.docker(&["logs", &container])?;
        std::fs::write(gpu_box.server.data_dir().join(format!("run/jobs/{job}-1/outputs/go")), "")?;
        let end = gpu_box.admin.finished(&job, LIMIT).await?;
        ensure!(end["summary"]["state"] == "succeeded", "{end:#}");
        ensure!(end["attempts"].as_array().is_some_and(|all| all.len() == 1), "tried again: {end:#}");
        let ours = text(&gpu_box, &job).await?;
        let first = ours.lines().zip(dockers.lines()).position(|(ours, dockers)| ours != dockers);
        let counts = (ours.lines().count(), dockers.lines().count());
        ensure!(ours == dockers, "round {round}: ours and Docker's have {counts:?} lines and differ at {first:?}");
        let lost = if round % 2 == 1 { &mut lost_by_kills } else { &mut lost_by_stops };
        *lost += missing(&ours)?;
    }
    let count = fault.count;
    ensure!(lost_by_stops == 0, "{lost_by_stops} lines are missing though Docker was stopped and not killed");
    fault.held(format!(
        "{count} logs of {LINES} lines, each Docker's own line by line; Docker itself lost {lost_by_kills} when killed, none when stopped"
    ));
    Ok(())
}

#[tokio::test]
async fn a_log_stays_whole_up_to_the_end_that_dockers_start_makes() -> Result<()> {
    let fault = Fault::new("a private dockerd killed while a container prints that does not outlive it", 1, 10);
    let mut gpu_box = GpuBox::start("gpus=1\n").await?;
    let mut shown = 0;
    for _ in 0..fault.count {
        let job = gpu_box.submit("prints", &program(), 0).await?;
        has_more_than(&gpu_box, &job, 1000).await?;
        restart(&mut gpu_box).await?;
        let before = total(&gpu_box, &job).await?;
        let end = gpu_box.admin.finished(&job, LIMIT).await?;
        ensure!(["failed", "lost"].contains(&end["summary"]["state"].as_str().unwrap_or_default()), "{end:#}");
        ensure!(end["summary"]["reason"].as_str().is_some_and(|words| !words.is_empty()), "no reason: {end:#}");
        let ours = text(&gpu_box, &job).await?;
        let count = ours.lines().count();
        ensure!(count >= before.max(1000), "{before} lines were shown, {count} are kept");
        ensure!(missing(&ours)? == 0, "lines are missing in the middle: {count} of them are there");
        shown += count;
    }
    let count = fault.count;
    fault.held(format!("{count} logs with {shown} lines, none missing in between, each with its job's end in words"));
    Ok(())
}

async fn restart(gpu_box: &mut GpuBox) -> Result<()> {
    gpu_box.dockerd.kill9()?;
    gpu_box.dockerd.launch().await
}
