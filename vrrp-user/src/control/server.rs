//! How does the daemon answer its control socket.
use super::protocol::{Answer, Command, MAX_REQUEST, Request, VERSION};
use crate::daemon::advert_loop::{Message, View};
use crate::daemon::clock;
use crate::daemon::service::Handle;
use crate::report::standard::Clock;
use crate::report::{gather, model, standard};
use anyhow::{Context as _, bail};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

/// How long a client may take over its request and over reading the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Clients served at once; more wait where they have no descriptor of ours yet.
static CLIENTS: Semaphore = Semaphore::const_new(16);

/// The listening socket; its file goes with it.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket that was made.
    made: (u64, u64),
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
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            bail!("{}: another daemon answers there; give this one its own `--control`", what());
        }
        match std::fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => {
                std::fs::remove_file(path).with_context(what)?;
            }
            // Perhaps it was meant for `--config`.
            Ok(_) => bail!("{}: something that is no socket is there; name another path", what()),
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).with_context(what),
            Err(_) => {}
        }
        let listener = UnixListener::bind(path).with_context(what)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .with_context(what)?;
        let made = identity(path).with_context(what)?;
        Ok(Self { listener, path: path.to_owned(), made })
    }

    /// The next client that may ask, once there is a place for it.
    pub async fn accept(&self) -> std::io::Result<Client> {
        let place = CLIENTS.acquire().await.map_err(std::io::Error::other)?;
        loop {
            let (stream, _) = self.listener.accept().await?;
            let user = stream.peer_cred()?.uid();
            if user == 0 || user == rustix::process::geteuid().as_raw() {
                return Ok(Client { stream, _place: place });
            }
            tracing::warn!("control socket: user {user} may not ask");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Someone may have removed it, and another daemon listen there by now.
        if identity(&self.path).is_ok_and(|there| there == self.made) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|there| (there.dev(), there.ino()))
}

/// Serves one client: one request, one answer.
pub async fn serve(client: Client, handle: Handle) {
    let Client { stream: mut client, _place } = client;
    let read = async {
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_REQUEST).unwrap_or(u64::MAX);
        BufReader::new((&mut client).take(limit)).read_until(b'\n', &mut line).await.map(|_| line)
    };
    let Ok(Ok(line)) = tokio::time::timeout(PATIENCE, read).await else { return };
    let answer = match serde_json::from_slice::<Request>(&line) {
        Err(e) => Answer::Error(format!("not a request: {e}")),
        Ok(request) if request.version != VERSION => Answer::Error(format!(
            "this daemon (xvrrp {}) speaks control protocol {VERSION}, not {}",
            env!("CARGO_PKG_VERSION"),
            request.version
        )),
        Ok(Request { command: Command::Snapshot, .. }) => match snapshot(&handle).await {
            Some(snapshot) => Answer::Snapshot(Box::new(snapshot)),
            None => Answer::Error("the daemon is stopping".to_owned()),
        },
        Ok(Request { command: Command::Reload, .. }) => match handle.reload().await {
            Ok(()) => Answer::Done,
            Err(why) => Answer::Error(why),
        },
    };
    let Ok(mut text) = serde_json::to_vec(&answer) else { return };
    text.push(b'\n');
    let _ = tokio::time::timeout(PATIENCE, client.write_all(&text)).await;
}

/// Everything the daemon knows.
async fn snapshot(handle: &Handle) -> Option<model::Snapshot> {
    let (answer, view) = oneshot::channel();
    handle.mailbox.send(Message::View(answer));
    let view: View = view.await.ok()?;
    // The view is a moment old by now; a date is not told to that precision.
    let clock = Clock { now: view.now, wall: clock::wall() };
    let owned = handle.owned.lock().ok()?;
    let nothing = Default::default();
    let instances = view.routers.iter().map(|(router, counts)| {
        let port = view.ports.iter().find(|port| *port.interface == *router.instance.interface);
        let owned = owned.get(&router.id).unwrap_or(&nothing);
        gather::instance(clock, router, counts, owned, port.map(|port| port.path))
    });
    let groups = view.groups.iter().map(|group| gather::group(view.now, group));
    Some(model::Snapshot {
        groups: groups.collect(),
        format: model::FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        config: handle.config.display().to_string(),
        reload_error: handle.reload_error.lock().ok().and_then(|error| error.clone()),
        instances: instances.collect(),
        ports: view.ports.iter().map(gather::port).collect(),
        controller: model::Controller {
            events: view.events,
            wakeups: view.wakeups,
            send_errors: view.send_errors,
        },
        ietf_vrrp: standard::global(
            clock,
            view.counted_since,
            &view.routers,
            view.ports.iter().map(|port| &port.counts),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xvrrp-control-{}-{name}", std::process::id()))
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let path = path("file");
        std::fs::write(&path, "mine").unwrap();
        let why = format!("{:#}", Listener::bind(&path).unwrap_err());
        assert!(why.contains("no socket"), "{why}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_file(&path).unwrap();
    }

    #[tokio::test]
    async fn only_its_own_socket_goes_with_a_listener() {
        let path = path("socket");
        let first = Listener::bind(&path).unwrap();
        assert!(Listener::bind(&path).is_err(), "someone answers there");
        std::fs::remove_file(&path).unwrap();
        let second = Listener::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
        // One that a killed daemon left is taken over.
        drop(UnixListener::bind(&path).unwrap());
        drop(Listener::bind(&path).unwrap());
        assert!(!path.exists());
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
            room: 1,
            reload_error: Default::default(),
            turn: Default::default(),
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
