//! The S3 face through unmodified clients, and what it must refuse.

use std::time::Duration;

use anyhow::{Context, Result};
use drydock_tests::{
    Server,
    clients::{self, S3Key},
    until,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server, and a key of an engineer on it: no client here needs more.
async fn engineer() -> Result<(Server, S3Key)> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "erin", "engineer").await?;
    let key = S3Key::of(&server, "erin").await?;
    Ok((server, key))
}

#[tokio::test]
async fn boto3_finds_everything_as_s3_has_it() -> Result<()> {
    let (_server, key) = engineer().await?;
    let said = clients::s3(&key, "s3", "s3_boto3.py", &[]).await?;
    assert!(said.matches("ok ").count() >= 23, "{said}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_signature_is_refused_in_every_mode_and_leaves_nothing() -> Result<()> {
    let (_server, key) = engineer().await?;
    let said = clients::s3(&key, "s3", "s3_signatures.py", &[]).await?;
    assert!(said.contains("wrong ones left nothing"), "{said}");
    Ok(())
}

#[tokio::test]
async fn minios_client_lives_its_whole_life() -> Result<()> {
    let (_server, key) = engineer().await?;
    assert!(clients::s3(&key, "s3", "s3_minio.py", &[]).await?.contains("its whole life"));
    Ok(())
}

#[tokio::test]
async fn aws_cli_and_rclone_live_their_whole_lives() -> Result<()> {
    let (_server, key) = engineer().await?;
    let said = clients::s3(&key, "s3", "s3_programs.sh", &[]).await?;
    assert!(said.contains("aws-cli: its whole life") && said.contains("rclone: its whole life"), "{said}");
    Ok(())
}

#[tokio::test]
async fn pandas_and_s3fs_live_their_whole_lives() -> Result<()> {
    let (_server, key) = engineer().await?;
    assert!(clients::s3(&key, "dvc", "s3_data.py", &[]).await?.contains("their whole life"));
    Ok(())
}

#[tokio::test]
async fn dvc_pushes_pulls_fetches_compares_and_collects() -> Result<()> {
    let (_server, key) = engineer().await?;
    assert!(clients::s3(&key, "dvc", "s3_dvc.sh", &[]).await?.contains("dvc: push, pull, fetch, status -c, gc"));
    Ok(())
}

#[tokio::test]
async fn each_person_may_what_their_role_and_key_allow() -> Result<()> {
    let server = Server::start().await?;
    let admin = server.admin().await?;
    server.person(&admin, "erin", "engineer").await?;
    server.person(&admin, "otto", "engineer").await?;
    let viewer = server.person(&admin, "vera", "viewer").await?;
    let (erin, otto, vera) =
        (S3Key::of(&server, "erin").await?, S3Key::of(&server, "otto").await?, S3Key::of(&server, "vera").await?);
    let people = [("OTTO", &otto.access_key, &otto.secret_key), ("VERA", &vera.access_key, &vera.secret_key)];
    let others: Vec<String> = people.iter().map(|(name, access, secret)| format!("{name}={access}:{secret}")).collect();
    let args: Vec<&str> = others.iter().map(String::as_str).collect();
    let said = clients::s3(&erin, "s3", "s3_people.py", &args).await?;
    assert!(said.contains("each what they may"), "{said}");
    // a person who is disabled is out at once, with keys that were good a moment ago
    admin.patch("/api/v1/people/erin", serde_json::json!({ "disabled": true })).await?;
    let refused = clients::s3(&erin, "s3", "s3_boto3.py", &["buckets_live_and_die"]).await.unwrap_err().to_string();
    assert!(refused.contains("InvalidAccessKeyId"), "{refused}");
    drop(viewer);
    Ok(())
}

/// One raw connection, to say what no client says.
async fn raw(server: &Server, request: &[u8]) -> Result<(tokio::net::TcpStream, Vec<u8>)> {
    let address = server.s3_url().trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut answer = vec![0; 65536];
    let read = tokio::time::timeout(Duration::from_secs(40), stream.read(&mut answer)).await;
    let count = read.context("no answer within 40 s")??;
    answer.truncate(count);
    Ok((stream, answer))
}

#[tokio::test]
async fn a_silent_sender_is_given_up_and_a_connection_cut_short_leaves_nothing() -> Result<()> {
    let (server, key) = engineer().await?;
    let said = clients::s3(&key, "s3", "s3_broken.py", &[]).await?;
    assert!(said.contains("nothing left of broken uploads"), "{said}");
    // half a head: sent away in time
    let (_stream, answer) = raw(&server, b"PUT /some-bucket/k HTTP/1.1\r\nhost: x\r\n").await?;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    // no half-written file stays behind
    let incoming = server.data_dir().join("blobs/incoming");
    let is_empty = || async { Ok(std::fs::read_dir(&incoming)?.next().is_none().then_some(())) };
    until("the half-written files to go", Duration::from_secs(60), is_empty).await?;
    Ok(())
}

#[tokio::test]
async fn a_refusal_reaches_who_sends_all_first_and_ends_the_connection_of_who_waits() -> Result<()> {
    let (server, _key) = engineer().await?;
    let address = server.s3_url().trim_start_matches("http://").to_owned();
    let size = 9 << 20;
    let head = |more: &str, length: usize| {
        format!("PUT /nobodys/key HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n{more}\r\n").into_bytes()
    };
    for round in 0..20 {
        // all of it is sent before the answer is looked at, and the connection is as good as before
        let mut stream = tokio::net::TcpStream::connect(&address).await?;
        stream.write_all(&head("", size)).await?;
        stream.write_all(&vec![7; size]).await.with_context(|| format!("round {round}"))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.with_context(|| format!("round {round}"))?;
        assert!(answers.starts_with("HTTP/1.1 403"), "{answers}");
        assert!(answers.contains("HTTP/1.1 200"), "what comes after a refused body: {answers}");
    }
    for _ in 0..20 {
        // The body is not sent after a refusal, so that what comes next is none of it.
        let (mut stream, answer) = raw(&server, &head("expect: 100-continue\r\n", 1)).await?;
        let mut answer = String::from_utf8_lossy(&answer).to_lowercase();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.starts_with("http/1.1 403") && answer.contains("connection: close"), "{answer}");
        assert!(answer.matches("http/1.1 ").count() == 1, "a connection that was to end goes on: {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_killed_keeps_what_it_acknowledged_and_shows_nothing_half() -> Result<()> {
    let (mut server, key) = engineer().await?;
    let ledger = tempfile::NamedTempFile::new()?;
    let path = ledger.path().to_string_lossy().into_owned();
    for round in 0..3 {
        let write = ["write", path.as_str()];
        let writing = clients::s3(&key, "s3", "s3_ledger.py", &write);
        let killing = async {
            tokio::time::sleep(Duration::from_millis(2500 + round * 700)).await;
            server.restart().await
        };
        let (said, killed) = tokio::join!(writing, killing);
        killed?;
        said?;
        let said = clients::s3(&key, "s3", "s3_ledger.py", &["check", path.as_str()]).await?;
        assert!(said.contains("all there"), "{said}");
    }
    Ok(())
}
