//! How are metrics served: HTTP with one route, off unless it was asked for.
use super::questions::Question;
use super::service::Handle;
use crate::config::place::Place;
use crate::control::answers::ask;
use crate::control::socket::Bound;
use crate::report::metrics::{Scrape, text};
use anyhow::Context as _;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Those served at once; more wait in the kernel's queue.
const CLIENTS: usize = 4;

/// How long a client may take over everything.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long it may take to say what it wants.
const HEADERS: Duration = Duration::from_secs(5);

/// How long to wait when no client can be accepted.
const RESPITE: Duration = Duration::from_millis(200);

/// Where clients come from.
#[derive(Debug)]
pub enum Listener {
    /// Over the network.
    Tcp(TcpListener),
    /// On this machine.
    Unix(Bound),
}

impl Listener {
    /// Listens, in place of a socket that nobody answers any more.
    pub async fn bind(place: &Place) -> anyhow::Result<Self> {
        match place {
            Place::Tcp(address) => {
                let listener = TcpListener::bind(address).await;
                Ok(Self::Tcp(listener.with_context(|| format!("metrics at {address}"))?))
            }
            Place::Unix(path) => {
                // Whoever is in the group of the folder's choice may read.
                let listener = Bound::bind(path, 0o660);
                Ok(Self::Unix(listener.with_context(|| format!("metrics at {place}"))?))
            }
        }
    }
}

/// Who serves metrics now, and where.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// What the command line says, which is more than what a configuration does.
    told: Option<Place>,
    now: Arc<Mutex<Option<(Place, AbortHandle)>>>,
}

/// What is to become of it.
#[derive(Debug)]
pub enum Change {
    /// Served as before.
    None,
    /// Served nowhere.
    Stop,
    /// Served here, and no longer there.
    Move(Place, Listener),
}

impl Serving {
    /// Served nowhere yet.
    pub fn new(told: Option<Place>) -> Self {
        Self { told, now: Arc::default() }
    }

    /// Listens where the command line, or else a configuration, wants metrics to be served; what is
    /// served meanwhile goes on.
    pub async fn prepare(&self, configured: Option<&Place>) -> anyhow::Result<Change> {
        let now = self.now.lock().ok().and_then(|now| now.as_ref().map(|now| now.0.clone()));
        match self.told.as_ref().or(configured) {
            wanted if wanted == now.as_ref() => Ok(Change::None),
            None => Ok(Change::Stop),
            Some(place) => Ok(Change::Move(place.clone(), Listener::bind(place).await?)),
        }
    }

    /// Does it. Clients that are being served get their answer.
    pub fn apply(&self, change: Change, handle: &Handle) {
        let next = match change {
            Change::None => return,
            Change::Stop => None,
            Change::Move(place, listener) => {
                let task = tokio::spawn(serve(listener, handle.clone()));
                Some((place, task.abort_handle()))
            }
        };
        if let Ok(mut now) = self.now.lock()
            && let Some((place, old)) = std::mem::replace(&mut *now, next)
        {
            old.abort();
            tracing::info!("metrics are no longer served at {place}");
        }
    }
}

/// Serves whoever comes, for ever.
async fn serve(listener: Listener, handle: Handle) {
    let places = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let handle = handle.clone();
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                tokio::spawn(async move {
                    client(stream, handle).await;
                    drop(place);
                })
            }),
            Listener::Unix(listener) => listener.accept().await.map(|stream| {
                tokio::spawn(async move {
                    client(stream, handle).await;
                    drop(place);
                })
            }),
        };
        if let Err(why) = accepted {
            tracing::warn!("metrics: {why}");
            tokio::time::sleep(RESPITE).await;
        }
    }
}

/// One request, one answer.
async fn client(stream: impl AsyncRead + AsyncWrite + Unpin, handle: Handle) {
    let service = service_fn(move |request| route(request, handle.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_headers(64)
        .max_buf_size(16 * 1024)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away, or talks nonsense, is its own affair.
    let _ended = tokio::time::timeout(PATIENCE, connection).await;
}

async fn route(
    request: Request<Incoming>,
    handle: Handle,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let plain = |status: StatusCode, text: &'static str| {
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        response
    };
    if request.uri().path() != "/metrics" {
        return Ok(plain(StatusCode::NOT_FOUND, "The metrics are at /metrics.\n"));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "GET\n");
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return Ok(response);
    }
    let Some(page) = page(&handle).await else {
        return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "The daemon is stopping.\n"));
    };
    let mut response = Response::new(Full::new(Bytes::from(page)));
    let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// The page; nothing where the loop has ended. It is written on a thread of its own.
async fn page(handle: &Handle) -> Option<String> {
    let view = ask(handle, Question::View).await?;
    let handle = handle.clone();
    let write = move || {
        // Copied, for the network task waits for this lock.
        let owned = handle.owned.lock().map(|owned| owned.clone()).unwrap_or_default();
        let reloaded = handle.reload_error.lock().is_ok_and(|error| error.is_none());
        let log_dropped = handle.log.dropped();
        let running = handle.running.lock().map(|running| running.clone()).unwrap_or_default();
        text(&Scrape { view: &view, owned: &owned, running: &running, log_dropped, reloaded })
    };
    tokio::task::spawn_blocking(write).await.ok()
}
