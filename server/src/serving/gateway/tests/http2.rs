//! Callers that come over TLS with HTTP/2.

use hyper::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;

/// A gateway on a socket with TLS, and the certificate to believe.
fn front_with_tls() -> (Gateway, SocketAddr, rustls::pki_types::CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate = made.cert.der().clone();
    let tls = rustls::ServerConfig::builder().with_no_client_auth();
    let tls = tls.with_single_cert(vec![certificate.clone()], key).unwrap();
    let gateway = Gateway::default();
    let data = web::Data::new(gateway.clone());
    let app = move || App::new().app_data(data.clone()).route("/serve/{deployment}/{tail:.*}", web::route().to(serve));
    let server = HttpServer::new(app).workers(1).disable_signals().bind_rustls_0_23(("127.0.0.1", 0), tls).unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    (gateway, address, certificate)
}

#[actix_web::test]
async fn events_come_one_by_one_over_http2() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (gateway, address, certificate) = front_with_tls();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let events = rude_model(vec![head, "9\r\ndata: 1\n\n\r\n", "9\r\ndata: 2\n\n\r\n0\r\n\r\n"]).await;
    point(&gateway, "r1", events);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
    let stream = connector.connect("localhost".try_into().unwrap(), socket).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = TokioIo::new(stream);
    let (mut sender, driver) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(driver);
    let request = hyper::Request::post("https://localhost/serve/wine/events").body("{}".to_owned()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, hyper::Version::HTTP_2));
    let mut body = answer.into_body();
    let mut events = vec![];
    while let Some(frame) = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await {
        events.extend(frame.unwrap().into_data().ok().filter(|data| !data.is_empty()));
    }
    assert_eq!(events, ["data: 1\n\n", "data: 2\n\n"]);
}
