//! What a job is made of, in real containers: code as one archive, outputs, checkpoints, its run, parameters and seed, the same again.

use std::time::Duration;

use anyhow::{Context, Result};
use drydock_tests::{Api, Server, Setup, docker, until};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);

pub fn python(program: &str) -> [&str; 3] {
    ["python3", "-c", program]
}

pub async fn log_of(api: &Api, job: &str) -> Result<String> {
    let (_, text) = api.send(Method::GET, &format!("/api/v1/jobs/{job}/log"), None).await?;
    Ok(text.as_str().map_or_else(|| text.to_string(), str::to_owned))
}

/// Ends well, or tells what it said.
pub async fn succeeded(api: &Api, job: &str) -> Result<Value> {
    let end = api.finished(job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "succeeded", "{end}\n{}", log_of(api, job).await?);
    Ok(end)
}

/// A packed archive of these files.
pub fn packed(files: &[(&str, u32, &str)]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(zstd::Encoder::new(vec![], 3)?);
    for (path, mode, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(*mode);
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    Ok(archive.into_inner()?.finish()?)
}

#[tokio::test]
async fn a_snapshot_of_a_checkout_is_the_workspace_and_its_commit_is_on_the_run() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let code = packed(&[
        ("./train.py", 0o644, "import lib.words\nprint('from', lib.words.WORD)\nopen('/workspace/x', 'w')"),
        ("lib/words.py", 0o644, "WORD = 'the library'"),
        ("run.sh", 0o755, "#!/bin/sh\nexec python3 /workspace/train.py"),
    ])?;
    let digest = admin.upload(code).await?;
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let snapshot = json!({ "digest": digest, "git": { "commit": commit, "branch": "main", "remote": "git@box:team/x.git", "dirty": true } });
    let wish = |name: &str| json!({ "name": name, "command": ["/workspace/run.sh"], "snapshot": snapshot });
    let (first, second) = (admin.submit_with(wish("one")).await?, admin.submit_with(wish("two")).await?);
    for job in [&first, &second] {
        let end = admin.finished(job, LIMIT).await?;
        let log = log_of(&admin, job).await?;
        assert!(log.contains("from the library") && log.contains("Read-only file system"), "{end}\n{log}");
        let run = end["attempts"][0]["run_id"].as_str().context("no run")?;
        let run = admin.get(&format!("/api/2.0/mlflow/runs/get?run_id={run}")).await?;
        let tags = run["run"]["data"]["tags"].as_array().context("no tags")?;
        for (key, value) in [
            ("mlflow.source.git.commit", commit),
            ("mlflow.source.git.branch", "main"),
            ("mlflow.source.git.repoURL", "git@box:team/x.git"),
            ("drydock.git.dirty", "true"),
        ] {
            assert!(tags.contains(&json!({ "key": key, "value": value })), "{key}: {tags:?}");
        }
        assert_eq!(run["run"]["info"]["status"], "FAILED", "its program did not end it, and the job failed: {run}");
    }
    // laid out once for both
    let laid = std::fs::read_dir(server.data_dir().join("run/code"))?.flatten();
    let folders: Vec<String> =
        laid.filter(|it| it.path().is_dir()).filter_map(|it| it.file_name().into_string().ok()).collect();
    assert_eq!(folders, [digest]);
    Ok(())
}

#[tokio::test]
async fn an_archive_that_leaves_its_folder_is_refused_and_audited() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let submit = |digest: String| {
        let admin = admin.clone();
        async move {
            let wish = json!({ "name": "bad", "command": ["true"], "snapshot": { "digest": digest } });
            admin.send(Method::POST, "/api/v1/jobs", Some(wish)).await
        }
    };
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..12].copy_from_slice(b"../../up.txt");
    header.set_size(1);
    header.set_mode(0o644);
    header.set_cksum();
    let mut slip = tar::Builder::new(zstd::Encoder::new(vec![], 3)?);
    slip.append(&header, &b"x"[..])?;
    let mut link = tar::Builder::new(zstd::Encoder::new(vec![], 3)?);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    link.append_link(&mut header, "data", "/etc")?;
    // five gigabytes of zeros in a hundred kilobytes
    let mut bomb = tar::Builder::new(zstd::Encoder::new(vec![], 3)?);
    let mut header = tar::Header::new_gnu();
    header.set_size(5 << 30);
    header.set_mode(0o644);
    bomb.append_data(&mut header, "zeros", std::io::Read::take(std::io::repeat(0), 5 << 30))?;
    for (what, archive) in [
        ("relative path", slip.into_inner()?.finish()?),
        ("links", link.into_inner()?.finish()?),
        ("4 GiB", bomb.into_inner()?.finish()?),
        ("no tar archive", b"not an archive".to_vec()),
    ] {
        let (status, answer) = submit(admin.upload(archive).await?).await?;
        assert_eq!(status, 422, "{what}: {answer}");
        assert!(answer["message"].as_str().is_some_and(|text| text.contains(what)), "{what}: {answer}");
    }
    let (status, _) = submit("a".repeat(64)).await?;
    assert_eq!(status, 404);
    let audit = admin.list("/api/v1/audit").await?;
    assert_eq!(audit.iter().filter(|row| row["action"] == "job.refuse").count(), 4, "{audit:?}");
    assert!(!server.data_dir().join("run/up.txt").exists());
    Ok(())
}

/// Writes files that nobody else may read, links, a pipe and a file with a hole.
const OUTPUTS: &str = r"
import os
os.umask(0o077)
os.makedirs('/outputs/sub/deeper')
open('/outputs/a.txt', 'w').write('hello')
open('/outputs/sub/b.bin', 'wb').write(os.urandom(300_000))
open('/outputs/sub/deeper/c.txt', 'w').write('deep')
os.link('/outputs/a.txt', '/outputs/twin.txt')
os.symlink('/etc/passwd', '/outputs/passwd')
os.symlink('/', '/outputs/root')
os.mkfifo('/outputs/pipe')
open('/outputs/zeros', 'wb').truncate(1 << 20)
";

async fn outputs_are_kept(server: &Server, tracked: bool) -> Result<()> {
    let admin = server.admin().await?;
    let wish = json!({ "name": "outputs", "command": python(OUTPUTS), "tracked": tracked });
    let job = admin.submit_with(wish).await?;
    let end = succeeded(&admin, &job).await?;
    assert!(end["summary"]["reason"].as_str().is_some_and(|text| text.contains("no plain file")), "{end}");
    let path = format!("/api/v1/jobs/{job}/outputs");
    let shown = admin.get(&path).await?;
    let names: Vec<&str> = shown["entries"].as_array().unwrap().iter().filter_map(|it| it["path"].as_str()).collect();
    assert_eq!(names, ["sub", "a.txt", "twin.txt", "zeros"], "{shown}");
    assert_eq!((&shown["file_count"], &shown["attempt"]), (&json!(5), &json!(1)), "{shown}");
    assert_eq!(shown["run_id"].is_string(), tracked, "{shown}");
    let deep = admin.get(&format!("{path}?folder=sub&deep=true")).await?;
    assert_eq!(deep["entries"].as_array().unwrap().len(), 2, "{deep}");
    let file =
        admin.request(Method::GET, &format!("{path}/file?path=twin.txt")).header("range", "bytes=1-3").send().await?;
    assert_eq!((file.status().as_u16(), file.text().await?.as_str()), (206, "ell"));
    assert_eq!(admin.status(Method::GET, &format!("{path}/file?path=passwd"), None).await?, 404);
    assert_eq!(admin.status(Method::GET, &format!("{path}/file?path=../x"), None).await?, 400);
    let whole = admin.request(Method::GET, &format!("{path}/archive")).send().await?.bytes().await?;
    let mut archive = tar::Archive::new(whole.as_ref());
    let sizes: Vec<(String, u64)> = archive
        .entries()?
        .map(|it| it.map(|it| (it.path().unwrap().display().to_string(), it.size())))
        .collect::<std::io::Result<_>>()?;
    assert_eq!(sizes.len(), 5, "{sizes:?}");
    assert!(sizes.contains(&("sub/b.bin".into(), 300_000)) && sizes.contains(&("zeros".into(), 1 << 20)), "{sizes:?}");
    if let Some(run) = shown["run_id"].as_str() {
        let artifacts = admin.get(&format!("/api/2.0/mlflow/artifacts/list?run_id={run}&path=outputs")).await?;
        assert!(artifacts.to_string().contains("outputs/a.txt"), "{artifacts}");
    }
    let folder = server.data_dir().join("run/jobs");
    until("the folders of the attempt are gone", LIMIT, || async {
        Ok((std::fs::read_dir(&folder)?.count() == 0).then_some(()))
    })
    .await
}

#[tokio::test]
async fn outputs_become_artifacts_of_the_run_and_nothing_outside_is_read() -> Result<()> {
    outputs_are_kept(&Server::start().await?, true).await
}

#[tokio::test]
async fn outputs_of_a_job_that_is_not_tracked_are_kept_just_so() -> Result<()> {
    outputs_are_kept(&Server::start().await?, false).await
}

/// Runs the program as somebody who may use Docker and nothing else: by a descriptor, since nobody else passes root's home.
const AS_SOMEBODY: [&str; 3] = [
    "sh",
    "-c",
    r#"exec 9<"$0"; exec setpriv --reuid 54321 --regid 54321 --groups "$(stat -c %g /var/run/docker.sock)" /proc/self/fd/9 "$@""#,
];

#[tokio::test]
async fn a_server_that_is_not_root_keeps_and_removes_what_it_may_not_read() -> Result<()> {
    let data = tempfile::tempdir()?;
    std::os::unix::fs::chown(data.path(), Some(54321), Some(54321))?;
    let setup = Setup { data: Some(data.path().to_owned()), wrapper: &AS_SOMEBODY, ..Setup::default() };
    outputs_are_kept(&Server::start_as(setup).await?, true).await
}

#[tokio::test]
async fn outputs_larger_than_the_disk_that_was_asked_for_fail_the_job_and_stay_a_day() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let wish = json!({
        "name": "holes", "command": python("open('/outputs/holes', 'wb').truncate(1 << 30)"),
        "resources": { "cpus": 1.0, "memory_bytes": 256 << 20, "gpus": 0, "disk_bytes": 64 << 20 },
    });
    let job = admin.submit_with(wish).await?;
    let end = admin.finished(&job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "failed", "{end}");
    let reason = end["summary"]["reason"].as_str().context("no reason")?;
    assert!(reason.contains("larger than the disk") && reason.contains("for a day"), "{reason}");
    assert!(server.data_dir().join(format!("run/jobs/.unkept-{job}-1/holes")).is_file(), "{reason}");
    Ok(())
}

#[tokio::test]
async fn disk_is_disk_and_scratch_without_it_is_memory() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let program = "import os\nf = open('/scratch/x', 'wb')\nfor n in range(200): f.write(b'x' * (1 << 20))\nf.close()\nprint([l.split()[2] for l in open('/proc/mounts') if l.split()[1] == '/scratch'])";
    let resources = json!({ "cpus": 1.0, "memory_bytes": 96 << 20, "gpus": 0, "disk_bytes": 400 << 20 });
    let job = admin.submit_with(json!({ "name": "disk", "command": python(program), "resources": resources })).await?;
    succeeded(&admin, &job).await?;
    assert!(!log_of(&admin, &job).await?.contains("tmpfs"));
    Ok(())
}

#[tokio::test]
async fn a_job_over_its_disk_is_stopped_with_the_cause() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let program =
        "import time\nf = open('/outputs/x', 'wb')\nwhile True: f.write(b'x' * (8 << 20)); f.flush(); time.sleep(0.05)";
    let resources = json!({ "cpus": 1.0, "memory_bytes": 256 << 20, "gpus": 0, "disk_bytes": 64 << 20 });
    let job =
        admin.submit_with(json!({ "name": "filler", "command": python(program), "resources": resources })).await?;
    let end = admin.finished(&job, LIMIT).await?;
    assert_eq!(end["summary"]["state"], "failed", "{end}");
    assert!(end["summary"]["reason"].as_str().is_some_and(|text| text.contains("64 MiB of disk were full")), "{end}");
    assert_eq!(end["attempts"][0]["cause"], "disk", "{end}");
    Ok(())
}

#[tokio::test]
async fn parameters_and_seed_reach_command_environment_and_run() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let program = r"
import mlflow, os, sys
print('words', sys.argv[1:])
print('param', os.environ['DRYDOCK_PARAM_LR'], 'seed', os.environ['DRYDOCK_SEED'], os.environ['PYTHONHASHSEED'])
with mlflow.start_run(run_name='mine') as run:
    # in the program's own words, and in another experiment than the default one
    mlflow.log_param('lr', float(os.environ['DRYDOCK_PARAM_LR']))
    mlflow.log_metric('loss', 0.5)
    print('run', run.info.run_id, os.environ['DRYDOCK_RUN_ID'])
with mlflow.start_run() as second:
    print('second', second.info.run_id)
";
    let program = program.replacen("with mlflow", "mlflow.set_experiment('elsewhere')\nwith mlflow", 1);
    let command = ["python3", "-c", &program, "--lr={lr}", "{other}"];
    let job = admin.submit_with(json!({ "name": "params", "command": command, "params": { "lr": "1e-4" } })).await?;
    let end = succeeded(&admin, &job).await?;
    let log = log_of(&admin, &job).await?;
    let seed = end["spec"]["seed"].as_u64().context("no seed was drawn")?;
    assert!(
        log.contains("words ['--lr=1e-4', '{other}']") && log.contains(&format!("param 1e-4 seed {seed} {seed}")),
        "{log}"
    );
    let run = end["attempts"][0]["run_id"].as_str().context("no run")?;
    assert!(log.contains(&format!("run {run} {run}")), "the first run that it starts is the job's: {log}");
    assert_eq!(end["run_ids"].as_array().unwrap().len(), 2, "{end}");
    let found = admin.get(&format!("/api/2.0/mlflow/runs/get?run_id={run}")).await?;
    let (info, data) = (&found["run"]["info"], &found["run"]["data"]);
    assert_eq!((&info["status"], &info["run_name"]), (&json!("FINISHED"), &json!("mine")), "{found}");
    assert_eq!(data["params"], json!([{ "key": "lr", "value": "0.0001" }]), "{found}");
    let experiment = admin
        .get(&format!("/api/2.0/mlflow/experiments/get?experiment_id={}", info["experiment_id"].as_str().unwrap()))
        .await?;
    assert_eq!(experiment["experiment"]["name"], "elsewhere");
    Ok(())
}

#[tokio::test]
async fn a_program_that_knows_no_mlflow_has_a_run_all_the_same_and_a_named_experiment_its_id() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let command = ["sh", "-c", "echo run=$MLFLOW_RUN_ID; exit 3"];
    let job = admin
        .submit_with(json!({ "name": "plain", "command": command, "experiment": "Wine", "params": { "a": "1" } }))
        .await?;
    let end = admin.finished(&job, LIMIT).await?;
    let run = end["attempts"][0]["run_id"].as_str().context("no run")?;
    assert!(log_of(&admin, &job).await?.contains(&format!("run={run}")));
    let found = admin.get(&format!("/api/2.0/mlflow/runs/get?run_id={run}")).await?;
    assert_eq!(
        (&found["run"]["info"]["status"], &found["run"]["info"]["run_name"]),
        (&json!("FAILED"), &json!("plain")),
        "{found}"
    );
    assert_eq!(found["run"]["data"]["params"], json!([{ "key": "a", "value": "1" }]));
    let bare = admin.submit_with(json!({ "name": "bare", "command": ["true"], "tracked": false })).await?;
    let end = succeeded(&admin, &bare).await?;
    assert_eq!((&end["attempts"][0]["run_id"], &end["run_ids"]), (&Value::Null, &json!([])));
    Ok(())
}

#[tokio::test]
async fn exactly_the_same_runs_again_and_what_is_gone_is_said() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let image = format!("drydock-test/{}:1", server.instance()?);
    docker::run(&["tag", "drydock/runtime:1", &image])?;
    let digest = admin
        .upload(packed(&[(
            "a.py",
            0o644,
            "import os, random\nprint(os.environ['DRYDOCK_SEED'], hash('x'), os.environ['WORD'])",
        )])?)
        .await?;
    let wish = json!({
        "name": "first", "image": image, "command": ["python3", "/workspace/a.py"], "env": { "WORD": "kept" },
        "snapshot": { "digest": digest },
    });
    let first = admin.submit_with(wish).await?;
    let end = succeeded(&admin, &first).await?;
    let image_id = end["spec"]["image_id"].as_str().context("the image was not noted")?.to_owned();
    assert_eq!(end["attempts"][0]["image_id"], image_id.as_str(), "{end}");
    // an engineer who uploaded nothing may run what is here again
    let eve = server.person(&admin, "eve", "engineer").await?;
    let again = eve.post(&format!("/api/v1/jobs/{first}/rerun"), json!({ "exactly": true })).await?;
    assert_eq!((&again["parent_id"], &again["spec"]["seed"]), (&json!(first), &end["spec"]["seed"]), "{again}");
    let again = again["summary"]["id"].as_str().unwrap().to_owned();
    succeeded(&eve, &again).await?;
    assert_eq!(log_of(&admin, &first).await?, log_of(&admin, &again).await?);
    let other = admin.post(&format!("/api/v1/jobs/{first}/rerun"), json!({})).await?;
    assert_ne!(other["spec"]["seed"], end["spec"]["seed"], "another seed where it is not to be exactly the same");
    assert_eq!(admin.get(&format!("/api/v1/jobs/{first}")).await?["rerun_ids"].as_array().unwrap().len(), 2);
    // the name passes on to another image: exactly runs the old one, and when that is gone says so
    let made = docker::run(&["create", "drydock/runtime:1", "true"])?;
    let other_image = docker::run(&["commit", &made, &image])?;
    docker::run(&["rm", &made])?;
    let exact = admin.post(&format!("/api/v1/jobs/{first}/rerun"), json!({ "exactly": true })).await?;
    assert_eq!(exact["spec"]["image_id"], image_id.as_str());
    let fresh = admin.post(&format!("/api/v1/jobs/{first}/rerun"), json!({ "exactly": false })).await?;
    assert_eq!(fresh["spec"]["image_id"], other_image.as_str());
    let gone = admin.submit_with(json!({ "name": "brief", "image": image, "command": ["true"] })).await?;
    succeeded(&admin, &gone).await?;
    for job in admin.list("/api/v1/jobs?state=queued,starting,running").await? {
        admin.finished(job["id"].as_str().unwrap(), LIMIT).await?;
    }
    until("its containers are gone", LIMIT, || async { Ok(server.containers()?.is_empty().then_some(())) }).await?;
    docker::run(&["rmi", "-f", &other_image])?;
    let (status, answer) =
        admin.send(Method::POST, &format!("/api/v1/jobs/{gone}/rerun"), Some(json!({ "exactly": true }))).await?;
    assert_eq!(status, 422, "{answer}");
    assert!(answer["message"].as_str().is_some_and(|text| text.contains("not on the box any more")), "{answer}");
    Ok(())
}
