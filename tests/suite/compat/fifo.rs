//! Do FIFOs belong to whom keepalived 2.2.7 gives them.
use super::surroundings;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::time::Duration;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::daemon::{Daemon, Directory, Kind};
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn fifos_belong_to_whom_they_are_given() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let owners = |kind: Kind, globals: &str| {
        let namespace = surroundings(&format!("fifo{kind:?}").to_lowercase());
        let folder = Directory::new("fifo");
        let [global, vrrp] = ["global", "vrrp"].map(|name| folder.join(name));
        let globals = globals
            .replace("GLOBAL", &global.display().to_string())
            .replace("VRRP", &vrrp.display().to_string());
        let config = format!(
            "global_defs {{\n{globals}\n}}\nvrrp_instance VI_1 {{\n state BACKUP\n interface v0\n\
             virtual_router_id 51\n virtual_ipaddress {{\n 10.9.0.100/24\n }}\n}}\n"
        );
        let mut daemon = Daemon::start(kind, &namespace, &config);
        let owners = [&global, &vrrp].map(|path| {
            eventually(SOON, "the FIFO", || {
                let found = std::fs::metadata(path).ok()?;
                assert!(found.file_type().is_fifo());
                // It is given away after it is made.
                std::thread::sleep(Duration::from_millis(100));
                let found = std::fs::metadata(path).ok()?;
                Some((found.uid(), found.gid(), found.mode() & 0o7777))
            })
        });
        daemon.stop();
        owners
    };
    for globals in [
        "script_user root\n notify_fifo GLOBAL\n vrrp_notify_fifo VRRP nobody",
        "script_user nobody\n notify_fifo GLOBAL\n vrrp_notify_fifo VRRP root",
        "script_user root\n notify_fifo GLOBAL daemon bin\n vrrp_notify_fifo VRRP bin sys",
    ] {
        let theirs = owners(Kind::Keepalived, globals);
        assert_eq!(theirs, owners(Kind::Xvrrp, globals), "{globals}");
    }
}
