//! The fixed interfaces of the program itself: start, addresses, health, command line, end.

use anyhow::Result;
use drydock_tests::Server;
use reqwest::Method;
use serde_json::Value;

#[tokio::test]
async fn the_ready_line_comes_when_all_listeners_answer() -> Result<()> {
    let server = Server::start().await?;
    let line = server.printed().lines().find(|line| line.starts_with("ready ")).unwrap().to_owned();
    for (name, url) in [("http", server.url()), ("s3", server.s3_url()), ("registry", server.registry_url())] {
        let address = url.trim_start_matches("http://").to_owned();
        let part = line.split(' ').find_map(|part| part.strip_prefix(&format!("{name}=")));
        assert!(part.is_some_and(|part| part.ends_with(&address)), "{line}");
        assert!(reqwest::get(&url).await.is_ok(), "{name} does not answer");
    }
    Ok(())
}

#[tokio::test]
async fn health_metrics_and_the_api_document_need_no_login() -> Result<()> {
    let server = Server::start().await?;
    let anyone = server.anonymous()?;
    assert_eq!(anyone.status(Method::GET, "/healthz", None).await?, 200);
    server.ready().await?;
    let document = anyone.get("/api/v1/openapi.json").await?;
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert!(document["paths"].as_object().unwrap().len() > 30, "{}", document["paths"]);
    let metrics = anyone.send(Method::GET, "/metrics", None).await?.1;
    assert!(metrics.as_str().unwrap().contains("drydock_"), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn the_s3_and_registry_listeners_ask_for_credentials() -> Result<()> {
    let server = Server::start().await?;
    for url in [format!("{}/some-bucket", server.s3_url()), format!("{}/v2/", server.registry_url())] {
        let status = reqwest::get(&url).await?.status();
        assert!([401, 403].contains(&status.as_u16()), "{url} answered {status} without credentials");
    }
    for url in [server.s3_url(), server.registry_url()] {
        assert_eq!(reqwest::get(format!("{url}/healthz")).await?.status(), 200, "{url}");
    }
    Ok(())
}

#[tokio::test]
async fn the_dashboard_is_inside_and_its_files_are_kept_for_ever() -> Result<()> {
    let server = Server::start().await?;
    let http = reqwest::Client::new();
    let page = http.get(server.url()).send().await?.error_for_status()?;
    assert!(page.headers()["content-security-policy"].to_str()?.contains("script-src 'self' 'wasm-unsafe-eval'"));
    let page = page.text().await?;
    let named = page.split(['"', '\'']).find(|part| part.starts_with("/assets/") && part.ends_with(".wasm"));
    let asset = named.expect("the page names no module");
    let answer = http.get(format!("{}{asset}", server.url())).header("accept-encoding", "br").send().await?;
    assert_eq!(answer.headers()["content-encoding"], "br");
    assert!(answer.headers()["cache-control"].to_str()?.contains("immutable"));
    for word in ["http://", "https://"] {
        let foreign: Vec<&str> = page.match_indices(word).map(|(at, _)| &page[at..page.len().min(at + 40)]).collect();
        assert!(foreign.iter().all(|text| text.contains("www.w3.org")), "the page asks others: {foreign:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_command_line_makes_accounts_tokens_and_keys() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let me = admin.get("/api/v1/me").await?;
    assert_eq!((me["username"].as_str(), me["role"].as_str()), (Some("admin"), Some("admin")));
    let key: Value = serde_json::from_str(&server.run(&["s3-key", "create", "--user", "admin"], None).await?)?;
    assert!(key["access_key"].is_string() && key["secret_key"].is_string());

    server
        .run(&["admin", "reset-password", "--username", "admin", "--password-stdin"], Some("another long password"))
        .await?;
    let old = server.anonymous()?.with_password("admin", drydock_tests::server::PASSWORD);
    assert_eq!(old.status(Method::GET, "/api/v1/me", None).await?, 401);
    let new = server.anonymous()?.with_password("admin", "another long password");
    assert_eq!(new.status(Method::GET, "/api/v1/me", None).await?, 200);

    let short =
        server.run(&["admin", "reset-password", "--username", "admin", "--password-stdin"], Some("short")).await;
    assert!(short.unwrap_err().to_string().contains("12 characters"));
    assert!(server.run(&["token", "create", "--user", "nobody", "--name", "x"], None).await.is_err());
    Ok(())
}

#[tokio::test]
async fn it_ends_in_order_and_starts_again_on_the_same_data() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    server.stop().await?;
    server.launch().await?;
    assert_eq!(admin.status(Method::GET, "/api/v1/me", None).await?, 200);
    Ok(())
}
