//! How does the daemon answer its control socket.
use super::protocol::{Answer, Command, MAX_REQUEST, Request, VERSION};
use crate::daemon::advert_loop::{Message, View};
use crate::daemon::clock;
use crate::daemon::service::Handle;
use crate::report::standard::Clock;
use crate::report::{gather, model, standard};
use anyhow::{Context as _, bail};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};

/// How long a client may take over its request and over reading the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Clients served at once; more wait.
static CLIENTS: Semaphore = Semaphore::const_new(16);

/// The listening socket; its file goes with it.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
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
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).with_context(what),
            _ => {}
        }
        let listener = UnixListener::bind(path).with_context(what)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .with_context(what)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// The next client that may ask.
    pub async fn accept(&self) -> std::io::Result<UnixStream> {
        loop {
            let (client, _) = self.listener.accept().await?;
            let user = client.peer_cred()?.uid();
            if user == 0 || user == rustix::process::geteuid().as_raw() {
                return Ok(client);
            }
            tracing::warn!("control socket: user {user} may not ask");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Serves one client: one request, one answer.
pub async fn serve(mut client: UnixStream, handle: Handle) {
    let Ok(_permit) = CLIENTS.acquire().await else { return };
    let read = async {
        let mut line = String::new();
        let limit = u64::try_from(MAX_REQUEST).unwrap_or(u64::MAX);
        BufReader::new((&mut client).take(limit)).read_line(&mut line).await.map(|_| line)
    };
    let Ok(Ok(line)) = tokio::time::timeout(PATIENCE, read).await else { return };
    let answer = match serde_json::from_str::<Request>(&line) {
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
    Some(model::Snapshot {
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
