//! Who joins and leaves multicast groups for the loop, and closes its sockets.
//!
//! Each of these waits for the kernel: joining and leaving for its lock of all network
//! configuration, closing a packet socket for a grace period. A thread does them in order.
use crate::config::model::Name;
use crate::net::membership::Membership;
use foldhash::{HashMap, HashMapExt as _};
use socket2::Socket;
use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use vrrp_common::ident::RouterId;

/// A group on an interface, and the names to complain with.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Index of the interface.
    pub ifindex: u32,
    /// The group.
    pub group: IpAddr,
    /// The instance.
    pub instance: Name,
    /// Name of the interface.
    pub interface: Name,
}

#[derive(Debug)]
enum Request {
    Be(RouterId, Option<Wanted>),
    Close(Socket),
}

/// The thread, as the loop knows it; on drop every group is left.
#[derive(Debug)]
pub struct Groups {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Groups {
    /// Starts it, in no group.
    pub fn start() -> io::Result<Self> {
        let (requests, asked) = mpsc::channel();
        let thread =
            std::thread::Builder::new().name("groups".to_owned()).spawn(move || serve(&asked))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// A router is to be a member of this group and of no other; a refusal goes to the log.
    pub fn be(&self, router: RouterId, wanted: Option<Wanted>) {
        self.ask(Request::Be(router, wanted));
    }

    /// Closes a socket.
    pub fn close(&self, socket: Socket) {
        self.ask(Request::Close(socket));
    }

    fn ask(&self, request: Request) {
        if let Some(requests) = &self.requests
            && requests.send(request).is_err()
        {
            tracing::error!("the thread that joins groups has ended");
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that joins groups panicked");
        }
    }
}

fn serve(requests: &Receiver<Request>) {
    let mut membership = Membership::new();
    let mut joined: HashMap<RouterId, (u32, IpAddr)> = HashMap::new();
    for request in requests {
        let (router, wanted) = match request {
            Request::Be(router, wanted) => (router, wanted),
            Request::Close(socket) => {
                drop(socket);
                continue;
            }
        };
        let left = joined.remove(&router);
        // The new membership before the old one goes: an unchanged one is never left.
        if let Some(Wanted { ifindex, group, instance, interface }) = wanted {
            match membership.join(ifindex, group) {
                Ok(()) => {
                    joined.insert(router, (ifindex, group));
                }
                Err(e) => tracing::error!("({instance}) join {group} on {interface}: {e}"),
            }
        }
        if let Some((ifindex, group)) = left {
            membership.leave(ifindex, group);
        }
    }
}
