//! What does a frame with an advert look like, right or wrong in any field.
//!
//! Written out by hand, and checksums summed the plain way, so that nothing of the codec under test
//! is in it.
use std::net::IpAddr;

/// A VRRP message as a list of fields.
#[derive(Clone, Debug)]
pub struct Message {
    /// Version nibble.
    pub version: u8,
    /// Type nibble.
    pub kind: u8,
    /// Virtual Rtr ID.
    pub vrid: u8,
    /// Priority.
    pub priority: u8,
    /// Address count, where it is not the number of addresses.
    pub count: Option<u8>,
    /// The two bytes after it: reserved and interval, or authentication type and interval.
    pub timing: [u8; 2],
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// What follows them.
    pub tail: Vec<u8>,
    /// Whether the checksum covers a pseudo-header.
    pub pseudo_header: bool,
    /// Added to the right checksum.
    pub error: u16,
}

impl Message {
    /// A right VRRPv3 advert with an RFC 9568 checksum: priority 200, one second.
    pub fn v3(vrid: u8, addresses: &[IpAddr]) -> Self {
        Self {
            version: 3,
            kind: 1,
            vrid,
            priority: 200,
            count: None,
            timing: [0, 100],
            addresses: addresses.to_vec(),
            tail: Vec::new(),
            pseudo_header: addresses.first().is_some_and(IpAddr::is_ipv6),
            error: 0,
        }
    }

    /// A right VRRPv2 advert: no authentication, one second.
    pub fn v2(vrid: u8, addresses: &[IpAddr]) -> Self {
        Self { version: 2, timing: [0, 1], tail: vec![0; 8], ..Self::v3(vrid, addresses) }
    }

    /// Its bytes between two hosts.
    pub fn bytes(&self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let count = self.count.unwrap_or(self.addresses.len().to_le_bytes()[0]);
        let mut bytes = vec![self.version << 4 | self.kind, self.vrid, self.priority, count];
        bytes.extend(self.timing);
        bytes.extend([0, 0]);
        for address in &self.addresses {
            bytes.extend(octets(*address));
        }
        bytes.extend(&self.tail);
        let mut covered = bytes.clone();
        if self.pseudo_header {
            covered.extend(octets(source));
            covered.extend(octets(destination));
            covered.extend([0, 112]);
            covered.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        }
        let sum = internet_checksum(&covered).wrapping_add(self.error);
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

/// Bytes of an address.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// RFC 1071, one 16-bit word at a time with the carry folded at once.
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u16 = 0;
    for pair in bytes.chunks(2) {
        let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
        let (next, carry) = sum.overflowing_add(word);
        sum = next + u16::from(carry);
    }
    !sum
}

/// A frame as a list of fields.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Tags: EtherType and control information, outer first.
    pub tags: Vec<(u16, u16)>,
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// IP protocol or first next header.
    pub protocol: u8,
    /// IPv4 flags and fragment offset.
    pub fragment: u16,
    /// IPv4 options, or IPv6 extension headers.
    pub options: Vec<u8>,
    /// IP payload after them.
    pub payload: Vec<u8>,
    /// Bytes after the IP packet.
    pub padding: usize,
}

impl Frame {
    /// A message on its way to a destination.
    pub fn of(message: &Message, source: IpAddr, destination: IpAddr) -> Self {
        Self {
            tags: Vec::new(),
            source,
            destination,
            hop_limit: 255,
            protocol: 112,
            fragment: 0,
            options: Vec::new(),
            payload: message.bytes(source, destination),
            padding: 0,
        }
    }

    /// A message to the VRRP group.
    pub fn group(message: &Message, source: IpAddr) -> Self {
        let group = if source.is_ipv4() { "224.0.0.18" } else { "ff02::12" };
        Self::of(message, source, group.parse().unwrap())
    }

    /// Where the IP header begins.
    pub fn ip(&self) -> usize {
        14 + 4 * self.tags.len()
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x01, 0, 0x5e, 0, 0, 18, 0, 0, 0x5e, 0, 1, 10];
        for (kind, control) in &self.tags {
            bytes.extend(kind.to_be_bytes());
            bytes.extend(control.to_be_bytes());
        }
        let after = u16::try_from(self.options.len() + self.payload.len()).unwrap();
        if self.source.is_ipv4() {
            bytes.extend([0x08, 0x00]);
            let words = u8::try_from(self.options.len() / 4).unwrap();
            let mut header = vec![0x45 + words, 0xc0];
            header.extend((20 + after).to_be_bytes());
            header.extend([0x12, 0x34]);
            header.extend(self.fragment.to_be_bytes());
            header.extend([self.hop_limit, self.protocol, 0, 0]);
            header.extend(octets(self.source));
            header.extend(octets(self.destination));
            header.extend(&self.options);
            let sum = internet_checksum(&header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            bytes.extend(header);
        } else {
            bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            bytes.extend(after.to_be_bytes());
            bytes.extend([self.protocol, self.hop_limit]);
            bytes.extend(octets(self.source));
            bytes.extend(octets(self.destination));
            bytes.extend(&self.options);
        }
        bytes.extend(&self.payload);
        bytes.extend(std::iter::repeat_n(0, self.padding));
        bytes
    }
}

/// A seeded source of numbers (xorshift64*), so that a failing run can be run again.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed that is not zero.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).unwrap() % end
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.below(256).to_le_bytes()[0]
    }
}
