//! What stands in a VRRP message, and how one is written.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |Version| Type  | Virtual Rtr ID|   Priority    |   Addr Count  |
//! |Rsvd 0 |  Max Advertise Interval (v3)  |     Checksum          |
//! |Auth Type (v2) | Adver Int (v2)|     Checksum                  |
//! |                        addresses ...                          |
//! |                authentication data (v2, 8 bytes)              |
//! ```
use super::checksum::Sum;
use crate::ident::{Family, Priority, Version, Vrid};
use crate::proto;
use crate::time::Centis;
use core::net::IpAddr;
use core::time::Duration;

/// Which bytes the checksum of a VRRPv3 advert over IPv4 covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChecksumForm {
    /// The message alone (RFC 9568 section 5.2.8).
    Plain,
    /// With the pseudo-header of RFC 5798, as keepalived does by default.
    PseudoHeader,
}

/// The fixed eight bytes, whatever they say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header(pub [u8; proto::HEADER_LEN]);

impl Header {
    /// Version nibble.
    #[inline(always)]
    pub const fn version(self) -> u8 {
        self.0[0] >> 4
    }

    /// Type nibble.
    #[inline(always)]
    pub const fn kind(self) -> u8 {
        self.0[0] & 0xf
    }

    /// Virtual Rtr ID.
    #[inline(always)]
    pub const fn vrid(self) -> u8 {
        self.0[1]
    }

    /// Priority.
    #[inline(always)]
    pub const fn priority(self) -> Priority {
        Priority(self.0[2])
    }

    /// IPvX Addr Count.
    #[inline(always)]
    pub const fn count(self) -> u8 {
        self.0[3]
    }

    /// VRRPv3: Max Advertise Interval in centiseconds without the reserved nibble (which is ignored).
    #[inline(always)]
    pub const fn interval_v3(self) -> u16 {
        u16::from_be_bytes([self.0[4] & 0x0f, self.0[5]])
    }

    /// VRRPv2: Auth Type.
    #[inline(always)]
    pub const fn auth_type(self) -> u8 {
        self.0[4]
    }

    /// VRRPv2: Adver Int in seconds.
    #[inline(always)]
    pub const fn interval_v2(self) -> u8 {
        self.0[5]
    }

    /// The advertised interval, whichever version.
    pub const fn interval(self) -> Duration {
        if self.version() == 2 {
            Duration::from_secs(self.interval_v2() as u64)
        } else {
            Duration::from_millis(self.interval_v3() as u64 * 10)
        }
    }
}

/// The interval and what shares its place in the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timing {
    /// VRRPv2 without authentication or with a password, zero-padded to eight bytes.
    V2 {
        /// Adver Int in seconds.
        seconds: u8,
        /// The password, if any.
        password: Option<[u8; proto::AUTH_DATA_LEN]>,
    },
    /// VRRPv3.
    V3 {
        /// Max Advertise Interval.
        interval: Centis,
        /// Over IPv4 only; IPv6 always has a pseudo-header.
        checksum: ChecksumForm,
    },
}

/// An advert to write.
#[derive(Clone, Copy, Debug)]
pub struct Advert<'a> {
    /// The virtual router.
    pub vrid: Vrid,
    /// Priority to announce; [`Priority::RELEASE`] to step down.
    pub priority: Priority,
    /// Version, interval and authentication.
    pub timing: Timing,
    /// At most 255, of the same family as source and destination.
    pub addresses: &'a [IpAddr],
}

impl Advert<'_> {
    /// Version this advert is written in.
    pub const fn version(&self) -> Version {
        match self.timing {
            Timing::V2 { .. } => Version::V2,
            Timing::V3 { .. } => Version::V3,
        }
    }

    /// Bytes [`Self::emit`] writes between hosts of `family`.
    pub const fn len(&self, family: Family) -> usize {
        let auth = match self.timing {
            Timing::V2 { .. } => proto::AUTH_DATA_LEN,
            Timing::V3 { .. } => 0,
        };
        proto::HEADER_LEN + self.addresses.len() * family.address_len() + auth
    }

    /// Writes the message for one source and destination into the start of `buffer` and returns
    /// what was written; `None` where the buffer is too small or the address list longer than its
    /// count can say.
    pub fn emit<'b>(
        &self,
        source: IpAddr,
        destination: IpAddr,
        buffer: &'b mut [u8],
    ) -> Option<&'b [u8]> {
        let family = Family::of(source);
        let len = self.len(family);
        let message = buffer.get_mut(..len)?;
        let count = u8::try_from(self.addresses.len()).ok()?;
        let (version, [high, low]) = match self.timing {
            Timing::V2 { seconds, password } => {
                let auth = if password.is_some() { proto::AUTH_PASS } else { proto::AUTH_NONE };
                (2, [auth, seconds])
            }
            Timing::V3 { interval, .. } => (3, interval.get().to_be_bytes()),
        };
        let kind = version << 4 | proto::ADVERTISEMENT;
        let (header, body) = message.split_first_chunk_mut::<{ proto::HEADER_LEN }>()?;
        *header = [kind, self.vrid.get(), self.priority.0, count, high, low, 0, 0];
        let mut rest = body;
        for address in self.addresses {
            rest = match address {
                IpAddr::V4(v4) => put(rest, &v4.octets())?,
                IpAddr::V6(v6) => put(rest, &v6.octets())?,
            };
        }
        if let Timing::V2 { password, .. } = self.timing {
            put(rest, &password.unwrap_or_default())?;
        }
        // RFC 3768 section 5.3.8 and RFC 2338: the whole message, authentication data included.
        let mut sum = Sum::ZERO.add_bytes(message);
        let pseudo_header = match (self.timing, family) {
            (Timing::V3 { checksum, .. }, Family::V4) => checksum == ChecksumForm::PseudoHeader,
            (Timing::V3 { .. } | Timing::V2 { .. }, Family::V6) => true,
            (Timing::V2 { .. }, Family::V4) => false,
        };
        if pseudo_header {
            sum = sum.add_pseudo_header(source, destination, u16::try_from(len).ok()?);
        }
        message.get_mut(6..8)?.copy_from_slice(&sum.checksum().to_be_bytes());
        Some(message)
    }
}

/// Writes `bytes` at the start of `buffer` and returns what follows them.
fn put<'b, const N: usize>(buffer: &'b mut [u8], bytes: &[u8; N]) -> Option<&'b mut [u8]> {
    let (here, rest) = buffer.split_first_chunk_mut::<N>()?;
    *here = *bytes;
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: [IpAddr; 2] = [
        IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1)),
        IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 2)),
    ];

    fn emit(timing: Timing) -> ([u8; 64], usize) {
        let mut buffer = [0; 64];
        let advert = Advert {
            vrid: Vrid::new(10).unwrap(),
            priority: Priority(200),
            timing,
            addresses: &ADDRESSES,
        };
        let source = IpAddr::V4([192, 0, 2, 251].into());
        let len = advert.emit(source, proto::GROUP_V4.into(), &mut buffer).unwrap().len();
        (buffer, len)
    }

    /// External golden values for one advert in its three IPv4 forms.
    #[test]
    fn golden() {
        let interval = Centis::new(100).unwrap();
        let (bytes, len) = emit(Timing::V3 { interval, checksum: ChecksumForm::Plain });
        assert_eq!(
            bytes[..len],
            [0x31, 10, 200, 2, 0, 100, 0x82, 0x8a, 192, 0, 2, 1, 192, 0, 2, 2]
        );
        let (bytes, _) = emit(Timing::V3 { interval, checksum: ChecksumForm::PseudoHeader });
        assert_eq!(bytes[6..8], [0xde, 0xfb]);
        let (bytes, len) = emit(Timing::V2 { seconds: 1, password: None });
        assert_eq!(bytes[4..8], [0, 1, 0x92, 0xed]);
        assert_eq!(len, 24);
    }

    /// RFC 9568 sections 5.2.5 and 5.2.6: four reserved bits, written as zero and not read, and
    /// twelve bits of centiseconds.
    #[test]
    fn interval_and_reserved_bits() {
        for (centis, written) in [(1, [0, 1]), (100, [0, 100]), (256, [1, 0]), (4095, [0x0f, 0xff])]
        {
            let interval = Centis::new(centis).unwrap();
            let (bytes, _) = emit(Timing::V3 { interval, checksum: ChecksumForm::Plain });
            assert_eq!(bytes[4..6], written);
            let mut header = Header(*bytes.first_chunk().unwrap());
            assert_eq!(header.interval_v3(), centis);
            header.0[4] |= 0xf0;
            assert_eq!(header.interval_v3(), centis);
            assert_eq!(header.interval(), Duration::from_millis(u64::from(centis) * 10));
        }
        assert_eq!((Centis::new(0), Centis::new(4096)), (None, None));
    }
}
