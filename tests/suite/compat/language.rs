//! Does a file written with everything the language has come to the same with keepalived 2.2.7.
use super::surroundings;
use std::time::Duration;
use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::daemon::{Daemon, Kind};
use vrrp_tests::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

const CONFIG: &str = r#"! with its comments
$NET=10.9
$VIPS= \
virtual_ipaddress \
{ \
    ~SEQ(HOST, 200, 2, 204) ${NET}.${LINK}.${HOST}/24 \
    ~SEQx(HEX, 16, 18) ${NET}.${LINK}.${HEX}/24 \
    ~LST({A, B}, {1, 2}, {3, 4}) ${NET}.${LINK}.1${A}${B}/24 \
}
global_defs
{
    script_user root
    router_id "a # b" # and not this
}
$LINK=0
vrrp_instance VI_1 {
    state MASTER
    interface v${LINK}
    virtual_router_id 51
    priority ${_RANDOM 150 150} ! no choice
    $VIPS
}
$LINK=1
vrrp_instance VI_2
{
    state MASTER
@nobody interface v9
@^nobody interface v1
    virtual_router_id 52
    priority 20
    authentication { auth_type PASS
        auth_pass "a#b!c"
    }
    $VIPS
}
"#;

#[test]
fn a_file_means_what_it_means_to_keepalived() {
    if !gate::open(&[Need::Root, Need::Keepalived]) {
        return;
    }
    let said = [Kind::Keepalived, Kind::Xvrrp].map(|kind| {
        let namespace = surroundings(&format!("says{kind:?}").to_lowercase());
        let daemon = Daemon::start(kind, &namespace, CONFIG);
        for instance in ["VI_1", "VI_2"] {
            daemon.wait_state(0, instance, "MASTER", SOON);
        }
        std::thread::sleep(Duration::from_millis(500));
        daemon.send(10);
        let path = daemon.directory().join("keepalived.data");
        let data = eventually(SOON, "the file", || {
            let text = std::fs::read_to_string(&path).ok()?;
            text.contains("Interfaces >").then_some(text)
        });
        let wanted =
            ["Router ID", "Priority =", "Interface =", "Password", "     10.9.", "Virtual"];
        // What comes then is of keepalived's own making.
        let lines = data.lines().take_while(|line| !line.contains("Sockpool"));
        let lines = lines.filter(|line| wanted.iter().any(|part| line.contains(part)));
        lines.map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(said[0], said[1]);
    assert!(said[1].len() > 20, "{:?}", said[1]);
}
