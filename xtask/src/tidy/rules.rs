//! What are the rules, and which line breaks one?
use super::Source;
use super::code::{Token, tokens};

/// Lines of the longest file.
const LONGEST: usize = 500;

/// The only files with `unsafe`: the accessor and the map pointers of the XDP program, the bridge
/// and the shared memory of the dataplane, calls that no crate offers, in the daemon and tests, and what happens between fork and exec.
const UNSAFE: [&str; 15] = [
    "tests/src/bench/live.rs",
    "tests/src/bench/wire.rs",
    "tests/src/kernel_rig.rs",
    "tests/src/lab/socket.rs",
    "vrrp-ebpf/src/main.rs",
    "vrrp-ebpf/src/maps.rs",
    "vrrp-ebpf/src/outcome.rs",
    "vrrp-ebpf/src/packet.rs",
    "vrrp-ebpf/src/tables.rs",
    "vrrp-user/src/dataplane/pod.rs",
    "vrrp-user/src/dataplane/link.rs",
    "vrrp-user/src/dataplane/shared.rs",
    "vrrp-user/src/dataplane/sys.rs",
    "vrrp-user/src/net/sys.rs",
    "vrrp-user/src/program/sys.rs",
];

/// Folders whose code takes everything as an argument.
const PURE: [&str; 3] = ["vrrp-user/src/engine/", "vrrp-user/src/config/", "vrrp-user/src/report/"];

/// What code there must not name: a runtime, the system, sockets, clocks.
const IMPURE_WORDS: [&str; 19] = [
    "tokio",
    "aya",
    "rustix",
    "libc",
    "socket2",
    "rtnetlink",
    "netlink_sys",
    "netlink_proto",
    "fs",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "SystemTime",
    "OpenOptions",
    "thread",
    "process",
];

/// The same, where only the pair tells.
const IMPURE_PATHS: [[&str; 2]; 4] =
    [["Instant", "now"], ["File", "open"], ["File", "create"], ["std", "env"]];

/// File names that answer no question.
const NAMELESS: [&str; 5] = ["utils.rs", "helpers.rs", "manager.rs", "common.rs", "types.rs"];

/// Every broken rule, one line each.
pub(super) fn apply(sources: &[Source], home: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let Source { path, text } = source;
        // A path as short as /src is found in places that have nothing to do with it.
        if home.matches('/').count() > 1 && text.contains(home) {
            complaints.push(format!("{path}: names {home}, where it happens to lie here"));
        }
        if path.ends_with(".rs") {
            complaints.extend(rust(path, text));
        }
        if path.ends_with("/Cargo.toml") && !text.contains("[lints]\nworkspace = true") {
            complaints.push(format!("{path}: does not take the workspace's lints"));
        }
    }
    complaints.extend(vrrp_common(sources));
    complaints
}

fn rust(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//!") {
        complaints.push(format!("{path}:1: the first line is no //! that says what it answers"));
    }
    let lines = text.lines().count();
    if lines > LONGEST {
        complaints.push(format!("{path}:{lines}: longer than {LONGEST} lines"));
    }
    if NAMELESS.iter().any(|name| path.rsplit('/').next() == Some(name)) {
        complaints.push(format!("{path}: a file named by no question"));
    }
    let tokens = tokens(text);
    let found = word(path, &tokens, "unsafe");
    match (UNSAFE.contains(&path), found) {
        (false, found) => complaints.extend(found),
        (true, None) => complaints.push(format!("{path}: may have unsafe code, and has none")),
        (true, Some(_)) => {}
    }
    if PURE.iter().any(|folder| path.starts_with(folder)) {
        for impure in IMPURE_WORDS {
            complaints.extend(word(path, &tokens, impure));
        }
        for [first, second] in IMPURE_PATHS {
            let pair = tokens
                .windows(3)
                .find(|window| window.iter().map(|token| token.text).eq([first, "::", second]));
            complaints
                .extend(pair.map(|at| format!("{path}:{}: names {first}::{second}", at[0].line)));
        }
    }
    complaints
}

/// The first use of a word that does not belong in `path`.
fn word(path: &str, tokens: &[Token<'_>], word: &str) -> Option<String> {
    let token = tokens.iter().find(|token| token.text == word)?;
    Some(format!("{path}:{}: names `{word}`, which does not belong here", token.line))
}

/// One dependency, and no unsafe code even by a later change of [`UNSAFE`].
fn vrrp_common(sources: &[Source]) -> Vec<String> {
    let text = |path: &str| sources.iter().find(|s| s.path == path).map_or("", |s| &s.text);
    let mut complaints = Vec::new();
    let manifest = text("vrrp-common/Cargo.toml");
    let dependencies: Vec<_> = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .collect();
    if dependencies != ["bytemuck.workspace = true"] {
        complaints.push(format!("vrrp-common/Cargo.toml: depends on {dependencies:?}"));
    }
    if !text("vrrp-common/src/lib.rs").contains("#![forbid(unsafe_code)]") {
        complaints.push("vrrp-common/src/lib.rs: does not forbid unsafe code".to_owned());
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(path: &str, text: &str) -> Vec<String> {
        let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
        let good = [
            source("vrrp-common/Cargo.toml", GOOD_MANIFEST),
            source("vrrp-common/src/lib.rs", "//! Doc.\n#![forbid(unsafe_code)]\n"),
        ];
        let mut sources: Vec<_> = good.into_iter().filter(|s| s.path != path).collect();
        sources.push(source(path, text));
        apply(&sources, "/somewhere/xvrrp")
    }

    const GOOD_MANIFEST: &str = "[dependencies]\nbytemuck.workspace = true\n\n[dev-dependencies]\n\
        proptest.workspace = true\n\n[lints]\nworkspace = true\n";

    #[test]
    fn good_files_pass() {
        assert!(complaint("a/src/x.rs", "//! Doc.\n// unsafe\nfn f() {}\n").is_empty());
        assert!(complaint("vrrp-user/src/net/sys.rs", "//! Doc.\nunsafe {}\n").is_empty());
        assert!(complaint("vrrp-common/Cargo.toml", GOOD_MANIFEST).is_empty());
    }

    #[test]
    fn every_rule_can_be_broken() {
        let long = format!("//! Doc.\n{}", "\n".repeat(LONGEST));
        let more = GOOD_MANIFEST.replace("= true\n\n[dev", "= true\nserde = \"1\"\n\n[dev");
        for (path, text, expected) in [
            ("a/src/x.rs", "fn f() {}\n", "first line"),
            ("a/src/x.rs", long.as_str(), "longer than 500"),
            ("a/src/utils.rs", "//! Doc.\n", "no question"),
            ("a/src/x.rs", "//! Doc.\n\nfn f() { unsafe {} }\n", ":3: names `unsafe`"),
            ("vrrp-user/src/net/sys.rs", "//! Doc.\n", "has none"),
            ("a/notes.md", "see /somewhere/xvrrp/notes\n", "where it happens to lie"),
            ("a/Cargo.toml", "[package]\n", "lints"),
            ("vrrp-user/src/engine/x.rs", "//! Doc.\nuse tokio::time;\n", "`tokio`"),
            ("vrrp-user/src/config/x.rs", "//! Doc.\nuse std::{fs, io};\n", "`fs`"),
            ("vrrp-user/src/report/x.rs", "//! Doc.\nlet a = Instant::now();\n", "Instant::now"),
            ("vrrp-common/Cargo.toml", more.as_str(), "depends on"),
            ("vrrp-common/src/lib.rs", "//! Doc.\n", "forbid unsafe"),
        ] {
            let found = complaint(path, text);
            assert_eq!(found.len(), 1, "{path}: {found:?}");
            assert!(found[0].contains(expected), "{path}: {found:?}");
        }
    }
}
