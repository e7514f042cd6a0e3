//! The first admin, logging in, and what protects both.

use std::time::Duration;

use anyhow::Result;
use drydock_tests::{Server, server::PASSWORD, until};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn the_first_admin_needs_the_secret_of_the_console_and_there_is_one_first() -> Result<()> {
    let server = Server::start().await?;
    let anyone = server.anonymous()?;
    assert_eq!(anyone.get("/api/v1/setup").await?["needed"], true);

    let wish = |secret: &str| json!({ "secret": secret, "username": "ann", "password": PASSWORD });
    let wrong = anyone.status(Method::POST, "/api/v1/setup", Some(wish("wrong"))).await?;
    assert!([401, 403].contains(&wrong), "a wrong secret was answered {wrong}");

    let secret = server.setup_secret().await?;
    let me = anyone.post("/api/v1/setup", wish(&secret)).await?;
    assert_eq!((me["username"].as_str(), me["role"].as_str()), (Some("ann"), Some("admin")));
    assert_eq!(anyone.get("/api/v1/setup").await?["needed"], false);
    assert_eq!(anyone.status(Method::POST, "/api/v1/setup", Some(wish(&secret))).await?, 409);
    Ok(())
}

#[tokio::test]
async fn a_session_lives_from_login_to_logout() -> Result<()> {
    let server = Server::start().await?;
    server.admin().await?;
    let http = Client::new();
    let url = |path: &str| format!("{}/api/v1{path}", server.url());
    let login = http.post(url("/login")).json(&json!({ "username": "admin", "password": PASSWORD })).send().await?;
    assert_eq!(login.status(), 200);
    let cookie = login.headers()["set-cookie"].to_str()?.to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();

    let me = http.get(url("/me")).header("cookie", &cookie).send().await?;
    assert_eq!(me.json::<Value>().await?["via"], "session");
    assert_eq!(http.post(url("/logout")).header("cookie", &cookie).send().await?.status(), 204);
    assert_eq!(http.get(url("/me")).header("cookie", &cookie).send().await?.status(), 401);
    Ok(())
}

#[tokio::test]
async fn a_link_sets_a_password_once_and_an_admin_sees_who_came_in() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    admin.post("/api/v1/people", json!({ "username": "ann", "role": "engineer" })).await?;
    let anyone = server.anonymous()?;
    let login = |password: &str| Some(json!({ "username": "ann", "password": password }));
    assert_eq!(anyone.status(Method::POST, "/api/v1/login", login(PASSWORD)).await?, 401);
    let link = admin.post("/api/v1/people/ann/password-link", json!({})).await?;
    let secret = link["path"].as_str().and_then(|path| path.strip_prefix("/welcome#")).unwrap().to_owned();
    let use_it = |password: &str| Some(json!({ "secret": secret, "password": password }));
    assert_eq!(anyone.status(Method::POST, "/api/v1/password-link", use_it("short")).await?, 400);
    assert_eq!(anyone.status(Method::POST, "/api/v1/password-link", use_it(PASSWORD)).await?, 204);
    assert_eq!(anyone.status(Method::POST, "/api/v1/password-link", use_it(PASSWORD)).await?, 403, "once");
    assert_eq!(anyone.status(Method::POST, "/api/v1/login", login(PASSWORD)).await?, 200);
    let kept = server.count(&format!("SELECT count(*) FROM password_links WHERE secret_hash = '{secret}'"))?;
    assert_eq!(kept, 0, "a secret is kept hashed");
    // the failure is written beside the answer
    let both = || async {
        let seen = admin.get("/api/v1/people/ann").await?;
        let mut outcomes: Vec<&str> =
            seen["logins"].as_array().unwrap().iter().filter_map(|it| it["outcome"].as_str()).collect();
        outcomes.sort_unstable();
        Ok((outcomes == ["entered", "wrong"] && seen["sessions"].as_array().unwrap().len() == 1).then_some(()))
    };
    drydock_tests::until("both logins are there", std::time::Duration::from_secs(30), both).await?;
    admin.delete("/api/v1/people/ann/sessions").await?;
    assert_eq!(admin.get("/api/v1/people/ann").await?["sessions"], json!([]));
    // a later link takes the place of an earlier one, and a day later it is none
    admin.post("/api/v1/people/ann/password-link", json!({})).await?;
    let later = admin.post("/api/v1/people/ann/password-link", json!({})).await?;
    let later = later["path"].as_str().and_then(|path| path.strip_prefix("/welcome#")).unwrap().to_owned();
    assert_eq!(server.count("SELECT count(*) FROM password_links")?, 1);
    server.alter("UPDATE password_links SET expires_at = 1")?;
    let late = Some(json!({ "secret": later, "password": PASSWORD }));
    assert_eq!(anyone.status(Method::POST, "/api/v1/password-link", late).await?, 403, "a day later");
    Ok(())
}

#[tokio::test]
async fn guessing_is_slowed_down_and_both_mistakes_look_alike() -> Result<()> {
    let server = Server::start().await?;
    server.admin().await?;
    let anyone = server.anonymous()?;
    let guess = |name: &str| Some(json!({ "username": name, "password": "a wrong password" }));
    let (known, text) = anyone.send(Method::POST, "/api/v1/login", guess("admin")).await?;
    let (unknown, other) = anyone.send(Method::POST, "/api/v1/login", guess("nobody")).await?;
    assert_eq!((known, unknown), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
    assert_eq!(text["message"], other["message"]);
    let mut answers = vec![];
    for _ in 0..8 {
        answers.push(anyone.status(Method::POST, "/api/v1/login", guess("admin")).await?);
    }
    assert_eq!(answers.last(), Some(&429), "{answers:?}");
    Ok(())
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    let me = |name: &'static str, value: &'static str, method: Method| {
        admin.request(method, "/api/v1/me").header(name, value).send()
    };
    assert_eq!(me("host", "evil.example", Method::GET).await?.status(), 421);
    let login = admin.request(Method::POST, "/api/v1/tokens").json(&json!({ "name": "x" }));
    assert_eq!(login.header("origin", "http://evil.example").send().await?.status(), 403);
    let login = admin.request(Method::POST, "/api/v1/tokens").json(&json!({ "name": "x" }));
    assert_eq!(login.header("sec-fetch-site", "cross-site").send().await?.status(), 403);
    Ok(())
}

#[tokio::test]
async fn every_change_is_in_the_audit_trail() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "erin", "engineer").await?;
    admin.patch("/api/v1/people/erin", json!({ "role": "viewer" })).await?;
    admin.post("/api/v1/datasets", json!({ "name": "wine" })).await?;
    let trail = admin.list("/api/v1/audit?limit=50").await?;
    let subjects: Vec<String> = trail.iter().map(|entry| entry.to_string()).collect();
    for wanted in ["erin", "wine"] {
        assert!(subjects.iter().any(|text| text.contains(wanted)), "nothing about {wanted}: {subjects:?}");
    }
    assert!(!subjects.iter().any(|text| text.contains(PASSWORD)), "a password is in the audit trail");
    Ok(())
}

#[tokio::test]
async fn the_audit_trail_is_searched_exported_and_checked_without_the_box() -> Result<()> {
    let mut server = Server::start().await?;
    let admin = server.admin().await?;
    admin.post("/api/v1/people", json!({ "username": "bea", "role": "viewer", "password": PASSWORD })).await?;
    let found = admin.get("/api/v1/audit?q=BEA%20person").await?;
    assert_eq!(found["total"], 1, "{found:#}");
    assert_eq!(admin.get("/api/v1/audit?q=bea&until=1000").await?["total"], 0);

    // whatever is there when the server starts is signed then
    server.kill9().await?;
    server.launch().await?;
    until("the trail is not signed", Duration::from_secs(30), || async {
        Ok((server.count("SELECT count(*) FROM audit_checkpoints")? > 0).then_some(()))
    })
    .await?;
    assert!(server.run(&["audit", "verify"], None).await?.starts_with("whole: "));
    let (export, key) = (server.run(&["audit", "export"], None).await?, server.run(&["audit", "key"], None).await?);
    let away = tempfile::tempdir()?;
    let file = away.path().join("trail.jsonl");
    let check = |text: String| {
        std::fs::write(&file, text)?;
        let output = std::process::Command::new(drydock_tests::server::binary())
            .args(["audit", "verify", "--key", &key, "--file"])
            .arg(&file)
            .output()?;
        Ok::<_, anyhow::Error>((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    assert!(check(export.clone())?.0);
    let (is_whole, why) = check(export.replace("\"bea\"", "\"eve\"").replace("person/bea", "person/eve"))?;
    assert!(!is_whole && why.contains("was altered"), "{why}");

    // the end is cut off, with all that the database knows of it
    server.kill9().await?;
    server.alter("DELETE FROM audit WHERE id > 1; DELETE FROM audit_checkpoints")?;
    let cut = server.run(&["audit", "verify"], None).await.unwrap_err().to_string();
    assert!(cut.contains("are missing"), "{cut}");
    let doctor = server.run(&["doctor"], None).await.unwrap_err().to_string();
    assert!(doctor.contains("BAD   audit trail"), "{doctor}");
    Ok(())
}
