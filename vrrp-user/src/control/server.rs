//! How does the daemon answer its control socket.
use super::protocol::{Answer, Command, MAX_REQUEST, Request, VERSION};
use super::socket::Bound;
use super::{answers, capture};
use crate::daemon::service::Handle;
use anyhow::Context as _;
use std::cell::Cell;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a client may take over its request, which is a line.
const HURRY: Duration = Duration::from_secs(2);

/// How long it may take to read the next part of the answer, or it gets no more.
const PATIENCE: Duration = Duration::from_secs(1);

/// How much of an answer that is: less than a socket takes in.
const PART: usize = 64 << 10;

/// How long it may take over all of it.
const LIMIT: Duration = Duration::from_secs(20);

/// Clients served at once; more wait where they have no descriptor of ours yet.
static CLIENTS: Semaphore = Semaphore::const_new(16);

/// Answers about every router that may be written at once.
static LARGE: Semaphore = Semaphore::const_new(4);

/// How long to wait when no client can be accepted, for lack of descriptors or memory.
const RESPITE: Duration = Duration::from_millis(200);

/// How long nothing more is said of users who may not ask.
const SILENCE: Duration = Duration::from_secs(60);

/// The listening socket; its file goes with it.
#[derive(Debug)]
pub struct Listener {
    socket: Bound,
    /// When one who may not ask was last told of.
    refused: Cell<Option<Instant>>,
}

/// A client that may ask, and its place among those served at once.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    _place: SemaphorePermit<'static>,
}

impl Listener {
    /// Listens at `path`, in place of a socket that nobody answers any more.
    pub fn bind(path: &Path) -> anyhow::Result<Self> {
        let what = || format!("control socket {}", path.display());
        if let Some(directory) = path.parent()
            && !directory.as_os_str().is_empty()
            && !directory.exists()
        {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(directory)
                .with_context(what)?;
        }
        let socket = Bound::bind(path, 0o600)
            .with_context(|| format!("{} (`--control` names another)", what()))?;
        Ok(Self { socket, refused: Cell::default() })
    }

    /// The next client that may ask, once there is a place for it.
    pub async fn accept(&self) -> std::io::Result<Client> {
        let place = CLIENTS.acquire().await.map_err(std::io::Error::other)?;
        loop {
            let stream = match self.socket.accept().await {
                Ok(stream) => stream,
                Err(e) => {
                    tokio::time::sleep(RESPITE).await;
                    return Err(e);
                }
            };
            let user = stream.peer_cred()?.uid();
            if user == 0 || user == rustix::process::geteuid().as_raw() {
                return Ok(Client { stream, _place: place });
            }
            // Whoever may connect must not fill the log.
            if self.refused.get().is_none_or(|last| last.elapsed() > SILENCE) {
                self.refused.set(Some(Instant::now()));
                tracing::warn!("control socket: user {user} may not ask");
            }
        }
    }
}

/// Serves one client: one request, one answer.
pub async fn serve(client: Client, handle: Handle) {
    let Client { stream: mut client, _place } = client;
    let read = async {
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_REQUEST).unwrap_or(u64::MAX);
        BufReader::new((&mut client).take(limit)).read_until(b'\n', &mut line).await.map(|_| line)
    };
    let Ok(Ok(line)) = tokio::time::timeout(HURRY, read).await else { return };
    let (text, _large) = match serde_json::from_slice::<Request>(&line) {
        Err(e) => (answers::text(&Answer::Error(misunderstood(&e))), None),
        Ok(request) if request.version != VERSION => {
            (answers::text(&Answer::Error(other_version(request.version))), None)
        }
        Ok(Request { command: Command::Capture { instance, verdict }, .. }) => {
            match capture::begin(instance, verdict, &handle).await {
                Ok(begun) => return begun.serve(client, _place),
                Err(why) => (answers::text(&Answer::Error(why)), None),
            }
        }
        Ok(Request { command, .. }) => {
            // Thousands of routers are megabytes; a client that does not read them keeps them.
            let large = matches!(command, Command::Snapshot | Command::Counters);
            let place = if large { LARGE.acquire().await.ok() } else { None };
            (answers::answer(command, &handle).await, place)
        }
    };
    let write = async {
        for part in text.chunks(PART) {
            if !matches!(tokio::time::timeout(PATIENCE, client.write_all(part)).await, Ok(Ok(()))) {
                return;
            }
        }
    };
    // Whoever does not read is cut off.
    let _late = tokio::time::timeout(LIMIT, write).await;
}

fn misunderstood(why: &serde_json::Error) -> String {
    let ours = env!("CARGO_PKG_VERSION");
    format!(
        "not a request that this daemon (xvrrp {ours}, control protocol {VERSION}) knows: {why}"
    )
}

fn other_version(theirs: u32) -> String {
    let ours = env!("CARGO_PKG_VERSION");
    format!("this daemon (xvrrp {ours}) speaks control protocol {VERSION}, not {theirs}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xvrrp-control-{}-{name}", std::process::id()))
    }

    /// Whatever a client says, it learns why nothing comes of it.
    #[tokio::test]
    async fn what_is_no_request_is_answered() {
        let path = path("talk");
        let listener = Listener::bind(&path).unwrap();
        let (mailbox, _inbox) = crate::daemon::mailbox::channel().unwrap();
        let handle = Handle {
            mailbox,
            owned: Default::default(),
            config: Path::new("x.conf").into(),
            files: Default::default(),
            namespace: None,
            room: 1,
            reload_error: Default::default(),
            log: crate::daemon::logging::Control::none(),
            metrics: Default::default(),
            running: Default::default(),
            turn: Default::default(),
            freed: Default::default(),
            reload_file: Default::default(),
        };
        let requests: [&[u8]; 4] =
            [b"\n", b"\xff\xfe\n", b"{\"version\":1,\"command\":\"dance\"}\n", &[b'x'; 5000]];
        for request in requests {
            let mut client = UnixStream::connect(&path).await.unwrap();
            client.write_all(request).await.unwrap();
            tokio::spawn(serve(listener.accept().await.unwrap(), handle.clone()));
            let mut answer = vec![0; 4096];
            let length = client.read(&mut answer).await.unwrap_or(0);
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            assert!(answer.starts_with("{\"error\":\"not a request"), "{request:?}: {answer}");
        }
        drop(listener);
    }

    /// Descriptors are not the clients' to use up.
    #[tokio::test]
    async fn clients_beyond_those_served_wait_outside() {
        let path = path("crowd");
        let listener = Listener::bind(&path).unwrap();
        let crowd: Vec<_> =
            (0..20).map(|_| std::os::unix::net::UnixStream::connect(&path).unwrap()).collect();
        let mut served = Vec::new();
        let next = || tokio::time::timeout(Duration::from_millis(200), listener.accept());
        while let Ok(client) = next().await {
            served.push(client.unwrap());
        }
        assert_eq!(served.len(), 16);
        served.pop();
        assert!(next().await.is_ok());
        drop(crowd);
    }
}
