//! Do the kernel and userspace agree on mutations and noise.
use crate::fixture::*;
use vrrp_tests::frames::Dice;
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::{Effect, in_namespace};

/// Whatever arrives, the kernel and userspace agree.
#[test]
fn kernel_and_userspace_agree_on_anything() {
    in_namespace(|| {
        let mut rig = rig();
        let mut seeds: Vec<Vec<u8>> = Vec::new();
        for vrid in [10, 20, 30, 40, 50, 60, 70, 99] {
            for count in [0, 1, 2, 20] {
                let v3 = Message::v3(vrid, &vips(count));
                let v2 = Message::v2(vrid, &vips(count));
                for message in [v3.clone(), Message { pseudo_header: true, ..v3.clone() }, v2] {
                    seeds.push(Frame::group(&message, sender()).bytes());
                    seeds.push(Frame::of(&message, sender(), ip("192.0.2.10")).bytes());
                    let tagged = Frame {
                        tags: vec![(0x8100, 0)],
                        padding: 6,
                        ..Frame::group(&message, sender())
                    };
                    seeds.push(Frame { options: vec![1; 8], ..tagged }.bytes());
                }
                let v6 = Message { pseudo_header: true, ..Message::v3(vrid, &vips6(2)) };
                seeds.push(Frame::group(&v6, sender6()).bytes());
                seeds.push(Frame::of(&v6, ip("2001:db8::251"), ip("2001:db8::10")).bytes());
            }
        }
        let mut dice = Dice::new(0x5eed);
        let (mut passes, mut rejects, mut accepts) = (0, 0, 0);
        let mut tally = |effect: &Effect| match effect {
            Effect { passed: true, .. } => passes += 1,
            Effect { news, .. } if news.is_empty() => rejects += 1,
            Effect { .. } => accepts += 1,
        };
        for seed in &seeds {
            tally(&judge(&mut rig, seed));
        }
        // Every length, of a valid advert and of noise behind its headers.
        for length in 14..=2048 {
            let mut frame = seeds[0].clone();
            frame.resize(length, 0xa5);
            if length % 2 == 0 {
                let total = u16::try_from(length - 14).unwrap().to_be_bytes();
                if let Some(field) = frame.get_mut(16..18) {
                    field.copy_from_slice(&total);
                }
                mend_header(&mut frame);
            }
            tally(&judge(&mut rig, &frame));
        }
        for round in 0..ROUNDS {
            let mut frame = seeds[dice.below(seeds.len())].clone();
            for _ in 0..=dice.below(3) {
                let at = dice.below(frame.len() - 12) + 12;
                match dice.below(3) {
                    0 => frame[at] ^= 1 << dice.below(8),
                    1 => frame[at] = dice.byte(),
                    _ if round % 8 == 0 => frame.truncate(at.max(14)),
                    _ => frame[at] = [0, 1, 2, 3, 112, 255][dice.below(6)],
                }
                if frame.len() < 15 {
                    break;
                }
            }
            // Half of them with the checksum mended, so that the checks behind it are met.
            if round % 2 == 0 {
                mend(&mut frame);
            }
            tally(&judge(&mut rig, &frame));
        }
        for _ in 0..ROUNDS / 4 {
            let mut frame: Vec<u8> = (0..14 + dice.below(200)).map(|_| dice.byte()).collect();
            let kind = [[0x08, 0x00], [0x86, 0xdd], [0x81, 0x00]][dice.below(3)];
            frame[12..14].copy_from_slice(&kind);
            tally(&judge(&mut rig, &frame));
        }
        println!("{passes} passed, {rejects} rejected, {accepts} accepted");
        assert!(passes > 500 && rejects > 500 && accepts > 200);
    });
}

/// Mutated frames of a run.
const ROUNDS: usize = 8000;

/// Gives an untagged IPv4 frame a right header checksum, and says where the header ends, if it has
/// the bytes.
fn mend_header(frame: &mut [u8]) -> Option<usize> {
    let end = 14 + usize::from(frame.get(14)? & 0xf) * 4;
    let header = frame.get_mut(14..end).filter(|header| header.len() >= 20)?;
    header[10..12].fill(0);
    let sum = vrrp_tests::frames::internet_checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    Some(end)
}

/// Gives an untagged IPv4 frame to the group right checksums, of the header and by RFC 9568, if it
/// has the bytes.
fn mend(frame: &mut [u8]) {
    let Some(start) = mend_header(frame) else {
        return;
    };
    let end = 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    if let Some(message) = frame.get_mut(start..end).filter(|message| message.len() >= 8) {
        message[6..8].fill(0);
        let sum = vrrp_tests::frames::internet_checksum(message);
        message[6..8].copy_from_slice(&sum.to_be_bytes());
    }
}
