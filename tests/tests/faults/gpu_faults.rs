//! GPUs that fail, one kind after the other, on a library in the place of NVIDIA's: the GPU is given to nobody within ten seconds, whoever
//! had it is stopped with the cause, its lease ends, the neighbour goes on, and the server answers all the while.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use drydock_tests::{Api, Fault, GpuBox, fault::allowed, until};

const LIMIT: Duration = Duration::from_secs(60);
/// From the fault until nobody is given the GPU any more.
const QUARANTINED: Duration = Duration::from_secs(10);
/// An answer of the server while a driver fails.
const QUICK: Duration = Duration::from_secs(1);
const QUIET: &str = "gpus=2\n";
/// Ends at SIGTERM, as a program that is alone in its container has to say.
const WORK: &str = "trap 'exit 143' TERM; while true; do sleep 0.2; done";

/// The Xids of the list, and what else a driver tells; each with a word of the reason that people read.
const KINDS: [(&str, &str); 11] = [
    ("xid=13", "Xid 13"),
    ("xid=31", "Xid 31"),
    ("xid=48", "Xid 48"),
    ("xid=63", "Xid 63"),
    ("xid=64", "Xid 64"),
    ("xid=74", "Xid 74"),
    ("xid=79", "Xid 79"),
    ("xid=94", "Xid 94"),
    ("xid=95", "Xid 95"),
    ("double", "could not be mended"),
    ("gone", "fallen off the bus"),
];

#[tokio::test]
async fn a_gpu_that_fails_is_given_to_nobody_and_its_job_says_why() -> Result<()> {
    let mut fault = Fault::new("GPU faults: Xids, memory errors, a GPU that is gone", KINDS.len(), 10 * KINDS.len());
    let gpu_box = GpuBox::start(QUIET).await?;
    let neighbour = gpu_box.submit("neighbour", WORK, 1).await?;
    gpu_box.running(&neighbour).await?;
    let failing = number_of(&gpu_box, &neighbour).await?.map_or(0, |number| 1 - number);
    let pulse = Pulse::of(&gpu_box.admin);
    let mut slowest = Duration::ZERO;
    for serial in 0..fault.count {
        let (kind, words) = KINDS[if serial < KINDS.len() { serial } else { fault.dice.index(KINDS.len()) }];
        let job = gpu_box.submit(&format!("job-{serial}"), WORK, 1).await?;
        gpu_box.running(&job).await?;
        let order = match kind {
            "gone" => format!("gone={failing}"),
            "double" => format!("double={failing}#{serial}"),
            xid => format!("{xid}@{failing}#{serial}"),
        };
        let told = Instant::now();
        gpu_box.nvml.tell(&format!("{QUIET}{order}\n"))?;
        gpu_box.gpu_is(failing, "quarantined", allowed(QUARANTINED)).await?;
        slowest = slowest.max(told.elapsed());
        failed_because(&gpu_box, &job, words).await?;
        gpu_box.leases(failing, 0).await?;
        ensure!(gpu_box.job(&neighbour).await?["summary"]["state"] == "running", "{kind} stopped the neighbour");
        gpu_box.nvml.tell(QUIET)?;
        readable(&gpu_box, failing).await?;
        gpu_box.free(failing).await?;
    }
    let slowest_answer = pulse.end()?;
    let count = fault.count;
    fault.held(format!(
        "{count} faults, each quarantined within {slowest:.1?}, its job failed with the cause and its lease ended; the slowest answer took \
         {slowest_answer:.0?}"
    ));
    Ok(())
}

#[tokio::test]
async fn a_driver_that_hangs_for_a_minute_holds_up_nothing() -> Result<()> {
    let mut fault = Fault::new("an NVIDIA driver that hangs for 60 s", 1, 5);
    let gpu_box = GpuBox::start(QUIET).await?;
    let (mut slowest, mut slowest_answer) = (Duration::ZERO, Duration::ZERO);
    for round in 0..fault.count {
        let job = gpu_box.submit(&format!("job-{round}"), WORK, 1).await?;
        gpu_box.running(&job).await?;
        // anywhere between two readings
        tokio::time::sleep(Duration::from_millis(fault.dice.below(2000))).await;
        let pulse = Pulse::of(&gpu_box.admin);
        let told = Instant::now();
        gpu_box.nvml.tell(&format!("{QUIET}hang=60\n"))?;
        for number in 0..2 {
            gpu_box.gpu_is(number, "quarantined", allowed(QUARANTINED).saturating_sub(told.elapsed())).await?;
        }
        slowest = slowest.max(told.elapsed());
        failed_because(&gpu_box, &job, "does not answer").await?;
        gpu_box.leases(0, 0).await?;
        gpu_box.leases(1, 0).await?;
        let devices = gpu_box.devices().await?;
        let note = devices["gpu_note"].as_str().unwrap_or_default();
        ensure!(note.contains("has not answered"), "{devices}");
        // what needs no GPU runs meanwhile
        let plain = gpu_box.submit("plain", "echo fine", 0).await?;
        ensure!(gpu_box.admin.finished(&plain, LIMIT).await?["summary"]["state"] == "succeeded", "a plain job");
        // the orders are quiet again, the call that hangs is not
        gpu_box.nvml.tell(QUIET)?;
        until("the driver does not come back", Duration::from_secs(90), || async {
            Ok(gpu_box.devices().await?.get("gpu_note").is_none().then_some(()))
        })
        .await?;
        ensure!(told.elapsed() > Duration::from_secs(55), "it hung for {:?} only", told.elapsed());
        slowest_answer = slowest_answer.max(pulse.end()?);
        for number in 0..2 {
            ensure!(
                gpu_box.gpu(number).await?["state"] == "quarantined",
                "hardware that failed is not trusted by itself"
            );
            gpu_box.free(number).await?;
        }
    }
    let count = fault.count;
    fault.held(format!(
        "{count} hangs, quarantined within {slowest:.1?}, the job failed with the cause; the slowest answer took {slowest_answer:.0?}"
    ));
    Ok(())
}

/// The GPU that a job has.
async fn number_of(gpu_box: &GpuBox, job: &str) -> Result<Option<u32>> {
    for number in 0..2 {
        let gpu = gpu_box.gpu(number).await?;
        if gpu["leases"].as_array().into_iter().flatten().any(|lease| lease["holder"] == job) {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

async fn failed_because(gpu_box: &GpuBox, job: &str, words: &str) -> Result<()> {
    let end = gpu_box.admin.finished(job, LIMIT).await?;
    let reason = end["summary"]["reason"].as_str().unwrap_or_default();
    ensure!(end["summary"]["state"] == "failed" && reason.contains(words), "{words}: {end:#}");
    Ok(())
}

async fn readable(gpu_box: &GpuBox, number: u32) -> Result<()> {
    until("the GPU is not read again", LIMIT, || async {
        Ok(gpu_box.gpu(number).await?.get("live").is_some().then_some(()))
    })
    .await
}

/// Asks the server how it is, again and again, until it is told to end.
struct Pulse {
    stop: Arc<AtomicBool>,
    slowest_ms: Arc<AtomicU64>,
    failed: Arc<AtomicBool>,
}

impl Pulse {
    fn of(api: &Api) -> Pulse {
        let pulse = Pulse { stop: Arc::default(), slowest_ms: Arc::default(), failed: Arc::default() };
        let (api, stop) = (api.clone(), pulse.stop.clone());
        let (slowest, failed) = (pulse.slowest_ms.clone(), pulse.failed.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let asked = Instant::now();
                let answer = api.get("/api/v1/overview").await;
                failed.fetch_or(answer.is_err(), Ordering::SeqCst);
                slowest.fetch_max(u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        pulse
    }

    /// The slowest answer.
    fn end(self) -> Result<Duration> {
        self.stop.store(true, Ordering::SeqCst);
        ensure!(!self.failed.load(Ordering::SeqCst), "the server refused an answer");
        let slowest = Duration::from_millis(self.slowest_ms.load(Ordering::SeqCst));
        ensure!(slowest < allowed(QUICK), "an answer took {slowest:?}");
        Ok(slowest)
    }
}
