//! How does a unix socket come to be at a path, and go without taking another's along.
use anyhow::{Context as _, bail};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// A listening socket; its file goes with it.
#[derive(Debug)]
pub struct Bound {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket that was made. While it is open no other file gets them.
    made: (u64, u64),
}

impl Bound {
    /// Listens at `path`, in place of a socket that nobody answers any more.
    pub fn bind(path: &Path, mode: u32) -> anyhow::Result<Self> {
        match std::fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => {
                if !abandoned(path)? {
                    bail!("someone else answers there");
                }
                std::fs::remove_file(path)?;
            }
            Ok(_) => bail!("something that is no socket is there"),
            Err(why) if why.kind() != ErrorKind::NotFound => return Err(why.into()),
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        Ok(Self { listener, path: path.to_owned(), made: identity(path)? })
    }

    /// The next client.
    pub async fn accept(&self) -> std::io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Someone may have removed it, and another listen there by now.
        if identity(&self.path).is_ok_and(|there| there == self.made) {
            let _gone = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|there| (there.dev(), there.ino()))
}

/// Whether nobody listens at this socket any more. Whoever listens and takes no more clients is not
/// waited for; a socket that is not for clients at all belongs to someone, too.
fn abandoned(path: &Path) -> anyhow::Result<bool> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&probe, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED) => Ok(true),
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Ok(false),
        Err(why) => Err(why).context("asking who answers there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xvrrp-socket-{}-{name}", std::process::id()))
    }

    fn refused(path: &Path) -> String {
        format!("{:#}", Bound::bind(path, 0o600).unwrap_err())
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let path = path("file");
        std::fs::write(&path, "mine").unwrap();
        assert!(refused(&path).contains("no socket"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_file(&path).unwrap();
    }

    #[tokio::test]
    async fn only_its_own_socket_goes_with_a_listener() {
        let path = path("own");
        let first = Bound::bind(&path, 0o600).unwrap();
        assert!(refused(&path).contains("someone else answers"));
        std::fs::remove_file(&path).unwrap();
        let second = Bound::bind(&path, 0o640).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
        // One that a killed daemon left is taken over.
        drop(UnixListener::bind(&path).unwrap());
        drop(Bound::bind(&path, 0o600).unwrap());
        assert!(!path.exists());
    }

    /// Nobody is waited for, and the log's socket is not taken for an old one of ours.
    #[tokio::test]
    async fn sockets_of_others_are_left_alone() {
        let busy = path("busy");
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(&busy).unwrap()).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let _waits = std::os::unix::net::UnixStream::connect(&busy).unwrap();
        assert!(refused(&busy).contains("someone else answers"));
        let log = path("log");
        let _log = UnixDatagram::bind(&log).unwrap();
        assert!(refused(&log).contains("someone else answers"));
        assert!(busy.exists() && log.exists());
        std::fs::remove_file(&busy).unwrap();
        std::fs::remove_file(&log).unwrap();
    }
}
