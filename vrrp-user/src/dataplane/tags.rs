//! Does a device take VLAN tags out of frames before the XDP program sees them.
//!
//! Most network cards do unless told otherwise, and then an advert of VLAN 10 looks to the program
//! like one of no VLAN. On such a device the offload is turned off for as long as the program is on
//! it; where that cannot be done the program must not be there.
use super::sys;
use std::io;

/// Bit of `ETH_FLAG_RXVLAN`.
const RX_VLAN: u32 = 1 << 8;

/// Keeps tags in the frames of a device; on drop the device is as it was.
#[derive(Debug)]
pub struct InFrames {
    interface: String,
    turned_off: bool,
}

/// Makes sure of a device, if it can be done; `false` where it keeps taking tags out.
pub fn keep_in_frames(interface: &str) -> io::Result<Option<InFrames>> {
    let in_frames = |turned_off| InFrames { interface: interface.to_owned(), turned_off };
    // No driver, no offload: as with devices that are no Ethernet.
    let driver = match sys::driver(interface) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            return Ok(Some(in_frames(false)));
        }
        driver => driver?,
    };
    // A veth takes nothing out. What it says of receiving has no effect: a tag that its peer's
    // stack has not put into the frame yet travels beside it, whatever is set here.
    if driver == "veth" || !strips(interface)? {
        return Ok(Some(in_frames(false)));
    }
    set(interface, false)?;
    if strips(interface)? {
        return Ok(None);
    }
    tracing::info!(interface, "turned rx-vlan-offload off while the XDP program is there");
    Ok(Some(in_frames(true)))
}

/// Whether the device takes tags out of frames.
pub fn strips(interface: &str) -> io::Result<bool> {
    Ok(sys::ethtool_flags(interface)? & RX_VLAN != 0)
}

/// Has it do so, or not.
pub fn set(interface: &str, strip: bool) -> io::Result<()> {
    let flags = sys::ethtool_flags(interface)?;
    sys::set_ethtool_flags(interface, if strip { flags | RX_VLAN } else { flags & !RX_VLAN })
}

impl Drop for InFrames {
    fn drop(&mut self) {
        if !self.turned_off {
            return;
        }
        match set(&self.interface, true) {
            Ok(()) => tracing::info!(interface = self.interface, "rx-vlan-offload is on again"),
            // As when the interface is gone.
            Err(why) => tracing::debug!(interface = self.interface, %why, "rx-vlan-offload"),
        }
    }
}
