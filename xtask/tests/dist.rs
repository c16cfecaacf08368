//! Do the packages hold what they should, and does what they install run as systemd would run it?
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Where everything is laid out; gone at the end.
struct Root(PathBuf);

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A namespace with one end of a link in it; gone at the end.
struct Namespace(String);

impl Namespace {
    fn new() -> Self {
        let name = format!("xv{}-dist", std::process::id());
        run("ip", &["netns", "add", &name]);
        let there = Self(name);
        there.ip(&["link", "add", "eth0", "type", "veth", "peer", "name", "far0"]);
        for dev in ["eth0", "far0"] {
            there.ip(&["link", "set", dev, "up"]);
        }
        there.ip(&["addr", "add", "192.0.2.1/24", "dev", "eth0"]);
        there
    }

    fn ip(&self, args: &[&str]) -> String {
        run("ip", &[&["-n", &self.0], args].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// A daemon, which does not outlive its test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn run(program: &str, args: &[&str]) -> String {
    checked(Command::new(program).args(args))
}

#[track_caller]
fn checked(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{out}\n{err}");
    out.into_owned()
}

#[test]
fn packages_install_and_what_they_install_runs() {
    let required = env::var_os("XVRRP_REQUIRE_ROOT").is_some_and(|value| value == "1");
    if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/dpkg-deb").exists() {
        assert!(!required, "root and dpkg are required");
        println!("skipped: packages are installed into a test root, which needs root and dpkg");
        return;
    }
    let root = Root(env::temp_dir().join(format!("xvrrp-dist-{}", std::process::id())));
    let out = root.0.join("out");
    let made = checked(
        Command::new(env!("CARGO_BIN_EXE_xtask")).args(["dist", "--debug", "--out"]).arg(&out),
    );
    let packages: Vec<&str> = made.lines().collect();
    assert_eq!(packages.len(), 2, "{made}");
    let field =
        |package: &str, name: &str| run("dpkg-deb", &["--field", package, name]).trim().to_owned();
    assert_eq!(field(packages[0], "Package"), "xvrrp");
    assert!(field(packages[0], "Depends").starts_with("libc6 (>= 2."));
    for name in ["Provides", "Conflicts", "Replaces"] {
        assert_eq!(field(packages[1], name), "keepalived");
    }
    let target = root.0.join("root");
    install(&target, &packages);
    for (file, mode) in [
        ("usr/sbin/xvrrp", 0o755),
        ("usr/lib/systemd/system/xvrrp.service", 0o644),
        ("usr/lib/systemd/system/keepalived.service", 0o644),
        ("usr/share/man/man8/xvrrp.8.gz", 0o644),
        ("usr/share/man/man5/xvrrp.conf.5.gz", 0o644),
        ("usr/share/bash-completion/completions/xvrrp", 0o644),
        ("usr/share/zsh/vendor-completions/_xvrrp", 0o644),
        ("usr/share/fish/vendor_completions.d/xvrrp.fish", 0o644),
        ("usr/share/doc/xvrrp/examples/xvrrp.conf", 0o644),
        ("usr/share/xvrrp/grafana-dashboard.json", 0o644),
        ("usr/share/xvrrp/alerts.yml", 0o644),
        ("etc/default/xvrrp", 0o644),
    ] {
        let found = fs::metadata(target.join(file)).unwrap_or_else(|why| panic!("{file}: {why}"));
        assert!(found.len() > 0, "{file} is empty");
        assert_eq!(found.permissions().mode() & 0o777, mode, "{file}");
    }
    let link = fs::read_link(target.join("usr/sbin/keepalived")).unwrap();
    assert_eq!(link, Path::new("xvrrp"));
    let binary = target.join("usr/sbin/xvrrp");
    assert!(checked(Command::new(&binary).arg("--version")).contains(env!("CARGO_PKG_VERSION")));
    let example = target.join("usr/share/doc/xvrrp/examples/xvrrp.conf");
    checked(Command::new(&binary).arg("check").arg(&example));
    let bash = target.join("usr/share/bash-completion/completions/xvrrp");
    run("bash", &["-n", bash.to_str().unwrap()]);
    units(&target);
    supervised(&root.0, &binary, &example);
    let admin = format!("--root={}", target.display());
    let args = [&admin, "--force-script-chrootless", "--purge", "xvrrp-keepalived", "xvrrp"];
    run("dpkg", &args);
    assert!(!binary.exists() && !target.join("etc/default/xvrrp").exists());
}

/// As dpkg does it, with its scripts, into a root of its own.
fn install(target: &Path, packages: &[&str]) {
    let admin = target.join("var/lib/dpkg");
    for folder in ["info", "updates", "triggers"] {
        fs::create_dir_all(admin.join(folder)).unwrap();
    }
    fs::write(admin.join("status"), "").unwrap();
    fs::write(admin.join("available"), "").unwrap();
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", target.display()));
    // The C library is the machine's.
    dpkg.args(["--force-depends", "--force-script-chrootless", "--install"]).args(packages);
    checked(&mut dpkg);
}

/// systemd finds nothing in the units that it does not know.
fn units(target: &Path) {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        println!("the units are not verified: no systemd-analyze");
        return;
    }
    for unit in ["xvrrp.service", "keepalived.service"] {
        let file = target.join("usr/lib/systemd/system").join(unit);
        // Commands are looked for below the machine's root, so the installed one is named.
        let text = fs::read_to_string(&file).unwrap();
        let binary = target.join("usr/sbin/xvrrp").display().to_string();
        let copy = target.join(unit);
        fs::write(&copy, text.replace("/usr/sbin/xvrrp", &binary)).unwrap();
        let mut verify = Command::new("systemd-analyze");
        let output = verify.args(["verify", "--man=no"]).arg(&copy).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let ours: Vec<&str> = said.lines().filter(|line| line.contains(unit)).collect();
        assert!(ours.is_empty(), "{said}");
    }
}

/// What the daemon tells systemd: ready, alive, reloading, stopping.
fn supervised(folder: &Path, binary: &Path, example: &Path) {
    let namespace = Namespace::new();
    let socket = folder.join("notify");
    let told = UnixDatagram::bind(&socket).unwrap();
    told.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let control = folder.join("control");
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &namespace.0]).arg(binary).args(["run", "--config"]);
    command.arg(example).arg("--control").arg(&control);
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "900000");
    let mut daemon = Daemon(command.stderr(Stdio::null()).spawn().unwrap());
    let message = || {
        let mut bytes = [0; 4096];
        let length = told.recv(&mut bytes).expect("nothing is told");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let until = |wanted: &str| {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let message = message();
            if message.lines().any(|line| line.starts_with(wanted)) {
                return message;
            }
            assert!(Instant::now() < end, "never told: {wanted}");
        }
    };
    let ready = until("READY=1");
    assert!(ready.contains("STATUS=1 virtual router"), "{ready}");
    until("WATCHDOG=1");
    until("WATCHDOG=1");
    let verb = |verb: &str| checked(Command::new(binary).arg(verb).arg("--control").arg(&control));
    assert!(verb("show").contains("VI_1"));
    verb("reload");
    let reloading = until("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    until("READY=1");
    let pid = rustix::process::Pid::from_child(&daemon.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    until("STOPPING=1");
    assert!(daemon.0.wait().unwrap().success());
    assert!(!namespace.ip(&["addr", "show"]).contains("192.0.2.100"), "an address is left");
}
