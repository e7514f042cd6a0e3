//! The gateway between real sockets: a caller, the gateway's server, model servers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicBool, AtomicUsize};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use drydock_wire::accounts::Role;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::accounts::Principal;
use crate::clock;

mod http2;
mod places;
mod protocols;
mod trials;
mod v2;

/// `x-user` says who asks; without it the console does.
fn who(request: &HttpRequest) -> Principal {
    let name = request.headers().get("x-user").map(|name| name.to_str().unwrap().to_owned());
    match name {
        None => Principal::console(),
        Some(username) => Principal { username, role: Role::Viewer, ..Principal::console() },
    }
}

/// The gateway's route.
async fn serve(
    gateway: web::Data<Gateway>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    payload: web::Payload,
) -> HttpResponse {
    forward(&gateway, &path.0, &who(&request), &request, payload).await
}

/// A gateway on a socket, with its address.
fn front(limits: Limits) -> (Gateway, String) {
    let gateway = Gateway::new(limits);
    let data = web::Data::new(gateway.clone());
    let app = move || App::new().app_data(data.clone()).route("/serve/{deployment}/{tail:.*}", web::route().to(serve));
    let server =
        HttpServer::new(app).workers(2).h1_allow_half_closed(false).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    (gateway, url)
}

/// A model server that echoes bodies, says what headers it got, and takes its time.
fn model(name: &'static str, pause: Duration) -> (SocketAddr, ServerHandle) {
    async fn echo(mut payload: web::Payload) -> HttpResponse {
        let (sender, receiver) = mpsc::channel::<std::result::Result<web::Bytes, std::io::Error>>(1);
        actix_web::rt::spawn(async move {
            while let Some(part) = payload.next().await {
                if sender.send(part.map_err(std::io::Error::other)).await.is_err() {
                    return;
                }
            }
        });
        HttpResponse::Ok().insert_header(("set-cookie", "a=b")).streaming(ReceiverStream::new(receiver))
    }
    async fn headers(request: HttpRequest) -> HttpResponse {
        let names: Vec<String> = request.headers().keys().map(|name| name.to_string()).collect();
        HttpResponse::Ok().body(format!("{} {}", request.uri(), names.join(",")))
    }
    let app = move || {
        let slow = move || async move {
            tokio::time::sleep(pause).await;
            HttpResponse::Ok().body(name)
        };
        App::new()
            .route("/echo", web::post().to(echo))
            .route("/invocations", web::post().to(slow))
            .default_service(web::route().to(headers))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    (address, handle)
}

/// A model server that reads a request's head, sends these parts with pauses between them, and hangs up.
async fn rude_model(parts: Vec<&'static str>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            for part in &parts {
                let _ = socket.write_all(part.as_bytes()).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    address
}

fn point(gateway: &Gateway, revision: &str, address: SocketAddr) {
    point_to(gateway, revision, address, PathBuf::from("/nonexistent"));
}

fn point_to(gateway: &Gateway, revision: &str, address: SocketAddr, folder: PathBuf) {
    let replica = Some(answering(revision, address, folder));
    let target = Target {
        deployment_id: "d".into(),
        deployment: "wine".into(),
        settings: Arc::default(),
        maker: "ada".into(),
        replica,
        is_coming: false,
        beside: vec![],
    };
    gateway.show(&[target], |_| Kept::default());
}

/// `r7` is revision 7.
fn answering(revision: &str, address: SocketAddr, folder: PathBuf) -> Answering {
    let number = revision.trim_start_matches('r').parse().unwrap();
    let model = Model { name: "wine-model".into(), version: 3, folder };
    let replicas = vec![Place { id: revision.to_owned(), address }];
    Answering { revision_id: revision.to_owned(), number, replicas, protocol: Protocol::Mlflow, model }
}

fn totals(gateway: &Gateway) -> (u64, u64) {
    gateway.endpoint("wine").unwrap().meter.totals(clock::now_ms())
}

#[actix_web::test]
async fn the_first_part_comes_back_before_the_last_is_sent() {
    let (gateway, url) = front(Limits::default());
    point(&gateway, "r1", model("a", Duration::ZERO).0);
    let (parts, body) = mpsc::channel::<std::result::Result<&'static str, std::io::Error>>(1);
    parts.send(Ok("first")).await.unwrap();
    let body = reqwest::Body::wrap_stream(ReceiverStream::new(body));
    let request = reqwest::Client::new().post(format!("{url}/serve/wine/echo")).body(body);
    let patience = Duration::from_secs(5);
    let mut answer = tokio::time::timeout(patience, request.send()).await.expect("the head waits").unwrap();
    let first = tokio::time::timeout(patience, answer.chunk()).await.expect("the part waits").unwrap().unwrap();
    assert_eq!(first, "first");
    assert_eq!(gateway.in_flight("r1"), 1);
    parts.send(Ok("last")).await.unwrap();
    drop(parts);
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "last");
    assert_eq!(answer.chunk().await.unwrap(), None);
    assert!(answer.headers().get("set-cookie").is_none());
}

#[actix_web::test]
async fn a_large_body_passes_whole_in_both_directions() {
    let (gateway, url) = front(Limits::default());
    point(&gateway, "r1", model("a", Duration::ZERO).0);
    let body: Vec<u8> = (0..10_000_000_u32).map(|n| (n % 251) as u8).collect();
    let request = reqwest::Client::new().post(format!("{url}/serve/wine/echo")).body(body.clone());
    assert!(request.send().await.unwrap().bytes().await.unwrap() == body);
}

#[actix_web::test]
async fn switching_under_load_fails_no_request() {
    let (gateway, url) = front(Limits::default());
    let (mut address, mut handle) = model("r0", Duration::from_millis(3));
    point(&gateway, "r0", address);
    let done = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let client = reqwest::Client::new();
    let callers: Vec<_> = (0..24)
        .map(|_| {
            let (client, done, answered) = (client.clone(), done.clone(), answered.clone());
            let url = format!("{url}/serve/wine/invocations");
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let answer = client.post(&url).body("{}").send().await.expect("an answer");
                    assert_eq!(answer.status(), 200);
                    answer.bytes().await.expect("its body");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for revision in 1..=6 {
        tokio::time::sleep(Duration::from_millis(120)).await;
        let (old, old_handle) = (format!("r{}", revision - 1), handle);
        (address, handle) = model("next", Duration::from_millis(3));
        point(&gateway, &format!("r{revision}"), address);
        while gateway.in_flight(&old) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // not gracefully: a replica without requests can be killed
        old_handle.stop(false).await;
        gateway.forget(&old);
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("a caller saw a failure");
    }
    let answered = answered.load(Ordering::Relaxed) as u64;
    assert!(answered > 100, "{answered}");
    assert_eq!(totals(&gateway), (answered, 0));
}

#[actix_web::test]
async fn a_model_that_hangs_up_is_a_502_and_a_cut_answer_is_never_whole() {
    let (gateway, url) = front(Limits::default());
    let client = reqwest::Client::new();
    let ask = || client.post(format!("{url}/serve/wine/invocations")).body("{}").send();
    point(&gateway, "r1", rude_model(vec![]).await);
    assert_eq!(ask().await.unwrap().status(), 502);
    let half = rude_model(vec!["HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"]).await;
    point(&gateway, "r2", half);
    let answer = ask().await.unwrap();
    assert!(answer.status() == 502 || answer.bytes().await.is_err());
    let later =
        rude_model(vec!["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", "4\r\nmore\r\n"]).await;
    point(&gateway, "r3", later);
    let answer = ask().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(totals(&gateway), (3, 3));
    assert_eq!(gateway.in_flight("r3"), 0);
}

#[actix_web::test]
async fn nobody_there_is_said_in_words_and_codes() {
    let (gateway, url) = front(Limits::default());
    let client = reqwest::Client::new();
    let ask = || client.post(format!("{url}/serve/wine/invocations")).body("{}").send();
    assert_eq!(ask().await.unwrap().status(), 404);
    let target = Target {
        deployment_id: "d".into(),
        deployment: "wine".into(),
        settings: Arc::default(),
        maker: "ada".into(),
        replica: None,
        is_coming: false,
        beside: vec![],
    };
    gateway.show(&[target], |_| Kept::default());
    let answer = ask().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("retry-after")), (503, true));
    // a port that was free a moment ago
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    point(&gateway, "r1", closed);
    assert_eq!(ask().await.unwrap().status(), 502);
    assert_eq!(totals(&gateway), (2, 2));
}

#[actix_web::test]
async fn limits_hold_for_bodies_of_known_and_unknown_length() {
    let (gateway, url) = front(Limits { body_bytes: 2_000_000, patience: Duration::from_secs(60) });
    point(&gateway, "r1", model("a", Duration::ZERO).0);
    let client = reqwest::Client::new();
    let ask = |body: reqwest::Body| client.post(format!("{url}/serve/wine/echo")).body(body).send();
    assert_eq!(ask(vec![0; 2_000_001].into()).await.unwrap().status(), 413);
    assert_eq!(ask(vec![0; 2_000_000].into()).await.unwrap().bytes().await.unwrap().len(), 2_000_000);
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0_u8; 65_536]));
    let answer = ask(reqwest::Body::wrap_stream(endless)).await;
    // the model echoes what it gets, so the answer may have begun when the limit was met: then it is cut
    let refused = match answer {
        Ok(answer) if answer.status() == 413 => true,
        Ok(answer) => answer.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
}

#[actix_web::test]
async fn a_slow_model_is_a_504_in_time() {
    let (gateway, url) = front(Limits { patience: Duration::from_millis(200), ..Limits::default() });
    point(&gateway, "r1", model("a", Duration::from_secs(30)).0);
    let began = Instant::now();
    let request = reqwest::Client::new().post(format!("{url}/serve/wine/invocations")).body("{}");
    assert_eq!(request.send().await.unwrap().status(), 504);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(gateway.in_flight("r1"), 0);
}

#[actix_web::test]
async fn paths_queries_and_heads_pass_and_credentials_do_not() {
    let (gateway, url) = front(Limits::default());
    point(&gateway, "r1", model("a", Duration::ZERO).0);
    let client = reqwest::Client::new();
    let request =
        client.get(format!("{url}/serve/wine/a%20b/c?x=%2F&y=1")).bearer_auth("secret").header("cookie", "s=1");
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(text.starts_with("/a%20b/c?x=%2F&y=1 "), "{text}");
    assert!(!text.contains("authorization") && !text.contains("cookie"), "{text}");
    let head = client.head(format!("{url}/serve/wine/ping")).send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_ne!(head.headers().get("content-length").unwrap(), "0");
}

#[actix_web::test]
async fn a_caller_that_leaves_frees_its_replica() {
    let (gateway, url) = front(Limits::default());
    point(&gateway, "r1", model("a", Duration::from_secs(30)).0);
    let request = reqwest::Client::new().post(format!("{url}/serve/wine/invocations")).body("{}");
    let left = tokio::time::timeout(Duration::from_millis(200), request.send()).await;
    assert!(left.is_err());
    for _ in 0..100 {
        if gateway.in_flight("r1") == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the lease outlived its caller");
}

#[test]
fn the_table_shows_the_rows_and_nothing_else() {
    let gateway = Gateway::default();
    let target = |id: &str, name: &str| Target {
        deployment_id: id.into(),
        deployment: name.into(),
        settings: Arc::default(),
        maker: "ada".into(),
        replica: None,
        is_coming: false,
        beside: vec![],
    };
    gateway.show(&[target("1", "a"), target("2", "b")], |_| Kept::default());
    let first = gateway.endpoint("a").unwrap();
    let names = |gateway: &Gateway| gateway.endpoints().into_iter().map(|it| it.0).collect::<Vec<_>>();
    assert_eq!(names(&gateway), ["a", "b"]);
    // made anew under the same name: another deployment with its own traffic
    gateway.show(&[target("3", "a")], |_| Kept { total_requests: 5, ..Kept::default() });
    assert_eq!(names(&gateway), ["a"]);
    assert_eq!((first.meter.totals(0), gateway.endpoint("a").unwrap().meter.totals(0)), ((0, 0), (5, 0)));
}
