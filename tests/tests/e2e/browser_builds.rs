//! Image builds in a real Chromium: from the form and from a Dockerfile, the log while it is written, missing wheels, cancelling, the
//! image that came of it.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use drydock_tests::{Browser, Server, wheels::Wheel};
use thirtyfour::prelude::*;

use crate::{
    browser::{log_in, looked_at},
    browser_buckets::choose,
};

/// Long enough for a base image, a RUN and the push.
const BUILT: Duration = Duration::from_secs(240);

#[tokio::test]
async fn images_are_built_from_a_form_and_from_a_dockerfile() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "vera", "viewer").await?;
    // a version of its own: what Docker still has of an earlier time is not what is watched here
    let version = format!("1.{}", std::process::id());
    Wheel::new("tidal", &version).add(&admin).await?;
    let here = tempfile::tempdir()?;
    let code = here.path().join("train.py");
    fs::write(&code, "import tidal\nprint('tides of', tidal.VERSION)\n")?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "admin").await?;
    let mut barriers = looked_at(&browser, "builds-empty", "/builds", "Nothing was built yet").await?;

    // a form: what is wrong is said beside the field; its Dockerfile is shown before
    browser.look(1280, "light").await?;
    browser.visit("/builds/new").await?;
    browser.fill("Name", "Team/App").await?;
    browser.click("Build it").await?;
    browser.sees("Lower-case letters").await?;
    browser.fill("Name", "team/app").await?;
    browser.fill("Tag", "1.0").await?;
    browser.fill("Python packages", &format!("tidal=={version}")).await?;
    let inputs = browser.driver.find_all(By::Css("[data-testid='form-files']")).await?;
    ensure!(inputs.len() == 2, "for Debian packages and for code");
    inputs[1].send_keys(code.to_str().context("a path")?).await?;
    browser.sees("1 file uploaded").await?;
    browser.fill("Command", "python3 train.py").await?;
    browser.fill("Environment", "GREETING=ahoy").await?;
    barriers.extend(browser.barriers().await?);
    browser.shoot("builds-form-light-1280").await?;
    browser.click("Show the Dockerfile").await?;
    browser.sees("FROM drydock/runtime:1").await?;
    browser.sees("CMD [\"python3\",\"train.py\"]").await?;
    browser.shoot("builds-preview-light-1280").await?;
    barriers.extend(browser.barriers().await?);
    browser.click("Close").await?;
    browser.click("Build it").await?;
    browser.sees_within(&format!("Successfully installed tidal-{version}"), BUILT).await?; // the log, while it is written
    browser.sees_within("Succeeded", BUILT).await?;
    browser.sees("team/app:1.0@sha256:").await?;
    let built = browser.path().await?;
    browser.click("Dockerfile").await?;
    browser.sees("Built from").await?;
    browser.click("What was asked").await?;
    browser.sees("GREETING=ahoy").await?;

    // what pip does not find, all of it at once
    browser.click("Change and build").await?;
    browser.sees("train.py").await?; // kept from the build before
    browser.fill("Python packages", "tidal\nsextant>=2\nastrolabe").await?;
    browser.click("Build it").await?;
    browser.sees_within("Missing wheels (2)", BUILT).await?;
    browser.sees("sextant>=2").await?;
    browser.sees("astrolabe").await?;
    let failed = browser.path().await?;
    let link = browser.driver.find(By::XPath("//a[@download='missing.txt']")).await?;
    let to = link.attr("href").await?.context("an address")?;
    let list = admin.request(reqwest::Method::GET, &to).send().await?.error_for_status()?.text().await?;
    ensure!(list.contains("sextant") && list.contains("pip download"), "{list}");

    // a Dockerfile with a folder's file, broken off by a person
    browser.visit("/builds/new?by=dockerfile").await?;
    browser.fill("Name", "team/slow").await?;
    browser
        .fill("Dockerfile", "FROM drydock/runtime:1\nCOPY train.py /app/\nRUN echo it begins && sleep 120\n")
        .await?;
    choose(&browser, "form-files", code.to_str().context("a path")?).await?;
    browser.sees("1 file uploaded").await?;
    browser.shoot("builds-dockerfile-light-1280").await?;
    barriers.extend(browser.barriers().await?);
    browser.click("Build it").await?;
    browser.sees_within("it begins", BUILT).await?;
    browser.shoot("builds-running-light-1280").await?;
    browser.click("Cancel build").await?;
    browser.sees("Cancel this build?").await?;
    browser.click("Cancel the build").await?;
    browser.sees_within("Cancelled", BUILT).await?;

    for (name, path, text) in [
        ("builds", "/builds".to_owned(), "team/slow"),
        ("builds-new", "/builds/new".to_owned(), "Base image"),
        ("builds-new-dockerfile", "/builds/new?by=dockerfile".to_owned(), "The recipe"),
        ("build", built.clone(), "For jobs"),
        ("build-missing", failed, "Missing wheels"),
        ("build-spec", format!("{built}?tab=spec"), "GREETING"),
    ] {
        barriers.extend(looked_at(&browser, name, &path, text).await?);
    }
    ensure!(barriers.is_empty(), "{}", barriers.join("\n"));

    // a viewer looks, and is offered nothing else
    let viewer = Browser::open(&server.url()).await?;
    log_in(&viewer, "vera").await?;
    viewer.visit(&built).await?;
    viewer.sees("team/app:1.0@sha256:").await?;
    ensure!(!viewer.offers("Build again").await? && !viewer.offers("Cancel build").await?);
    viewer.close().await?;
    browser.close().await
}
