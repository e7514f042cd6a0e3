//! The faces' sockets: web, S3, registry on their addresses, and the container-facing one on the instance's network.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::{App as ActixApp, HttpServer, dev::ServerHandle, middleware::from_fn};
use futures_util::{FutureExt, future::BoxFuture};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::sync::mpsc;

use super::{lingering::lingering, tls};
use crate::{
    background::{Background, Task},
    error::{Error, Result},
    router::{self, Face, Faces},
    web::door,
};

/// Sends silent or slow connections away.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Handles to stop what listens.
#[derive(Clone, Default)]
pub struct Listening {
    servers: Arc<Mutex<Vec<ServerHandle>>>,
    /// Of each S3 listener: what ends once none of its connections is open, and how long that may take.
    s3: Arc<Mutex<Vec<Draining>>>,
}

type Draining = (mpsc::Receiver<()>, Duration);

impl Listening {
    fn add(&self, handle: ServerHandle) {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }

    /// Takes no new connections and waits until open requests are answered.
    pub async fn drain(&self) {
        let handles: Vec<_> = self.servers.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        let s3: Vec<_> = self.s3.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        let servers = futures_util::future::join_all(handles.iter().map(|handle| handle.stop(true)));
        let connections = async {
            for (mut open, limit) in s3 {
                // nothing is ever sent: it ends when the last connection has let go of its sender
                let _ = tokio::time::timeout(limit, open.recv()).await;
            }
        };
        tokio::join!(servers, connections);
    }
}

/// Binds the address, and says in words when that fails.
pub fn bind(address: SocketAddr, what: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|cause| {
        let text = format!("{what} cannot listen on {address}: {cause}. Is another program using the port?");
        Error::unavailable(text).with_source(cause)
    })?;
    listener.set_nonblocking(true).map_err(Error::internal)?;
    Ok(listener)
}

/// The certificate for `address`, if it speaks TLS.
fn tls_for(faces: &Faces, address: SocketAddr) -> Result<Option<rustls::ServerConfig>> {
    let config = &faces.app.config;
    if !config.listeners.is_tls(address) {
        return Ok(None);
    }
    let mut names: BTreeSet<String> = config.listeners.hosts.iter().cloned().collect();
    names.extend(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    names.extend(drydock_appliance::devices::own_addresses().into_iter().map(|address| address.to_string()));
    if let Some(host) = drydock_appliance::devices::hostname() {
        names.insert(format!("{host}.local"));
        names.insert(host);
    }
    tls::server_config(&faces.app.data_dir.join("tls"), &names).map(Some)
}

/// Serves `face` on `listener`, with TLS where the address asks for it.
pub fn serve(
    faces: &Faces,
    listening: &Listening,
    face: Face,
    listener: TcpListener,
    address: SocketAddr,
) -> Result<()> {
    let tls = if face == Face::Containers { None } else { tls_for(faces, address)? };
    let served = faces.clone();
    let server = HttpServer::new(move || {
        ActixApp::new()
            .wrap(from_fn(door::door))
            .wrap(from_fn(crate::monitoring::http::observe))
            .configure(|config| router::mount(config, &served, face))
    })
    .workers(if face == Face::Containers { 1 } else { worker_count() })
    .client_request_timeout(HEAD_TIMEOUT)
    .tcp_nodelay(true)
    // a caller that hangs up ends its request, so that a model server is not kept busy for nobody
    .h1_allow_half_closed(false)
    .keep_alive(Duration::from_secs(75))
    .shutdown_timeout(faces.app.config.limits.drain_s)
    .disable_signals();
    let bound = match tls {
        Some(config) => server.listen_rustls_0_23(listener, config),
        None => server.listen(listener),
    };
    let running = bound.map_err(Error::internal)?.run();
    listening.add(running.handle());
    tokio::spawn(running);
    Ok(())
}

fn worker_count() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 16))
}

/// The S3 face, on hyper since that is what `s3s` speaks; with TLS where the address asks for it.
pub fn s3(faces: &Faces, listening: &Listening, listener: TcpListener, address: SocketAddr) -> Result<()> {
    serve_s3(faces, listening, listener, tls_for(faces, address)?)
}

fn serve_s3(
    faces: &Faces,
    listening: &Listening,
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
) -> Result<()> {
    let acceptor = tls.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
    let listener = tokio::net::TcpListener::from_std(listener).map_err(Error::internal)?;
    let face = crate::storage::S3Face::new(faces.app.clone(), faces.accounts.clone());
    let background = faces.app.background.clone();
    let (alive, open) = mpsc::channel::<()>(1);
    let limit = Duration::from_secs(faces.app.config.limits.drain_s);
    listening.s3.lock().unwrap_or_else(PoisonError::into_inner).push((open, limit));
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = background.stopped() => return,
            };
            let Ok((socket, peer)) = accepted else {
                // Out of file descriptors, most likely: wait for some to come back.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let _ = socket.set_nodelay(true);
            let (face, acceptor, alive, background) =
                (face.clone(), acceptor.clone(), alive.clone(), background.clone());
            tokio::spawn(async move {
                let _alive = alive;
                match acceptor {
                    None => s3_connection(socket, face, peer.ip(), false, &background).await,
                    Some(acceptor) => {
                        if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(socket)).await {
                            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                            s3_connection(stream, face, peer.ip(), is_http2, &background).await;
                        }
                    }
                }
            });
        }
    });
    Ok(())
}

/// The version is known beforehand: finding it out from the first bytes would wait for them for ever.
async fn s3_connection<S>(
    socket: S,
    face: crate::storage::S3Face,
    peer: IpAddr,
    is_http2: bool,
    background: &Background,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let answer = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let face = face.clone();
        async move {
            let (request, rest) = lingering(request);
            let mut answer = face.answer(request.map(s3s::Body::http_body), Some(peer)).await;
            // HTTP/2 has a way to say that no more is wanted
            if let Ok(answer) = &mut answer
                && !is_http2
            {
                rest.drain(answer);
            }
            answer
        }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
    let timer = hyper_util::rt::TokioTimer::new();
    builder.http2().timer(timer.clone()).keep_alive_interval(HEAD_TIMEOUT).keep_alive_timeout(HEAD_TIMEOUT);
    builder.http1().timer(timer).header_read_timeout(HEAD_TIMEOUT);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(socket), answer));
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = background.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // An error here is the client's doing (it went away, or spoke nonsense) and concerns nobody else.
    if let Err(cause) = served {
        tracing::debug!(error.chain = %cause, "S3 connection ended");
    }
}

/// Keeps the container-facing listeners on the instance network's gateway, which exists only once Docker answers, and may
/// get another address when the network is made anew.
pub struct ContainerListener {
    faces: Faces,
    listening: Listening,
    bound: Mutex<Option<IpAddr>>,
}

impl ContainerListener {
    pub fn new(faces: Faces, listening: Listening) -> Self {
        Self { faces, listening, bound: Mutex::new(None) }
    }

    async fn pass(&self) -> Result<()> {
        let app = &self.faces.app;
        let Ok(network) = app.engine.ensure_network(&app.instance).await else {
            return Ok(()); // The reconciler's state says that Docker is away.
        };
        let bound = *self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if bound == Some(network.gateway) {
            return Ok(());
        }
        let address = SocketAddr::new(network.gateway, app.config.listeners.container_port);
        let s3 = SocketAddr::new(network.gateway, app.config.listeners.container_s3_port);
        let listener = bind(address, "The container-facing listener")?;
        let s3_listener = bind(s3, "The container-facing S3 listener")?;
        serve(&self.faces, &self.listening, Face::Containers, listener, address)?;
        // Plain, as the other: the network is internal to the box.
        serve_s3(&self.faces, &self.listening, s3_listener, None)?;
        *self.bound.lock().unwrap_or_else(PoisonError::into_inner) = Some(network.gateway);
        tracing::info!(listener.address = %address, "containers reach Drydock on {address}");
        Ok(())
    }
}

impl Task for ContainerListener {
    fn name(&self) -> &'static str {
        "container-listener"
    }

    fn period(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn run(&self) -> BoxFuture<'_, Result<()>> {
        self.pass().boxed()
    }
}
