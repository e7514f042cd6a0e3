//! The package index in a real Chromium: wheels dropped on the page, what is missing with its list, yanking, deleting.

use std::fs;

use anyhow::{Context, Result, ensure};
use drydock_tests::{
    Browser, Server,
    wheels::{Wheel, zipped},
};
use thirtyfour::prelude::*;

use crate::{
    browser::{log_in, looked_at},
    browser_buckets::choose,
    browser_drop::drag,
};

fn saved(folder: &std::path::Path, wheel: &Wheel) -> Result<String> {
    let path = folder.join(wheel.filename());
    fs::write(&path, wheel.bytes()?)?;
    Ok(path.to_str().context("a path")?.to_owned())
}

#[tokio::test]
async fn wheels_are_dropped_looked_at_missed_yanked_and_deleted() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "erin", "engineer").await?;
    server.person(&admin, "vera", "viewer").await?;
    let here = tempfile::tempdir()?;
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "erin").await?;
    browser.visit("/packages").await?;
    browser.sees("No packages yet").await?;
    browser.sees("Drop .whl files on this page").await?;
    let mut barriers = looked_at(&browser, "packages-empty", "/packages", "No packages yet").await?;

    // dropped: two wheels of a folder, and a source package, which is refused in words
    let folder = here.path().join("wheels");
    fs::create_dir(&folder)?;
    saved(&folder, &Wheel::new("tidal-model", "1.0").requires("harbour>=2").requires("numpy"))?;
    saved(&folder, &Wheel::new("tidal-model", "1.1").requires("harbour>=2").requires("chart ; extra == 'plots'"))?;
    let source = here.path().join("loose-0.1.tar.gz");
    fs::write(&source, "no wheel")?;
    browser.look(1280, "light").await?;
    browser.sees("No packages yet").await?;
    drag(&browser, &[folder.to_str().context("a path")?, source.to_str().context("a path")?], false).await?;
    browser.sees("loose-0.1.tar.gz is no wheel").await?;
    browser.sees("2 files uploaded").await?;
    browser.sees("1 package, 2 wheels").await?;
    // what its own package asks for in vain is told
    browser.sees("1 package that packages of the box ask for is not here").await?;

    // chosen: other bytes under a name that is taken are refused with the reason
    let wheel = Wheel::new("tidal-model", "1.1");
    let path = here.path().join(wheel.filename());
    fs::write(&path, zipped(&Wheel::new("tidal-model", "1.1").code("X = 1\n").entries())?)?;
    choose(&browser, "pick-wheels", path.to_str().context("a path")?).await?;
    browser.sees("1 of 2 files failed").await?;
    browser.shoot("packages-conflict-light-1280").await?;
    browser.click("Close the uploads").await?;

    // what a requirements file lacks, all of it, and the list to take along
    browser.click("What is missing").await?;
    browser.fill("Requirements", "tidal-model\ncompass<3\n-e ./local\n").await?;
    browser.click("Check").await?;
    browser.sees("are missing").await?;
    for text in ["harbour>=2", "compass<3", "not on the box", "the file itself", "-e ./local"] {
        browser.sees(text).await?;
    }
    let link = browser.driver.find(By::XPath("//a[@download='missing.txt']")).await?;
    let list = link.attr("href").await?.context("an address")?;
    ensure!(list.contains("pip%20download") && list.contains("compass"), "{list}");
    browser.shoot("packages-missing-answer-light-1280").await?;
    browser.driver.set_window_rect(0, 0, 390, 900).await?;
    browser.shoot("packages-missing-answer-light-390").await?;
    barriers.extend(browser.barriers().await?);
    browser.driver.set_window_rect(0, 0, 1280, 900).await?;
    Wheel::new("harbour", "2.4").add(&admin).await?;
    browser.sees("2 packages, 3 wheels").await?; // by itself, no reload

    // one package: yanked with a reason, taken back
    browser.visit("/packages/tidal-model").await?;
    browser.sees("pip install tidal-model==1.1").await?;
    browser.click("Yank tidal_model-1.1-py3-none-any.whl").await?;
    browser.click("Yank it").await?;
    browser.sees("Say why").await?;
    browser.fill("Why", "wrong tides").await?;
    browser.shoot("packages-yank-light-1280").await?;
    browser.click("Yank it").await?;
    browser.sees("pip install tidal-model==1.0").await?;
    browser.sees("wrong tides").await?;
    for (name, path, text) in [
        ("packages", "/packages", "tidal"),
        ("packages-missing", "/packages?tab=missing", "What packages of the box ask for"),
        ("packages-use", "/packages?tab=use", "From a computer on the network"),
        ("package", "/packages/tidal-model", "Yanked"),
        ("package-requires", "/packages/tidal-model?tab=requires", "harbour"),
        ("package-needed", "/packages/harbour?tab=needed", "tidal-model"),
    ] {
        barriers.extend(looked_at(&browser, name, path, text).await?);
    }
    ensure!(barriers.is_empty(), "{}", barriers.join("\n"));
    browser.look(1280, "light").await?;
    browser.visit("/packages/tidal-model").await?;
    browser.click("Offer tidal_model-1.1-py3-none-any.whl again").await?;
    browser.sees("pip install tidal-model==1.1").await?;

    // deleting a wheel, then the package, asks for the name
    browser.click("Delete tidal_model-1.0-py3-none-any.whl").await?;
    browser.fill("to confirm", "tidal_model-1.0-py3-none-any.whl").await?;
    browser.click("Delete the wheel").await?;
    browser.sees("Wheel deleted").await?;
    browser.click("Delete").await?;
    browser.sees("1 wheel of 1 version").await?;
    browser.fill("to confirm", "tidal-model").await?;
    browser.click("Delete the package").await?;
    browser.sees("Package deleted").await?;
    ensure!(browser.path().await? == "/packages", "{}", browser.path().await?);
    ensure!(admin.get("/api/v1/packages").await?["total"] == 1);

    // the palette finds it; a viewer looks and is offered nothing else
    browser.driver.find(By::Tag("body")).await?.send_keys(Key::Control + "k").await?;
    browser.fill("Search or jump to", "harbour").await?;
    browser.sees("Package").await?;
    let viewer = Browser::open(&server.url()).await?;
    log_in(&viewer, "vera").await?;
    viewer.visit("/packages/harbour").await?;
    viewer.sees("pip install harbour==2.4").await?;
    ensure!(!viewer.offers("Delete").await?, "a viewer deletes nothing");
    viewer.visit("/packages?tab=missing").await?;
    viewer.sees("What packages of the box ask for").await?;
    ensure!(!viewer.offers("Check").await?);
    viewer.close().await?;
    browser.close().await
}
