//! Which multicast groups does an interface listen to on our behalf.
//!
//! Adverts themselves arrive through the dataplane. The membership tells the interface's filter, and
//! by IGMP and MLD the switches, that they are wanted.
use foldhash::HashMap;
use socket2::{Domain, InterfaceIndexOrAddress, Socket, Type};
use std::io;
use std::net::IpAddr;

/// Groups joined, each for as long as someone needs it.
#[derive(Default)]
pub struct Membership {
    /// A socket for each: the kernel limits how many groups one socket can join
    /// (`igmp_max_memberships`).
    joined: HashMap<(u32, IpAddr), Joined>,
}

struct Joined {
    /// Leaves the group when closed.
    _socket: Socket,
    users: usize,
}

impl Membership {
    /// In no group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins `group` on an interface, or counts one more who needs it.
    ///
    /// # Errors
    /// Where the kernel refuses: no such interface, no multicast group, IPv6 disabled there.
    pub fn join(&mut self, ifindex: u32, group: IpAddr) -> io::Result<()> {
        if let Some(joined) = self.joined.get_mut(&(ifindex, group)) {
            joined.users += 1;
            return Ok(());
        }
        let domain = match group {
            IpAddr::V4(_) => Domain::IPV4,
            IpAddr::V6(_) => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::DGRAM.cloexec(), None)?;
        match group {
            IpAddr::V4(group) => {
                socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(ifindex))?;
            }
            IpAddr::V6(group) => socket.join_multicast_v6(&group, ifindex)?,
        }
        self.joined.insert((ifindex, group), Joined { _socket: socket, users: 1 });
        Ok(())
    }

    /// One less needs `group` on an interface; with the last one it is left.
    pub fn leave(&mut self, ifindex: u32, group: IpAddr) {
        if let Some(joined) = self.joined.get_mut(&(ifindex, group)) {
            joined.users -= 1;
            if joined.users == 0 {
                self.joined.remove(&(ifindex, group));
            }
        }
    }

    /// Whether `group` is joined on an interface.
    pub fn contains(&self, ifindex: u32, group: IpAddr) -> bool {
        self.joined.contains_key(&(ifindex, group))
    }
}
