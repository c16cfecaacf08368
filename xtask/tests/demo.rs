//! Does the demo of the lab really play, from the command that the README names?
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_demo_plays_and_leaves_nothing() {
    let required = env::var_os("XVRRP_REQUIRE_ROOT").is_some_and(|value| value == "1");
    if !rustix::process::geteuid().is_root() {
        assert!(!required, "root is required and this is not root");
        println!("skipped: the lab makes network namespaces, which needs root");
        return;
    }
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "vrrp-user", "--bin", "xvrrp"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .status()
        .unwrap();
    assert!(built.success(), "xvrrp does not build");
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let demo = Command::new(xtask)
        .args(["lab", "--demo", "--binary"])
        .arg(xtask.with_file_name("xvrrp"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let owner = demo.id();
    let output = demo.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{complained}", output.status);
    for happened in [
        "r2 is MASTER after",
        "the host reaches 10.0.0.100 on r2",
        "10.4.0.100 on r1 is pending (link down)",
        "VI_1 of r1 stayed MASTER",
        "10.4.0.100 was announced again",
        "the host reaches 10.4.0.100 on r1",
        "left no address",
    ] {
        assert!(said.contains(happened), "not said: {happened}\n{said}");
    }
    assert!(said.contains("by xdp-native"), "not on the fast path:\n{said}");

    let namespaces = Command::new("ip").args(["netns", "list"]).output().unwrap();
    let namespaces = String::from_utf8_lossy(&namespaces.stdout);
    assert!(!namespaces.contains(&format!("xv{owner}-")), "left behind: {namespaces}");
    let folders = Path::new("/run/xvrrp-lab").read_dir();
    let mut names = folders.into_iter().flatten().flatten().map(|entry| entry.file_name());
    let left = names.find(|name| name.to_string_lossy().starts_with(&format!("{owner}-")));
    assert_eq!(left, None, "left behind in /run/xvrrp-lab");
}
