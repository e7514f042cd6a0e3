//! The pages of the registry, in a real Chromium: from the empty state over tags, rules and layers to a deleted repository.

use anyhow::{Result, ensure};
use drydock_tests::{Api, Browser, Server, server::PASSWORD};
use reqwest::Method;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::browser::log_in;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn named(bytes: &[u8]) -> String {
    let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

async fn push(registry: &Api, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Result<()> {
    let answer = registry.request(method, path).header("content-type", kind).body(body).send().await?;
    ensure!(answer.status() == 201, "{path}: {} {}", answer.status(), answer.text().await?);
    Ok(())
}

/// An image of this platform with these layers; its descriptor.
async fn image(
    registry: &Api,
    repository: &str,
    reference: Option<&str>,
    platform: &str,
    layers: &[Vec<u8>],
) -> Result<Value> {
    let history: Vec<Value> = (0..layers.len()).map(|n| json!({"created_by": format!("RUN make step-{n}")})).collect();
    let config = json!({"os": "linux", "architecture": platform, "created": "2026-11-20T10:00:00Z", "history": history,
        "config": {"Env": ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"], "Cmd": ["python3", "train.py"], "WorkingDir": "/scratch",
            "User": "1000", "Labels": {"org.opencontainers.image.title": "trainer"}}});
    let config = config.to_string().into_bytes();
    let mut described = vec![];
    for part in std::iter::once(&config).chain(layers) {
        let path = format!("/v2/{repository}/blobs/uploads/?digest={}", named(part));
        push(registry, Method::POST, &path, "application/octet-stream", part.clone()).await?;
        let kind = if described.is_empty() {
            "application/vnd.oci.image.config.v1+json"
        } else {
            "application/vnd.oci.image.layer.v1.tar+gzip"
        };
        described.push(json!({"mediaType": kind, "digest": named(part), "size": part.len()}));
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1..]});
    let bytes = manifest.to_string().into_bytes();
    let (name, size) = (named(&bytes), bytes.len());
    push(registry, Method::PUT, &format!("/v2/{repository}/manifests/{}", reference.unwrap_or(&name)), MANIFEST, bytes)
        .await?;
    Ok(
        json!({"mediaType": MANIFEST, "digest": name, "size": size, "platform": {"os": "linux", "architecture": platform}}),
    )
}

async fn fill(registry: &Api) -> Result<()> {
    let base: Vec<u8> = vec![1; 3_000_000];
    for (number, tag) in ["v1.0", "dev-1", "dev-2", "latest"].into_iter().enumerate() {
        let own = vec![number as u8 + 2; 400_000 * (number + 1)];
        image(registry, "team/trainer", Some(tag), "amd64", &[base.clone(), own]).await?;
    }
    image(registry, "team/base", Some("12"), "amd64", std::slice::from_ref(&base)).await?;
    let mut parts = vec![];
    for platform in ["amd64", "arm64"] {
        parts.push(image(registry, "tools/multi", None, platform, &[platform.repeat(9999).into_bytes()]).await?);
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": parts}).to_string().into_bytes();
    push(registry, Method::PUT, "/v2/tools/multi/manifests/1", INDEX, index).await
}

#[tokio::test]
async fn images_are_looked_at_kept_by_rules_and_deleted() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "erin", "engineer").await?;
    server.person(&admin, "vera", "viewer").await?;
    let registry = Api::anonymous(&server.registry_url())?.with_password("erin", PASSWORD);
    let browser = Browser::open(&server.url()).await?;
    log_in(&browser, "erin").await?;

    browser.visit("/images").await?;
    browser.sees("No images yet").await?;
    browser.sees("docker push localhost:").await?;
    browser.shoot("images-empty-light-1280").await?;
    fill(&registry).await?;
    browser.sees("team/trainer").await?; // by itself, no reload
    browser.click("team/trainer").await?;
    browser.sees("dev-2").await?;
    browser.sees("linux/amd64").await?;

    // rules, with a preview of the very plan
    browser.click("Retention").await?;
    browser.fill("Keep the latest tags", "1").await?;
    browser.fill("Always keep tags like", "v*").await?;
    browser.click("Preview").await?;
    browser.sees("What these rules would remove now").await?;
    browser.sees("dev-1").await?;
    browser.shoot("images-rules-light-1280").await?;
    browser.click("Save rules").await?;
    browser.sees("Rules saved").await?;
    browser.click("Tags").await?;
    drydock_tests::until("the rules are carried out", std::time::Duration::from_secs(60), || async {
        Ok((!browser.text().await?.contains("dev-1")).then_some(()))
    })
    .await?;
    browser.sees("v1.0").await?;

    // a manifest: its layers with the steps that made them and who shares them, its configuration
    browser.click("latest").await?;
    browser.sees("RUN make step-1").await?;
    browser.sees("team/base").await?;
    browser.click("Configuration").await?;
    browser.sees("python3 train.py").await?;
    browser.click("Manifest").await?;
    browser.sees("schemaVersion").await?;

    let mut barriers = vec![];
    let manifest =
        format!("{}?{}", browser.path().await?, browser.driver.current_url().await?.query().unwrap_or_default());
    let layers = manifest.replace("&tab=raw", "").replace("tab=raw&", "");
    let pages = [
        ("images", "/images".to_owned()),
        ("repository", "/images/repository?name=team%2Ftrainer".to_owned()),
        ("retention", "/images/repository?name=team%2Ftrainer&tab=rules".to_owned()),
        ("manifest", layers.clone()),
        ("config", format!("{layers}&tab=config")),
    ];
    for (name, path) in &pages {
        browser.visit(path).await?;
        for width in [1280, 390] {
            for theme in ["light", "dark"] {
                browser.look(width, theme).await?;
                browser.sees(if *name == "images" { "tools/multi" } else { "team/trainer" }).await?;
                browser.shoot(&format!("images-{name}-{theme}-{width}")).await?;
                barriers.extend(
                    browser.barriers().await?.into_iter().map(|text| format!("{path} {theme} {width}: {text}")),
                );
                let wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
                if browser.driver.execute(wide, vec![]).await?.convert::<bool>()? {
                    barriers.push(format!("{path} {theme} {width}: the page scrolls sideways"));
                }
            }
        }
    }
    assert!(barriers.is_empty(), "{}", barriers.join("\n"));
    browser.look(1280, "light").await?;

    // an index, and from it one of its parts: another manifest on the same page
    let index = admin.get("/api/v1/repository?name=tools/multi").await?;
    let digest = index["tags"][0]["manifest"]["digest"].as_str().unwrap_or_default().to_owned();
    browser.visit(&format!("/images/manifest?name=tools%2Fmulti&digest={digest}")).await?;
    browser.sees("Parts").await?;
    browser.sees("linux/arm64").await?;
    browser.press("//table//tbody/tr[1]//a[contains(@href, 'digest=')]", "the first part").await?;
    browser.sees("RUN make step-0").await?;
    browser.click("Configuration").await?;
    browser.sees("python3 train.py").await?;

    // deleting asks for the name
    browser.visit("/images/repository?name=team%2Ftrainer").await?;
    browser.click("Delete").await?;
    browser.sees("Delete this repository?").await?;
    browser.fill("to confirm", "team/trainer").await?;
    browser.click("Delete the repository").await?;
    browser.sees("Repository deleted").await?;
    assert_eq!(browser.path().await?, "/images");

    // a viewer looks and is offered nothing else
    let viewer = Browser::open(&server.url()).await?;
    log_in(&viewer, "vera").await?;
    viewer.visit("/images/repository?name=tools%2Fmulti").await?;
    viewer.sees("linux/amd64, linux/arm64").await?;
    assert!(!viewer.offers("Delete").await? && !viewer.offers("Remove this tag").await?);
    viewer.close().await?;
    browser.close().await
}
