//! Are messages of other projects accepted or not as they should be.
use crate::fixture::*;
use vrrp_common::counter::Counter;
use vrrp_common::ident::Family;
use vrrp_common::layout::{Rule, rule_flag};
use vrrp_tests::frames::{Frame, Message};
use vrrp_tests::kernel_rig::Rig;
use vrrp_tests::kernel_rig::in_namespace;

/// The external vectors: accepted or not as they say, strictly, with both forms, and as VRRPv2.
#[test]
fn external_vectors() {
    in_namespace(|| {
        let text = include_str!("../../cases/vectors.jsonl");
        let modes = [
            ("verdict_strict_9568", rule_flag::V3 | rule_flag::CHECKSUM_PLAIN),
            ("verdict_dual_accept", V3),
            ("verdict_v2", rule_flag::V2),
        ];
        let mut met = 0;
        for (key, flags) in modes {
            let mut rig = Rig::new();
            for vrid in 1..=255 {
                let rule = Rule { flags, interval_v2: 1, ..Rule::default() };
                rig.router(Family::V4, vrid, rule, &[]);
                rig.router(Family::V6, vrid, rule, &[]);
            }
            for line in text.lines() {
                let case: serde_json::Value = serde_json::from_str(line).unwrap();
                let field = |name: &str| case[name].as_str().unwrap();
                let mut frame = Frame::of(&Message::v3(1, &[]), ip(field("src")), ip(field("dst")));
                frame.hop_limit = case["ttl"].as_u64().unwrap().try_into().unwrap();
                frame.payload = unhex(field("vrrp"));
                frame.padding = 18;
                let effect = judge(&mut rig, &frame.bytes());
                let accepted = !effect.news.is_empty();
                assert_eq!(accepted, field(key).starts_with("ACCEPT"), "{key}: {case}");
                if field(key).contains("cksum") {
                    assert_eq!(effect.moved[0].1, Counter::Checksum as usize, "{case}");
                }
                met += 1;
            }
        }
        assert_eq!(met, 33);
    });
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
