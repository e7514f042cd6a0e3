//! Several replicas, the line before them, and who is let in.

use drydock_wire::serving::{CallLimits, Rate, Scale};

use super::*;
use crate::background::Background;

/// The deployment `wine` with these replicas of revision 1 and these settings.
fn target(addresses: &[SocketAddr], settings: ServingSettings) -> Target {
    let places = addresses.iter().enumerate().map(|(n, address)| Place { id: format!("c{n}"), address: *address });
    let replicas: Vec<Place> = places.collect();
    let of = |first: &Place| answering("r1", first.address, PathBuf::from("/nonexistent"));
    let replica = replicas.first().map(of).map(|it| Answering { replicas: replicas.clone(), ..it });
    let settings = Arc::new(settings);
    Target {
        deployment_id: "d".into(),
        deployment: "wine".into(),
        settings,
        maker: "mia".into(),
        replica,
        is_coming: false,
        beside: vec![],
    }
}

fn show(gateway: &Gateway, addresses: &[SocketAddr], settings: ServingSettings) {
    gateway.show(&[target(addresses, settings)], |_| Kept::default());
}

fn limited(limits: CallLimits) -> ServingSettings {
    ServingSettings { limits, ..ServingSettings::default() }
}

/// A port that was free a moment ago.
fn closed() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn refused(gateway: &Gateway, why: Refused) -> u64 {
    gateway.endpoint("wine").unwrap().refusals().find(|(it, _)| *it == why).unwrap().1
}

async fn until(what: &str, is: impl Fn() -> bool) {
    for _ in 0..500 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within five seconds: {what}");
}

#[actix_web::test]
async fn replicas_share_the_load_and_one_that_is_gone_fails_nobody_and_rests() {
    let (gateway, url) = front(Limits::default());
    let (good, slow) = (model("good", Duration::ZERO).0, model("slow", Duration::from_millis(300)).0);
    show(&gateway, &[good, slow], ServingSettings::default());
    let client = reqwest::Client::new();
    let ask = |path: &str| client.post(format!("{url}/serve/wine/{path}")).body("{}").send();
    let waiting: Vec<_> = (0..10).map(|_| tokio::spawn(ask("invocations"))).collect();
    until("the slow one has some", || gateway.in_flight_of("c1") > 0).await;
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    // none listens at the second: a connection that fails is always tried elsewhere, also for what may not be repeated
    show(&gateway, &[good, closed()], ServingSettings::default());
    for _ in 0..30 {
        assert_eq!(ask("echo").await.unwrap().status(), 200);
    }
    assert!(gateway.is_resting("c1") && !gateway.is_resting("c0"));
    until("all are counted", || totals(&gateway) == (40, 0)).await;
}

#[actix_web::test]
async fn a_broken_prediction_is_asked_again_and_an_unknown_post_is_not() {
    let (gateway, url) = front(Limits::default());
    let good = model("good", Duration::ZERO).0;
    let client = reqwest::Client::new();
    let ask = |path: &str| client.post(format!("{url}/serve/wine/{path}")).body("{}").send();
    for (path, failures) in [("invocations", false), ("echo", true)] {
        // made anew, so that none of them rests
        gateway.show(&[], |_| Kept::default());
        gateway.forget("r1");
        show(&gateway, &[good, rude_model(vec![]).await], ServingSettings::default());
        let mut failed = 0;
        for _ in 0..4 {
            failed += usize::from(ask(path).await.unwrap().status() == 502);
        }
        assert_eq!(failed > 0, failures, "{path}");
    }
}

#[actix_web::test]
async fn a_connection_that_the_model_server_closed_meanwhile_fails_nobody() {
    let (gateway, url) = front(Limits::default());
    // answers once on each connection, without saying that it will close it
    let once = rude_model(vec!["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]).await;
    show(&gateway, &[once], ServingSettings::default());
    let client = reqwest::Client::new();
    for _ in 0..6 {
        let answer = client.post(format!("{url}/serve/wine/invocations")).body("{}").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "ok"));
    }
}

#[actix_web::test]
async fn more_than_the_replicas_take_wait_in_line_and_more_than_the_line_are_refused() {
    let (gateway, url) = front(Limits::default());
    let limits = CallLimits { concurrency: Some(1), queue: 2, ..CallLimits::default() };
    show(&gateway, &[model("a", Duration::from_millis(200)).0], limited(limits));
    let client = reqwest::Client::new();
    let ask = || client.post(format!("{url}/serve/wine/invocations")).body("{}").send();
    let first = tokio::spawn(ask());
    until("one is served", || gateway.load_of("d").in_flight == 1).await;
    let (second, leaving) = (tokio::spawn(ask()), tokio::spawn(ask()));
    until("two wait", || gateway.load_of("d").queued == 2).await;
    let answer = ask().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("retry-after")), (503, true));
    assert_eq!(refused(&gateway, Refused::QueueFull), 1);
    leaving.abort();
    until("who leaves gives up the place", || gateway.load_of("d").queued <= 1).await;
    for asked in [first, second, tokio::spawn(ask())] {
        assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    }
    let hasty = client.post(format!("{url}/serve/wine/invocations")).header("x-request-timeout", "0.05").body("{}");
    let (answer, hasty) = tokio::join!(ask(), async {
        until("one is served", || gateway.load_of("d").in_flight == 1).await;
        hasty.send().await.unwrap()
    });
    assert_eq!((answer.unwrap().status().as_u16(), hasty.status().as_u16()), (200, 503));
    until("all is over", || {
        gateway.load_of("d") == Load { last_request_at: gateway.load_of("d").last_request_at, ..Load::default() }
    })
    .await;
    assert_eq!(refused(&gateway, Refused::Waited), 1);
}

#[actix_web::test]
async fn requests_wait_while_it_wakes_and_whoever_starts_it_is_woken() {
    let (gateway, url) = front(Limits::default());
    let waker = Background::default().waker("test");
    gateway.wake_by(waker.clone());
    let asleep = ServingSettings { scale: Some(Scale { min: 0, ..Scale::default() }), ..ServingSettings::default() };
    show(&gateway, &[], asleep.clone());
    let client = reqwest::Client::new();
    let ask = || client.post(format!("{url}/serve/wine/invocations")).body("{}").send();
    let asked: Vec<_> = (0..5).map(|_| tokio::spawn(ask())).collect();
    tokio::time::timeout(Duration::from_secs(5), waker.woken()).await.expect("nobody was woken");
    until("all wait", || gateway.load_of("d").queued == 5).await;
    assert!(gateway.load_of("d").last_request_at.is_some());
    show(&gateway, &[model("a", Duration::ZERO).0], asleep);
    for asked in asked {
        assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    }
    // nor is it told off while two revisions swap, and none scales
    let swapping = Target { is_coming: true, ..target(&[], ServingSettings::default()) };
    gateway.show(&[swapping], |_| Kept::default());
    let asked = tokio::spawn(ask());
    until("it is held", || gateway.load_of("d").queued == 1).await;
    show(&gateway, &[model("b", Duration::ZERO).0], ServingSettings::default());
    assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    show(&gateway, &[], ServingSettings::default());
    assert_eq!(ask().await.unwrap().status(), 503, "none comes");
    // a deployment that goes lets go of who waits
    show(
        &gateway,
        &[],
        ServingSettings { scale: Some(Scale { min: 0, ..Scale::default() }), ..ServingSettings::default() },
    );
    let asked = tokio::spawn(ask());
    until("it waits", || gateway.load_of("d").queued == 1).await;
    gateway.show(&[], |_| Kept::default());
    assert_eq!(asked.await.unwrap().unwrap().status(), 503);
    assert_eq!(ask().await.unwrap().status(), 404);
}

#[actix_web::test]
async fn callers_and_rates_are_kept_to_and_told() {
    let (gateway, url) = front(Limits::default());
    let limits = CallLimits {
        rate: Some(Rate { per_second: 0.5, burst: 2 }),
        body_bytes: Some(1000),
        timeout_s: Some(1_000_000),
        ..CallLimits::default()
    };
    let settings = ServingSettings { callers: vec!["ann".into()], ..limited(limits) };
    show(&gateway, &[model("a", Duration::ZERO).0], settings);
    let client = reqwest::Client::new();
    let ask = |user: &str, path: &str, bytes: usize| {
        client.post(format!("{url}/serve/wine/{path}")).header("x-user", user).body(vec![0; bytes]).send()
    };
    let answer = ask("bob", "invocations", 1).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().contains("bob")), (403, true));
    assert_eq!(ask("mia", "invocations", 1).await.unwrap().status(), 200);
    assert_eq!(ask("ann", "invocations", 1001).await.unwrap().status(), 413);
    let answer = ask("ann", "invocations", 1000).await.unwrap();
    let head = |answer: &reqwest::Response, name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((answer.status().as_u16(), head(&answer, "x-ratelimit-remaining").as_str()), (200, "0"));
    let answer = ask("ann", "v2/models/wine/infer", 1).await.unwrap();
    assert_eq!((answer.status().as_u16(), head(&answer, "ratelimit-policy").as_str()), (429, "\"caller\";q=2;w=4"));
    assert!((1..=2).contains(&head(&answer, "retry-after").parse::<u32>().unwrap()));
    let text = answer.text().await.unwrap();
    assert!(text.starts_with(r#"{"error":"#), "{text}");
    for (why, count) in [(Refused::Caller, 1), (Refused::Rate, 1), (Refused::Body, 1)] {
        assert_eq!(refused(&gateway, why), count, "{why:?}");
    }
}
