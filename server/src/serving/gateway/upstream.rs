//! Connections to model servers, kept open between requests.
//!
//! Every worker thread has its own, by replica, so a request and its connection stay on one core. A failure says whether
//! anything was sent. Never here: deciding to send again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use futures_util::Stream;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::Sending;
use super::pool::Replica;

const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Shorter than the scorer keeps an idle connection (75 s), so that it is never the one to close first.
const IDLE: Duration = Duration::from_secs(50);

/// Why there is no answer.
#[derive(Debug)]
pub enum Failed {
    /// Nobody listened, so nothing was sent.
    Connect(std::io::Error),
    /// The connection broke after something may have been sent; `was_idle` where it had been open before, so that the
    /// model server may just have closed it.
    Broken { cause: hyper::Error, was_idle: bool },
}

/// A model server's answer, up to its body.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub parts: Parts,
}

/// The body. Read to its end, it gives the connection back.
pub struct Parts {
    body: Incoming,
    connection: Option<Connection>,
}

struct Connection {
    sender: SendRequest<Sending>,
    key: u64,
    since: Instant,
}

thread_local! {
    /// Open connections without a request, by the replica's key.
    static OPEN: RefCell<HashMap<u64, Vec<Connection>>> = RefCell::default();
}

/// Sends it, by a connection that is open or a new one.
pub async fn send(replica: &Replica, mut request: Request<Sending>) -> Result<Answer, Failed> {
    loop {
        let (mut connection, was_idle) = match open_connection(replica.key).await {
            Some(connection) => (connection, true),
            None => (connect(replica).await.map_err(Failed::Connect)?, false),
        };
        let mut failed = match connection.sender.try_send_request(request).await {
            Ok(answer) => return Ok(Answer::of(answer, connection)),
            Err(failed) => failed,
        };
        match failed.take_message() {
            // it was closed before anything was sent
            Some(unsent) if was_idle => request = unsent,
            _ => {
                // its other idle connections are no better
                OPEN.with_borrow_mut(|open| open.remove(&replica.key));
                return Err(Failed::Broken { cause: failed.into_error(), was_idle });
            }
        }
    }
}

async fn open_connection(key: u64) -> Option<Connection> {
    loop {
        let mut connection = OPEN.with_borrow_mut(|open| open.get_mut(&key)?.pop())?;
        if connection.since.elapsed() < IDLE && connection.sender.ready().await.is_ok() {
            return Some(connection);
        }
    }
}

async fn connect(replica: &Replica) -> std::io::Result<Connection> {
    forget_idle();
    let connecting = tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect(replica.address));
    let socket = connecting.await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
    socket.set_nodelay(true)?;
    let (sender, driver) = http1::handshake(TokioIo::new(socket)).await.map_err(std::io::Error::other)?;
    // how it ends is told to whoever waits for an answer
    actix_web::rt::spawn(async { drop(driver.await) });
    Ok(Connection { sender, key: replica.key, since: Instant::now() })
}

/// Closes what nobody used for long, connections of ended replicas among them.
fn forget_idle() {
    OPEN.with_borrow_mut(|open| {
        open.retain(|_, connections| {
            connections.retain(|it| it.since.elapsed() < IDLE && !it.sender.is_closed());
            !connections.is_empty()
        });
    });
}

impl Connection {
    fn give_back(mut self) {
        if self.sender.is_closed() {
            return;
        }
        if self.sender.is_ready() {
            return self.keep();
        }
        // the rest of the request is still on its way
        actix_web::rt::spawn(async move {
            if self.sender.ready().await.is_ok() {
                self.keep();
            }
        });
    }

    fn keep(mut self) {
        self.since = Instant::now();
        OPEN.with_borrow_mut(|open| open.entry(self.key).or_default().push(self));
    }
}

impl Answer {
    fn of(answer: hyper::Response<Incoming>, connection: Connection) -> Self {
        let (head, body) = answer.into_parts();
        let mut parts = Parts { body, connection: Some(connection) };
        if parts.body.is_end_stream() {
            parts.give_back();
        }
        Self { status: head.status, headers: head.headers, parts }
    }
}

impl Parts {
    /// Bytes that come, where the model server said it.
    pub fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    fn give_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.give_back();
        }
    }
}

impl Stream for Parts {
    type Item = Result<Bytes, hyper::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            return match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => {
                    self.give_back();
                    Poll::Ready(None)
                }
                Poll::Ready(Some(Err(cause))) => {
                    self.connection = None;
                    Poll::Ready(Some(Err(cause)))
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(data))),
                    // trailers belong to the hop
                    Err(_) => continue,
                },
            };
        }
    }
}
