//! What stays and what goes: the collector beside pushes, the rules, what a job refers to.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use drydock_wire::images::{ImageUse, ImageUser};

use super::*;

/// Pushes go on while everything that nobody needs is collected at once, with no grace but a few milliseconds for what was just
/// uploaded. A refused manifest means pushing again; one that was acknowledged is there, whole, at the end.
#[actix_web::test]
async fn collecting_all_the_time_never_loses_an_image() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    let over = Arc::new(AtomicBool::new(false));
    let collected = Arc::new(AtomicUsize::new(0));
    let collecting = tokio::spawn({
        let (over, collected, app) = (over.clone(), collected.clone(), bench.app.clone());
        async move {
            while !over.load(Ordering::Relaxed) {
                collected.fetch_add(tasks::collect(&app, 0).await.unwrap(), Ordering::Relaxed);
                crate::objects::sweep::sweep(&app.objects, 0).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let mut refused = 0;
    for round in 0..60_u32 {
        let config = json!({"os": "linux", "architecture": "amd64", "n": round % 20}).to_string().into_bytes();
        // half of them files
        let layer = vec![(round % 20) as u8; if round % 2 == 0 { 100_000 } else { 1000 }];
        let bytes = image(&config, &[&layer]);
        let mut tries = 0;
        loop {
            push_blob!(app, ann, "a", &config);
            if round % 3 == 0 {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            // the content may have gone between the layer's keeping and its row, which is said, and nothing is kept
            let path = format!("/v2/a/blobs/uploads/?digest={}", sha256(&layer));
            assert_eq!(ask!(app, "POST", &path, ann, &[], &layer).await.status, 201);
            let put =
                ask!(app, "PUT", &format!("/v2/a/manifests/t{round}"), ann, &[("content-type", MANIFEST)], &bytes)
                    .await;
            if put.status == 201 {
                break;
            }
            assert_eq!(put.code(), "MANIFEST_BLOB_UNKNOWN");
            refused += 1;
            tries += 1;
            assert!(tries < 2000, "never got through");
        }
        // the older half is deleted again, so that there is garbage
        if round >= 30 {
            let gone = format!("/v2/a/manifests/t{}", round - 30);
            assert_eq!(ask!(app, "DELETE", &gone, ann, &[], b"").await.status, 202);
        }
    }
    over.store(true, Ordering::Relaxed);
    collecting.await.unwrap();
    assert!(refused > 0 || collected.load(Ordering::Relaxed) > 0, "the collector never met anything");
    for round in 30..60_u32 {
        let got = ask!(app, "GET", &format!("/v2/a/manifests/t{round}"), ann, &[], b"").await;
        assert_eq!(got.status, 200, "t{round}");
        let manifest = got.json();
        for part in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
            let blob =
                ask!(app, "GET", &format!("/v2/a/blobs/{}", part["digest"].as_str().unwrap()), ann, &[], b"").await;
            assert_eq!(
                (blob.status, sha256(&blob.body)),
                (StatusCode::OK, part["digest"].as_str().unwrap().to_owned())
            );
        }
    }
}

#[actix_web::test]
async fn the_rules_remove_what_the_preview_says() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    push_blob!(app, ann, "a", b"{}");
    let mut layers = vec![];
    for round in 0..5_u8 {
        let layer = vec![round; 1000];
        push_blob!(app, ann, "a", &layer);
        let bytes = image(b"{}", &[&layer]);
        ask!(app, "PUT", &format!("/v2/a/manifests/t{round}"), ann, &[("content-type", MANIFEST)], &bytes).await;
        layers.push(bytes.len() as u64 + 1000);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let rules = Retention { keep_last: Some(2), keep_tags: vec!["t0".into()], untagged_days: None };
    let engineer = somebody("ann");
    let view = authorize(&engineer, action::View, "default").unwrap();
    let preview = preview(&bench.app, &view, "a", rules.clone()).await.unwrap();
    assert_eq!(preview.tags, ["t2", "t1"]);
    assert_eq!((preview.manifests.len(), preview.freed_bytes), (2, layers[1] + layers[2]));
    let push = authorize(&engineer, action::Push, "default").unwrap();
    set_retention(&bench.app, &push, "a", rules).await.unwrap();
    let now = clock::now_ms();
    let done = bench.app.db.write(move |conn| retention::carry_out(conn, "a", now)).await.unwrap();
    assert_eq!(done, (preview.tags, preview.manifests));
    let left = get(&bench.app, &view, "a").await.unwrap();
    assert_eq!(left.tags.iter().map(|it| it.tag.as_str()).collect::<Vec<_>>(), ["t4", "t3", "t0"]);
    assert_eq!(left.summary.manifest_count, 3);
    let bad = Retention { keep_last: Some(0), keep_tags: vec![], untagged_days: None };
    assert!(set_retention(&bench.app, &push, "a", bad).await.is_err());
}

#[actix_web::test]
async fn an_image_is_pinned_by_its_digest_or_missed_in_words() {
    let bench = bench().await;
    let (app, ann) = (&registry!(bench), bench.ann.as_str());
    push_blob!(app, ann, "team/app", b"{}");
    let bytes = image(b"{}", &[]);
    ask!(app, "PUT", "/v2/team/app/manifests/1", ann, &[("content-type", MANIFEST)], &bytes).await;
    let boxes = Boxes::of(&bench.app.config.listeners);
    let pinned = bench.app.db.read(move |conn| {
        let pinned = pin(conn, &boxes, "localhost:5000/team/app:1")?;
        assert_eq!(pin(conn, &boxes, &pinned)?, pinned);
        assert_eq!(pin(conn, &boxes, "drydock/runtime:1")?, "drydock/runtime:1");
        let missing = pin(conn, &boxes, "localhost:5000/team/app:2").unwrap_err();
        assert!(missing.message.contains("no team/app:2"), "{}", missing.message);
        Ok(pinned)
    });
    assert_eq!(pinned.await.unwrap(), format!("localhost:5000/team/app:1@{}", sha256(&bytes)));
}

#[test]
fn what_runs_keeps_its_repository() {
    let running = ImageUse { kind: ImageUser::Job, id: "j".into(), name: "train".into(), running: true };
    let error = refuse_while_running(vec![running.clone()], "The repository a").unwrap_err();
    assert!(error.message.contains("the job train"), "{}", error.message);
    assert!(refuse_while_running(vec![ImageUse { running: false, ..running }], "x").is_ok());
}
