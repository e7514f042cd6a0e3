//! What people do with jobs and sweeps in the dashboard, in a real Chromium, with real containers behind it.

use std::time::Duration;

use anyhow::Result;
use drydock_tests::{Api, Browser, Server, until};
use serde_json::{Value, json};

use crate::browser::log_in;

const CONTAINER: Duration = Duration::from_secs(120);

/// Text in the YAML at the form's side.
async fn yaml(browser: &Browser) -> Result<String> {
    let script = "return document.getElementById('job-yaml').value";
    Ok(browser.driver.execute(script, vec![]).await?.convert()?)
}

async fn write_yaml(browser: &Browser, text: &str) -> Result<()> {
    browser.sees("As YAML").await?;
    let script = "const area = document.getElementById('job-yaml'); area.focus(); area.value = arguments[0]; \
        area.dispatchEvent(new Event('input', { bubbles: true }))";
    browser.driver.execute(script, vec![text.into()]).await?;
    Ok(())
}

#[tokio::test]
async fn a_job_is_written_in_the_form_and_as_yaml_alike() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/jobs/new").await?;
    browser.fill("Name", "from-the-form").await?;
    browser.fill("Memory", "256MiB").await?;
    browser.fill("Time limit", "5m").await?;
    until("the YAML follows the form", Duration::from_secs(30), || async {
        let text = yaml(&browser).await?;
        Ok((text.contains("name: from-the-form") && text.contains("memory: 256MiB") && text.contains("time: 5m"))
            .then_some(()))
    })
    .await?;

    // a mistake names its line, and nothing is submitted with it
    write_yaml(&browser, "name: from-yaml\ncommand: [python3]\nprivileged: true\n").await?;
    browser.sees("Line 3: 'privileged' is no field of a job.").await?;
    browser.click("Submit the job").await?;
    assert_eq!(browser.path().await?, "/jobs/new");

    let program =
        "import os; open('/outputs/score.txt', 'w').write('ok'); print('depth', os.environ['DRYDOCK_PARAM_DEPTH'])";
    let text = format!(
        "name: from-yaml\ncommand: [python3, -c, \"{program}\"]\nparams: {{depth: 6}}\nresources: {{cpus: 0.5, memory: 256MiB}}\n\
         retries: {{limit: 1, backoff: 5s}}\ntime: 5m\n"
    );
    write_yaml(&browser, &text).await?;
    browser.sees("1 parameter").await?;
    browser.sees("up to 1 more").await?;
    browser.click("Submit the job").await?;
    browser.sees_within("depth 6", CONTAINER).await?;
    browser.sees_within("Succeeded", CONTAINER).await?;

    // the whole log is searched by the server
    browser.click("Search all lines, on the server").await?;
    browser.fill("Search all lines", "depth").await?;
    browser.click("Search").await?;
    browser.sees("1 hit in").await?;

    browser.click("Outputs").await?;
    browser.sees("score.txt").await?;
    browser.click("What was asked").await?;
    browser.sees("depth=6").await?;
    browser.click("Attempts").await?;
    browser.sees("Attempt 1").await?;

    // again, exactly
    browser.click("Run again").await?;
    browser.click("Rerun exactly").await?;
    browser.sees("The job is submitted again").await?;
    browser.sees("Runs job").await?;
    let jobs = admin.list("/api/v1/jobs").await?;
    assert_eq!(jobs.len(), 2);
    let seeds = [seed(&admin, &jobs[0]).await?, seed(&admin, &jobs[1]).await?];
    assert_eq!(seeds[0], seeds[1], "the same seed");
    browser.close().await
}

async fn seed(api: &Api, job: &Value) -> Result<Value> {
    let id = job["id"].as_str().unwrap_or_default();
    Ok(api.get(&format!("/api/v1/jobs/{id}")).await?["spec"]["seed"].clone())
}

#[tokio::test]
async fn a_sweep_is_submitted_in_the_form_and_compared() -> Result<()> {
    let server = Server::start().await?;
    server.admin().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/jobs/new").await?;
    let program = "import mlflow, sys; mlflow.log_metric('loss', float(sys.argv[1]))";
    let text = format!(
        "name: rates\njob:\n  command: [python3, -c, \"{program}\", '{{lr}}']\n  resources: {{cpus: 0.5, memory: 512MiB}}\n\
         grid:\n  lr: ['0.5', '0.25', '0.125']\nmost_at_once: 2\nmetric: loss\ngoal: minimize\n"
    );
    write_yaml(&browser, &text).await?;
    browser.sees("a sweep of 3 jobs").await?;
    browser.click("Submit the sweep").await?;
    browser.sees_within("3 of 3 ended", CONTAINER * 2).await?;
    browser.sees("Best so far: loss 0.125").await?;
    assert!(browser.offers("Compare the runs").await?);
    browser.shoot("sweep-done-light-1280").await?;
    browser.visit("/sweeps").await?;
    browser.sees("rates").await?;
    browser.close().await
}

#[tokio::test]
async fn a_secret_goes_in_and_is_never_shown() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/settings?tab=secrets").await?;
    browser.click("New secret").await?;
    browser.fill("Name", "hub-token").await?;
    browser.fill("Value", "correct-horse-battery").await?;
    browser.click("Keep the secret").await?;
    browser.sees("The secret is kept").await?;
    browser.sees("hub-token").await?;
    assert!(!browser.text().await?.contains("correct-horse"), "the value is not on the page");
    let known = admin.list("/api/v1/secrets").await?;
    assert_eq!(known[0]["name"], "hub-token");
    browser.visit("/jobs/new").await?;
    browser.press("//summary[contains(., 'Secrets')]", "the section of secrets").await?;
    browser.press("//select[@id='secret']/option[@value='hub-token']", "the secret's name").await?;
    until("the YAML names the secret", Duration::from_secs(30), || async {
        Ok(yaml(&browser).await?.contains("hub-token").then_some(()))
    })
    .await?;
    browser.close().await
}

/// What becomes of what a job left, from its page.
#[tokio::test]
async fn what_a_job_left_becomes_a_dataset_from_its_page() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let program = "import os; os.makedirs('/outputs/clean'); open('/outputs/clean/red.csv', 'w').write('id,acid\\n1,3.5\\n'); \
        open('/outputs/notes.txt', 'w').write('as made')";
    let wish = json!({ "name": "leaver", "command": ["python3", "-c", program],
        "resources": { "cpus": 0.5, "memory_bytes": 256 << 20 } });
    let job = admin.submit_with(wish).await?;
    admin.finished(&job, CONTAINER).await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    let outputs = format!("/jobs/{job}?tab=outputs");
    browser.visit(&outputs).await?;
    browser.click("clean/").await?;
    browser.sees("red.csv").await?;
    browser.click("Make a dataset of it").await?;
    assert_eq!(value_of(&browser, "outputs-path").await?, "clean", "the folder that was looked at");
    browser.fill("Name", "Clean Wine").await?;
    browser.click("Make the dataset").await?;
    browser.sees("Use 1 to 63 lower-case letters").await?;
    browser.fill("Name", "clean-wine").await?;
    browser.fill("Of the outputs", "../etc").await?;
    browser.click("Make the dataset").await?;
    browser.sees("Use a relative path").await?;
    browser.fill("Of the outputs", "nothing").await?;
    browser.click("Make the dataset").await?;
    browser.sees("left nothing in /outputs/nothing").await?;
    assert!(admin.list("/api/v1/datasets").await?.is_empty(), "a refused one leaves no dataset");
    browser.fill("Of the outputs", "clean").await?;
    browser.fill("Message", "of the leaver").await?;
    browser.click("Make the dataset").await?;
    browser.sees("Version 1 of clean-wine made").await?;
    browser.sees("red.csv").await?;
    assert_eq!(browser.path().await?, "/datasets/clean-wine");

    // another version of it: one file, added to what is there
    browser.visit(&outputs).await?;
    browser.click("Make a dataset of it").await?;
    browser.fill("Name", "clean-wine").await?;
    browser.sees("There is a dataset of that name").await?;
    browser.press("//label[contains(., 'a version of a dataset that there is')]", "an existing dataset").await?;
    browser.click("Add the version").await?;
    browser.sees("Choose the dataset.").await?;
    browser.press("//select[@id='outputs-known']/option[@value='clean-wine']", "clean-wine").await?;
    browser.press("//label[contains(., 'Keep the 1 file of its latest version')]", "keep its files").await?;
    browser.fill("Of the outputs", "notes.txt").await?;
    browser.shoot("job-outputs-add-light-1280").await?;
    browser.click("Add the version").await?;
    browser.sees("Version 2 of clean-wine made").await?;
    let made = admin.get("/api/v1/datasets/clean-wine/versions/2").await?;
    assert_eq!(made["summary"]["file_count"], 2, "{made}");
    each_look(&browser, "job-outputs-dataset", async || {
        browser.visit(&outputs).await?;
        browser.sees("notes.txt").await?;
        browser.click("Make a dataset of it").await?;
        browser.fill("Name", "wine").await
    })
    .await?;
    browser.close().await
}

async fn value_of(browser: &Browser, id: &str) -> Result<String> {
    let script = "return document.getElementById(arguments[0]).value";
    Ok(browser.driver.execute(script, vec![id.into()]).await?.convert()?)
}

#[tokio::test]
async fn the_jobs_pages_are_accessible_and_have_their_pictures() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let program = "import time, sys\nfor i in range(40): print('epoch', i); sys.stdout.flush(); time.sleep(.2)\n\
        open('/outputs/report.txt', 'w').write('fine')";
    let wish = json!({ "name": "pictured", "command": ["python3", "-c", program], "params": { "lr": "0.1" }, "priority": 2,
        "resources": { "cpus": 0.5, "memory_bytes": 256 << 20 } });
    let job = admin.submit_with(wish).await?;
    admin.finished(&job, CONTAINER).await?;
    let pages = [
        ("jobs-list", "/jobs".to_owned(), "pictured"),
        ("jobs-form", format!("/jobs/new?from={job}"), "As YAML"),
        ("jobs-charts", format!("/jobs/{job}?tab=charts"), "Memory (MiB)"),
        ("jobs-outputs", format!("/jobs/{job}?tab=outputs"), "report.txt"),
        ("jobs-attempts", format!("/jobs/{job}?tab=attempts"), "Attempt 1"),
        ("jobs-spec", format!("/jobs/{job}?tab=spec"), "lr=0.1"),
        ("sweeps-empty", "/sweeps".to_owned(), "No sweeps yet"),
        ("secrets-empty", "/settings?tab=secrets".to_owned(), "No secret yet"),
    ];
    look_through(&server, &pages).await
}

/// What `open` opens, in both themes and at two widths: a picture, no barrier.
pub async fn each_look(browser: &Browser, name: &str, open: impl AsyncFn() -> Result<()>) -> Result<()> {
    let mut barriers = vec![];
    for theme in ["light", "dark"] {
        for width in [1280, 390] {
            browser.look(width, theme).await?;
            open().await?;
            browser.shoot(&format!("{name}-{theme}-{width}")).await?;
            barriers.extend(browser.barriers().await?.into_iter().map(|found| format!("{theme} {width}: {found}")));
        }
    }
    assert!(barriers.is_empty(), "{name}: {} findings:\n{}", barriers.len(), barriers.join("\n"));
    Ok(())
}

/// Each page in both themes and at two widths: a picture, no barrier, nothing that scrolls sideways.
pub async fn look_through(server: &Server, pages: &[(&str, String, &str)]) -> Result<()> {
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    let mut barriers = vec![];
    for theme in ["light", "dark"] {
        for width in [1280, 390] {
            browser.look(width, theme).await?;
            for (name, path, text) in pages {
                browser.visit(path).await?;
                browser.sees(text).await?;
                browser.shoot(&format!("{name}-{theme}-{width}")).await?;
                let found = browser.barriers().await?;
                barriers.extend(found.into_iter().map(|found| format!("{path} {theme} {width}: {found}")));
                let script = "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1";
                if browser.driver.execute(script, vec![]).await?.convert::<bool>()? {
                    barriers.push(format!("{path} {theme} {width}: the page scrolls sideways"));
                }
            }
        }
    }
    browser.close().await?;
    assert!(barriers.is_empty(), "{} findings:\n{}", barriers.len(), barriers.join("\n"));
    Ok(())
}
