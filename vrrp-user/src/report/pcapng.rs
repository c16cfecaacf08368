//! What do captured frames look like in a file for wireshark and tshark: pcapng, with the verdict as
//! each packet's comment.
use super::capture::{Frame, Link};
use std::collections::HashMap;

/// Types of blocks and options (draft-ietf-opsawg-pcapng).
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const END: u16 = 0;
const COMMENT: u16 = 1;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;

/// Nanoseconds: ten to the power of minus nine.
const NANOSECONDS: u8 = 9;
/// The packet came in.
const INBOUND: u32 = 1;

/// Link types of tcpdump.org.
const ETHERNET: u16 = 1;
const RAW_IP: u16 = 101;

/// A file that is being written.
#[derive(Debug, Default)]
pub struct Writer {
    interfaces: HashMap<(String, Link), u32>,
}

impl Writer {
    /// How a file begins.
    pub fn begin() -> Vec<u8> {
        let mut body = Vec::new();
        // The magic that tells the order of bytes, version 1.0, a section of unknown length.
        body.extend(0x1a2b_3c4d_u32.to_le_bytes());
        body.extend([1_u16.to_le_bytes(), 0_u16.to_le_bytes()].concat());
        body.extend(u64::MAX.to_le_bytes());
        let application = concat!("xvrrp ", env!("CARGO_PKG_VERSION"));
        option(&mut body, SECTION_APPLICATION, application.as_bytes());
        option(&mut body, END, &[]);
        block(SECTION, &body)
    }

    /// A frame, behind the description of its interface where that is new.
    pub fn frame(&mut self, frame: &Frame, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        let key = (frame.interface.clone(), frame.link);
        let next = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let interface = *self.interfaces.entry(key).or_insert_with(|| {
            text = described(&frame.interface, frame.link);
            next
        });
        let nanos = frame.time_s.saturating_mul(1_000_000_000).saturating_add(frame.time_ns.into());
        let mut body = Vec::new();
        body.extend(interface.to_le_bytes());
        // The upper half first, whatever the order of bytes.
        for half in [nanos >> 32, nanos & 0xffff_ffff] {
            body.extend(u32::try_from(half).unwrap_or_default().to_le_bytes());
        }
        body.extend(u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes());
        body.extend(frame.length.to_le_bytes());
        padded(&mut body, bytes);
        option(&mut body, COMMENT, frame.words().as_bytes());
        option(&mut body, PACKET_FLAGS, &INBOUND.to_le_bytes());
        option(&mut body, END, &[]);
        text.extend(block(PACKET, &body));
        text
    }
}

/// The description of an interface.
fn described(name: &str, link: Link) -> Vec<u8> {
    let kind = match link {
        Link::Ethernet => ETHERNET,
        Link::Ip => RAW_IP,
    };
    let longest = u32::try_from(vrrp_common::mirror::LONGEST).unwrap_or_default();
    let mut body = Vec::new();
    body.extend([kind.to_le_bytes(), [0; 2]].concat());
    body.extend(longest.to_le_bytes());
    option(&mut body, INTERFACE_NAME, name.as_bytes());
    option(&mut body, INTERFACE_RESOLUTION, &[NANOSECONDS]);
    option(&mut body, END, &[]);
    block(INTERFACE, &body)
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).unwrap_or_default().to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &length].concat()
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    // None is as long; what would be is cut off.
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend([code.to_le_bytes(), length.to_le_bytes()].concat());
    padded(body, value.get(..usize::from(length)).unwrap_or(value));
}

/// To whole words.
fn padded(body: &mut Vec<u8>, value: &[u8]) {
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(interface: &str) -> Frame {
        Frame {
            time_s: 1,
            time_ns: 2,
            interface: interface.to_owned(),
            link: Link::Ethernet,
            instance: None,
            verdict: "rejected".to_owned(),
            reason: "ttl".to_owned(),
            remarks: Vec::new(),
            length: 900,
            bytes: String::new(),
        }
    }

    /// Types of the blocks, each of which ends with its length.
    fn types(mut file: &[u8]) -> Vec<u32> {
        let word = |at: &[u8]| u32::from_le_bytes(*at.first_chunk().unwrap());
        let mut types = Vec::new();
        while !file.is_empty() {
            let (length, kind) = (word(&file[4..]), word(file));
            let (block, rest) = file.split_at(length as usize);
            assert_eq!(word(&block[block.len() - 4..]), length);
            assert_eq!(length % 4, 0);
            types.push(kind);
            file = rest;
        }
        types
    }

    #[test]
    fn blocks_fit_and_an_interface_is_described_once() {
        let mut writer = Writer::default();
        let mut file = Writer::begin();
        for (interface, bytes) in [("eth0", &[1_u8; 60][..]), ("eth1", &[2; 61]), ("eth0", &[])] {
            file.extend(writer.frame(&frame(interface), bytes));
        }
        assert_eq!(types(&file), [SECTION, INTERFACE, PACKET, INTERFACE, PACKET, PACKET]);
    }
}
