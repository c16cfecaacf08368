//! What on the machine as a whole stands in the way.
use super::super::run::missing_privilege;
use super::Finding;
use crate::dataplane::object;
use crate::dataplane::port::XdpMode;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The kernel that has every helper the program uses.
const LEAST: (u32, u32) = (5, 18);

/// Everything that does not depend on an interface.
pub(super) fn findings() -> Vec<Finding> {
    vec![
        kernel(&read("/proc/sys/kernel/osrelease")),
        program(),
        privileges(),
        btf(Path::new("/sys/kernel/btf/vmlinux").exists()),
        bpffs(&read("/proc/self/mounts")),
        jit(&read("/proc/sys/net/core/bpf_jit_enable")),
        forwarding(&read("/proc/sys/net/ipv4/ip_forward")),
        firewall(rules("nft", &["list", "ruleset"]), rules("iptables-save", &[])),
    ]
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn kernel(release: &str) -> Finding {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= LEAST => {
            Finding::ok("kernel", release)
        }
        (Some(Ok(_)), Some(Ok(_))) => {
            let (major, minor) = LEAST;
            Finding::warn(
                "kernel",
                format!(
                    "{release} is too old for the XDP program, which needs {major}.{minor}: adverts take packet sockets"
                ),
            )
        }
        _ => Finding::warn("kernel", "unknown: it does not say its version"),
    }
}

fn program() -> Finding {
    match object::bytes() {
        Ok(bytes) => Finding::ok("program", format!("built in, {} bytes", bytes.len())),
        Err(why) => {
            Finding::fail("program", why.to_string()).fixed_by("cargo xtask setup, and build again")
        }
    }
}

fn privileges() -> Finding {
    match missing_privilege(XdpMode::Auto) {
        None => Finding::ok("privileges", "CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF"),
        Some(missing) => Finding::fail("privileges", missing).fixed_by("sudo xvrrp doctor"),
    }
}

fn btf(there: bool) -> Finding {
    if there {
        return Finding::ok("btf", "the kernel describes its types");
    }
    Finding::warn(
        "btf",
        "the kernel does not describe its types, and may refuse the program: it needs \
         CONFIG_DEBUG_INFO_BTF",
    )
    .fixed_by("xvrrp run --xdp-mode off, or another kernel")
}

fn bpffs(mounts: &str) -> Finding {
    let mounted = mounts.lines().any(|line| line.split(' ').nth(2) == Some("bpf"));
    if mounted {
        return Finding::ok("bpffs", "mounted");
    }
    // The daemon pins nothing; tools that look at its maps may want to.
    Finding::ok("bpffs", "not mounted, and not needed")
}

fn jit(enabled: &str) -> Finding {
    match enabled {
        "0" => Finding::warn("bpf jit", "off: the program is interpreted")
            .fixed_by("sysctl -w net.core.bpf_jit_enable=1"),
        "" => Finding::warn("bpf jit", "unknown: this kernel does not say"),
        _ => Finding::ok("bpf jit", "on"),
    }
}

fn forwarding(enabled: &str) -> Finding {
    match enabled {
        "1" => Finding::ok("ip_forward", "on"),
        "" => Finding::ok("ip_forward", "unknown: there is no IPv4 here"),
        _ => {
            Finding::warn("ip_forward", "off: packets to a virtual router go no further than here")
                .fixed_by("sysctl -w net.ipv4.ip_forward=1")
        }
    }
}

/// What a program prints of the firewall; nothing where it is not installed or may not look.
fn rules(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Adverts come in before any rule is looked at, by XDP and by packet sockets, and multicast ones go
/// out beside the rules. What is left is output of unicast adverts, and a keepalived on this machine.
fn firewall(nft: Option<String>, iptables: Option<String>) -> Finding {
    if nft.is_none() && iptables.is_none() {
        return Finding::ok("firewall", "unknown: neither nft nor iptables is here to ask");
    }
    let mut drops = nft.as_deref().map(nft_drops).unwrap_or_default();
    drops.extend(iptables.as_deref().map(iptables_drops).unwrap_or_default());
    if drops.is_empty() {
        return Finding::ok("firewall", "nothing is seen that drops protocol 112");
    }
    let detail = format!("unicast adverts, and keepalived's, are dropped by {}", drops.join("; "));
    let fix = match (nft, iptables) {
        (Some(_), _) => "nft insert rule inet TABLE CHAIN meta l4proto 112 accept",
        _ => "iptables -I OUTPUT -p 112 -j ACCEPT; iptables -I INPUT -p 112 -j ACCEPT",
    };
    Finding::warn("firewall", detail).fixed_by(fix)
}

/// Whether a rule is about VRRP.
fn about_vrrp(line: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "vrrp" || word == "112")
}

/// Chains of `nft list ruleset` that drop by policy what no rule accepts, and rules that drop it.
fn nft_drops(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut chain, mut drops_all, mut accepts) = (String::new(), false, false);
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("chain ") {
            chain = rest.trim_end_matches('{').trim().to_owned();
            (drops_all, accepts) = (false, false);
        } else if line.starts_with("type ") {
            let ours = line.contains("hook input") || line.contains("hook output");
            drops_all = ours && line.contains("policy drop");
        } else if line == "}" {
            if drops_all && !accepts {
                found.push(format!("the policy of chain {chain}"));
            }
            drops_all = false;
        } else if about_vrrp(line) {
            accepts |= line.contains("accept");
            if line.contains("drop") || line.contains("reject") {
                found.push(format!("`{line}` in chain {chain}"));
            }
        }
    }
    found
}

/// The same of `iptables-save`.
fn iptables_drops(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for chain in ["INPUT", "OUTPUT"] {
        let rules = || text.lines().filter(|line| line.starts_with(&format!("-A {chain} ")));
        let vrrp = |target: &'static str| {
            move |line: &&str| about_vrrp(line) && line.contains(&format!("-j {target}"))
        };
        let policy = text.lines().any(|line| line.starts_with(&format!(":{chain} DROP")));
        if policy && !rules().any(|line| vrrp("ACCEPT")(&line)) {
            found.push(format!("the policy of {chain}"));
        }
        let dropped = rules().filter(|line| vrrp("DROP")(line) || vrrp("REJECT")(line));
        found.extend(dropped.map(|line| format!("`{line}`")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn kernels() {
        for (release, verdict) in [
            ("6.18.0-rc1", Verdict::Ok),
            ("5.18.0", Verdict::Ok),
            ("5.17.9", Verdict::Warn),
            ("4.19", Verdict::Warn),
            ("", Verdict::Warn),
        ] {
            assert_eq!(kernel(release).verdict, verdict, "{release}");
        }
    }

    #[test]
    fn firewalls_that_drop_are_found_and_those_that_do_not_are_not() {
        let nft = "table inet filter {\n chain input {\n  type filter hook input priority 0; \
                   policy drop;\n  tcp dport 22 accept\n }\n chain out {\n  type filter hook \
                   output priority 0; policy accept;\n  meta l4proto vrrp drop\n }\n chain \
                   forward {\n  type filter hook forward priority 0; policy drop;\n }\n}\n";
        assert_eq!(
            nft_drops(nft),
            ["the policy of chain input", "`meta l4proto vrrp drop` in chain out"]
        );
        let open = nft.replace("tcp dport 22 accept", "ip protocol 112 accept");
        assert_eq!(nft_drops(&open).len(), 1);
        let iptables = ":INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport \
                        1112 -j ACCEPT\n-A OUTPUT -p vrrp -j DROP\n";
        assert_eq!(
            iptables_drops(iptables),
            ["the policy of INPUT", "`-A OUTPUT -p vrrp -j DROP`"]
        );
        assert_eq!(firewall(None, None).verdict, Verdict::Ok);
        assert_eq!(firewall(Some(String::new()), None).verdict, Verdict::Ok);
        let told = firewall(None, Some(iptables.to_owned()));
        assert!(told.fix.unwrap_or_default().contains("-p 112 -j ACCEPT"));
    }

    #[test]
    fn settings() {
        assert_eq!(jit("0").verdict, Verdict::Warn);
        assert_eq!(jit("1").verdict, Verdict::Ok);
        assert_eq!(forwarding("0").verdict, Verdict::Warn);
        assert_eq!(btf(false).verdict, Verdict::Warn);
        assert!(bpffs("none /sys/fs/bpf bpf rw 0 0").detail.starts_with("mounted"));
    }
}
