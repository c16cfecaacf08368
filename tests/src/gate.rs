//! May a test that needs root, BPF or another daemon run here.
//!
//! A test that may not run prints `skipped: REASON` and passes; the harness shows it under
//! `--show-output`. With `XVRRP_REQUIRE_ROOT=1` it fails instead, so that a pipeline cannot become
//! green by skipping.
use std::path::Path;
use std::sync::OnceLock;

/// What a test cannot do without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Root with the right to make network namespaces.
    Root,
    /// keepalived as the peer.
    Keepalived,
    /// A kernel that has BPF.
    Bpf,
    /// The nft command.
    Nft,
    /// The tshark command.
    Tshark,
}

/// True if everything in `needs` is there; otherwise says `skipped: REASON` or, where skipping is
/// forbidden, panics with it.
pub fn open(needs: &[Need]) -> bool {
    let Some(reason) = needs.iter().find_map(|need| missing(*need)) else {
        return true;
    };
    assert!(
        std::env::var_os("XVRRP_REQUIRE_ROOT").is_none_or(|value| value != "1"),
        "{reason}, and XVRRP_REQUIRE_ROOT=1 forbids skipping"
    );
    println!("skipped: {reason}");
    false
}

fn missing(need: Need) -> Option<&'static str> {
    match need {
        Need::Root => no_namespaces(),
        Need::Keepalived => (!Path::new("/usr/sbin/keepalived").exists())
            .then_some("keepalived is not installed (apt-get install keepalived)"),
        Need::Bpf => (!Path::new("/proc/sys/kernel/unprivileged_bpf_disabled").exists())
            .then_some("this kernel has no BPF"),
        Need::Nft => (!Path::new("/usr/sbin/nft").exists())
            .then_some("nft is not installed (apt-get install nftables)"),
        Need::Tshark => (!Path::new("/usr/bin/tshark").exists())
            .then_some("tshark is not installed (apt-get install tshark)"),
    }
}

fn no_namespaces() -> Option<&'static str> {
    static ANSWER: OnceLock<Option<&'static str>> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        if !rustix::process::geteuid().is_root() {
            return Some("needs root (network namespaces, raw sockets)");
        }
        let name = format!("xv{}-probe", std::process::id());
        let made = std::process::Command::new("ip").args(["netns", "add", &name]).output();
        let Ok(made) = made else {
            return Some("the ip command is not installed (apt-get install iproute2)");
        };
        if !made.status.success() {
            return Some("network namespaces cannot be made here (container without privileges?)");
        }
        let _ = std::process::Command::new("ip").args(["netns", "del", &name]).output();
        None
    })
}
