//! The queue in a real Chromium: the order with its reasons and the promise of the head, priorities by buttons and keys, queues with
//! their settings, pause and end.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drydock_tests::{Api, Browser, Server, until};
use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::browser::{log_in, looked_at};

const SOON: Duration = Duration::from_secs(60);

async fn submit(api: &Api, name: &str, cpus: f64) -> Result<String> {
    let wish = json!({ "name": name, "command": ["sleep", "600"], "timeout_s": 3600, "tracked": false,
        "resources": { "cpus": cpus, "memory_bytes": 64 << 20 } });
    let made = api.post("/api/v1/jobs", wish).await?;
    Ok(made["summary"]["id"].as_str().context("an id")?.to_owned())
}

async fn order(api: &Api) -> Result<Vec<String>> {
    let queue = api.get("/api/v1/queue").await?;
    let jobs = queue["jobs"]["items"].as_array().context("jobs")?;
    Ok(jobs.iter().filter_map(|job| job["name"].as_str()).map(str::to_owned).collect())
}

async fn ordered(api: &Api, wanted: &[&str]) -> Result<()> {
    until(&format!("the order is not {wanted:?}"), SOON, || async { Ok((order(api).await? == wanted).then_some(())) })
        .await
}

/// The job of that name in the queue.
async fn waiting(api: &Api, name: &str) -> Result<Value> {
    let queue = api.get("/api/v1/queue").await?;
    let jobs = queue["jobs"]["items"].as_array().context("jobs")?;
    Ok(jobs.iter().find(|job| job["name"] == name).with_context(|| format!("{name} does not wait"))?.clone())
}

async fn has_priority(api: &Api, name: &str, wanted: i64) -> Result<()> {
    until(&format!("the priority of {name} is not {wanted}"), SOON, || async {
        Ok((waiting(api, name).await?["priority"] == wanted).then_some(()))
    })
    .await
}

/// The names of the rows, from the top.
async fn rows(browser: &Browser) -> Result<Vec<String>> {
    let script = "return [...document.querySelectorAll('table.waiting tbody td.what > a')].map(a => a.textContent)";
    Ok(browser.driver.execute(script, vec![]).await?.convert()?)
}

async fn handle(browser: &Browser, name: &str) -> Result<WebElement> {
    Ok(browser.driver.find(By::XPath(format!("//button[@aria-label='Move {name}']"))).await?)
}

/// Jobs are dragged with the pointer and carried with the keys; a way back is offered, and Escape leaves them where they are. At
/// first big-two has priority 2, the others none.
async fn moved_by_hand(browser: &Browser, admin: &Api) -> Result<()> {
    until("big-two is not first, with its promise", SOON, || async {
        let first = rows(browser).await?.first().map(String::as_str) == Some("big-two");
        let next = "return document.querySelector('tr.next td.what > a')?.textContent ?? ''";
        Ok((first && browser.driver.execute(next, vec![]).await?.convert::<String>()? == "big-two").then_some(()))
    })
    .await?;
    let last = rows(browser).await?.pop().context("rows")?;
    let (from, to) = (handle(browser, &last).await?, handle(browser, "big-two").await?);
    let chain = browser.driver.action_chain().click_and_hold_element(&from).move_by_offset(0, -8);
    chain.move_to_element_with_offset(&to, 0, -14).perform().await?;
    browser.sees(&format!("{last}: priority 3, before big-two.")).await?;
    let script = "return [...document.querySelectorAll('tr.next[data-line=above] td')].map(td => getComputedStyle(td).boxShadow)";
    let lines: Vec<String> = browser.driver.execute(script, vec![]).await?.convert()?;
    ensure!(lines.len() == 6 && lines.iter().all(|line| line.contains("0px 2px")), "the line has a gap: {lines:?}");
    browser.shoot("queue-dragged-light-1280").await?;
    browser.driver.action_chain().release().perform().await?;
    has_priority(admin, &last, 3).await?;
    until("it does not stand first", SOON, || async {
        Ok((rows(browser).await?.first() == Some(&last)).then_some(()))
    })
    .await?;
    browser.click("Undo").await?;
    has_priority(admin, &last, 0).await?;
    until("it still stands first", SOON, || async { Ok((rows(browser).await?.first() != Some(&last)).then_some(())) })
        .await?;

    // with the keys: left where it is, then put behind the next, which needs a priority below it
    let next = rows(browser).await?.get(1).context("two rows")?.clone();
    let key = handle(browser, "big-two").await?;
    key.focus().await?;
    key.send_keys(Key::Enter + "").await?;
    browser.sees("Esc leaves it").await?;
    key.send_keys(Key::Down + "").await?;
    browser.sees(&format!("big-two: priority −1, behind {next}.")).await?;
    key.send_keys(Key::Escape + "").await?;
    until("the job is still in the hand", SOON, || async {
        Ok((!browser.text().await?.contains("Esc leaves it")).then_some(()))
    })
    .await?;
    has_priority(admin, "big-two", 2).await?;
    key.send_keys(Key::Space + "").await?;
    browser.sees("Esc leaves it").await?;
    key.send_keys(Key::Down + "").await?;
    key.send_keys(Key::Space + "").await?;
    has_priority(admin, "big-two", -1).await?;
    until("the focus was lost", SOON, || async { Ok((focused(browser).await? == "Move big-two").then_some(())) })
        .await?;
    browser.click("Undo").await?;
    has_priority(admin, "big-two", 2).await
}

/// What holds the focus.
async fn focused(browser: &Browser) -> Result<String> {
    let script = "return document.activeElement.getAttribute('aria-label') || document.activeElement.textContent";
    Ok(browser.driver.execute(script, vec![]).await?.convert()?)
}

#[tokio::test]
async fn the_order_is_read_and_changed_and_queues_are_kept() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let erin = server.person(&admin, "erin", "engineer").await?;
    server.person(&admin, "vera", "viewer").await?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    browser.visit("/queue").await?;
    browser.sees("Nothing waits").await?;
    let mut barriers = looked_at(&browser, "queue-empty", "/queue", "Free now").await?;

    // one that has all cores, and behind it one that wants them, too: the head, with its promise
    let total: Value = until("nothing was decided", SOON, || async {
        let queue = admin.get("/api/v1/queue").await?;
        Ok(queue["total"]["cpus"].as_f64().is_some_and(|cpus| cpus > 0.0).then_some(queue["total"].clone()))
    })
    .await?;
    let cores = total["cpus"].as_f64().context("cores")?;
    let first = submit(&admin, "holder", cores).await?;
    until("it does not run", SOON, || async {
        let state = admin.get(&format!("/api/v1/jobs/{first}")).await?["summary"]["state"].clone();
        Ok((state == "running").then_some(()))
    })
    .await?;
    submit(&admin, "big-one", cores).await?;
    submit(&admin, "big-two", cores).await?;
    submit(&erin, "of-erin", cores).await?;
    until("no head", SOON, || async {
        let queue = admin.get("/api/v1/queue").await?;
        let jobs = queue["jobs"]["items"].as_array().context("jobs")?;
        Ok((jobs.len() == 3 && jobs.iter().any(|job| job["starts_by"].is_i64())).then_some(()))
    })
    .await?;
    browser.look(1280, "light").await?;
    for text in ["Next in line", "starts at the latest", "3 jobs waiting, 1 running", "Waiting for", "of-erin"] {
        browser.sees(text).await?;
    }
    barriers.extend(looked_at(&browser, "queue-order", "/queue", "Next in line").await?);

    // a priority by its button: the job goes up, the focus stays on the button; then by the keys, and down again
    browser.look(1280, "light").await?;
    browser.sees("Next in line").await?;
    browser.click("Raise the priority of big-two").await?;
    has_priority(&admin, "big-two", 1).await?;
    browser.sees("The priority of big-two is 1").await?;
    until("the focus was lost", SOON, || async {
        Ok((focused(&browser).await? == "Raise the priority of big-two").then_some(()))
    })
    .await?;
    let link = browser.driver.find(By::XPath("//table//a[.='big-two']")).await?;
    link.focus().await?;
    // faster than the server answers: each counts from the one before, and the row shows it at once
    link.send_keys("++").await?;
    has_priority(&admin, "big-two", 3).await?;
    let script = "const raise = [...document.querySelectorAll('button')].find(b => b.getAttribute('aria-label') === arguments[0]); \
        raise.click(); raise.click(); raise.click(); return raise.parentElement.querySelector('b').textContent";
    let shown = browser.driver.execute(script, vec!["Raise the priority of big-two".into()]).await?;
    has_priority(&admin, "big-two", 6).await?;
    ensure!(["3", "6"].contains(&shown.convert::<String>()?.as_str()), "it shows {shown:?}");
    browser.sees("The priority of big-two is 6").await?;
    link.send_keys("----").await?;
    has_priority(&admin, "big-two", 2).await?;
    // what is asked again after that counts from there, too
    tokio::time::sleep(Duration::from_secs(1)).await;
    has_priority(&admin, "big-two", 2).await?;
    browser.visit("/queue").await?;
    browser.sees("Next in line").await?;
    moved_by_hand(&browser, &admin).await?;

    // queues: made with a cap, in use, paused, deleted
    browser.click("Queues and people").await?;
    browser.sees("weight 1: 100 % while all have jobs").await?;
    browser.click("New queue").await?;
    browser.fill("Name", "research").await?;
    browser.fill("Weight", "3").await?;
    browser.fill("Longest wait for a turn", "soon").await?;
    browser.click("Make the queue").await?;
    browser.sees("Write it as 4h, 30m or 7d").await?;
    browser.fill("Longest wait for a turn", "90m").await?;
    let jobs = browser.driver.find(By::Id("cap-jobs")).await?;
    jobs.send_keys("2").await?;
    let memory = browser.driver.find(By::Id("person-memory")).await?;
    memory.send_keys("512MiB").await?;
    browser.shoot("queue-settings-light-1280").await?;
    barriers.extend(browser.barriers().await?);
    browser.click("Make the queue").await?;
    browser.sees("Queue made").await?;
    browser.sees("weight 3: 75 % while all have jobs").await?;
    let made = admin.get("/api/v1/queues/research").await?;
    let (caps, mine) = (&made["settings"]["caps"], &made["settings"]["person_caps"]);
    ensure!(caps["jobs"] == 2 && mine["memory_bytes"] == 512 << 20 && made["settings"]["patience_s"] == 5400, "{made}");
    browser
        .press("//section[contains(@class, 'queue')][.//h2[.='research']]//button[contains(., 'Pause')]", "Pause")
        .await?;
    browser.sees("research is paused").await?;
    barriers.extend(looked_at(&browser, "queue-queues", "/queue?tab=queues", "Paused").await?);
    ensure!(barriers.is_empty(), "{}", barriers.join("\n"));

    // a waiting job goes into another queue, where it is told why it waits
    browser.look(1280, "light").await?;
    browser.visit("/queue").await?;
    browser.sees("of-erin").await?;
    let choice = browser.driver.find(By::XPath("//select[@aria-label='Queue of of-erin']")).await?;
    choice.find(By::XPath(".//option[@value='research']")).await?.click().await?;
    browser.sees("The queue research is paused").await?;
    browser.sees("Paused, so that nothing of it starts: research").await?;
    browser.visit("/queue?tab=queues").await?;
    browser.sees("research").await?;
    browser
        .press("//section[contains(@class, 'queue')][.//h2[.='research']]//button[contains(., 'Resume')]", "Resume")
        .await?;
    browser.sees("research goes on").await?;

    // an engineer changes what is theirs, a viewer nothing
    let engineer = Browser::open(&server.url()).await?;
    log_in(&engineer, "erin").await?;
    engineer.visit("/queue").await?;
    engineer.sees("of-erin").await?;
    ensure!(engineer.offers("Raise the priority of of-erin").await?);
    ensure!(!engineer.offers("Raise the priority of big-one").await?, "not hers");
    ensure!(engineer.offers("Move of-erin").await? && !engineer.offers("Move big-one").await?, "only her own is moved");
    engineer.visit("/queue?tab=queues").await?;
    engineer.sees("weight 3").await?;
    ensure!(!engineer.offers("New queue").await?);
    let settings = By::XPath("//section[contains(@class, 'queue')]//button[contains(., 'Settings')]");
    ensure!(engineer.driver.find_all(settings).await?.is_empty(), "an engineer sets queues");
    engineer.close().await?;

    // its jobs gone, the queue can be deleted; the default one cannot
    for name in ["of-erin", "big-two", "big-one"] {
        let queue = admin.get("/api/v1/queue").await?;
        let jobs = queue["jobs"]["items"].as_array().context("jobs")?;
        let id = jobs.iter().find(|job| job["name"] == name).and_then(|job| job["id"].as_str()).context("an id")?;
        admin.post(&format!("/api/v1/jobs/{id}/cancel"), json!({})).await?;
    }
    ordered(&admin, &[]).await?;
    browser.visit("/queue?tab=queues").await?;
    browser.sees("research").await?;
    let stays = browser
        .driver
        .find(By::XPath("//section[contains(@class, 'queue')][.//h2[.='default']]//button[contains(., 'Delete')]"))
        .await?;
    ensure!(stays.attr("aria-disabled").await?.as_deref() == Some("true"), "the default queue stays");
    browser
        .press("//section[contains(@class, 'queue')][.//h2[.='research']]//button[contains(., 'Delete')]", "Delete")
        .await?;
    browser.fill("to confirm", "research").await?;
    browser.click("Delete the queue").await?;
    browser.sees("Queue deleted").await?;
    browser.close().await
}
