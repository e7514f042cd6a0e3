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

use super::tls;
use crate::{
    background::Task,
    error::{Error, Result},
    router::{self, Face, Faces},
    web::{guard, room},
};

/// Sends silent or slow connections away.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Handles to stop what listens.
#[derive(Clone, Default)]
pub struct Listening(Arc<Mutex<Vec<ServerHandle>>>);

impl Listening {
    fn add(&self, handle: ServerHandle) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }

    /// Takes no new connections and waits until open requests are answered.
    pub async fn drain(&self) {
        let handles: Vec<_> = self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        futures_util::future::join_all(handles.iter().map(|handle| handle.stop(true))).await;
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
            .wrap(from_fn(room::guard))
            .wrap(from_fn(guard::guard))
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

/// The S3 face, on hyper since that is what `s3s` speaks.
pub fn s3(faces: &Faces, listener: TcpListener, address: SocketAddr) -> Result<()> {
    let acceptor = tls_for(faces, address)?.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
    let listener = tokio::net::TcpListener::from_std(listener).map_err(Error::internal)?;
    let face = crate::storage::S3Face::new(faces.app.clone(), faces.accounts.clone());
    let background = faces.app.background.clone();
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
            let (face, acceptor) = (face.clone(), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => s3_connection(socket, face, peer.ip()).await,
                    Some(acceptor) => {
                        if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(socket)).await {
                            s3_connection(stream, face, peer.ip()).await;
                        }
                    }
                }
            });
        }
    });
    Ok(())
}

async fn s3_connection<S>(socket: S, face: crate::storage::S3Face, peer: IpAddr)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let answer = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let face = face.clone();
        async move { face.answer(request.map(s3s::Body::from), Some(peer)).await }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    // An error here is the client's doing (it went away, or spoke nonsense) and concerns nobody else.
    if let Err(cause) = builder.serve_connection(TokioIo::new(socket), answer).await {
        tracing::debug!(error.chain = %cause, "S3 connection ended");
    }
}

/// Keeps the container-facing listener on the instance network's gateway, which exists only once Docker answers, and may
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
        let listener = bind(address, "The container-facing listener")?;
        serve(&self.faces, &self.listening, Face::Containers, listener, address)?;
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
