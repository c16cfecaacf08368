//! Does the loader read what may be said of an address.
use super::*;
use crate::config::model::{Treatment, Vip};

fn addresses(lines: &str) -> Vec<Vip> {
    let body =
        format!("virtual_ipaddress {{\n 10.0.0.1\n }}\nvirtual_ipaddress_excluded {{\n{lines}\n}}");
    instance(&body).excluded
}

#[test]
fn what_is_said_of_an_address() {
    let treated = Treatment::default();
    let v4 = |text: &str, prefix| Vip::new(text.parse().unwrap(), prefix, "eth0");
    let v6 = |prefix| Vip::new("2001:db8::1".parse().unwrap(), prefix, "eth0");
    for (line, expected) in [
        ("10.0.0.2", v4("10.0.0.2", 32)),
        ("10.0.0.2/24 dev eth1", Vip { dev: "eth1".into(), ..v4("10.0.0.2", 24) }),
        (
            "10.0.0.2/24 brd + scope link label e:1",
            Vip {
                broadcast: Some([10, 0, 0, 255].into()),
                scope: 253,
                label: Some("e:1".into()),
                ..v4("10.0.0.2", 24)
            },
        ),
        (
            "10.0.0.2/24 broadcast -",
            Vip { broadcast: Some([10, 0, 0, 0].into()), ..v4("10.0.0.2", 24) },
        ),
        ("10.0.0.2/24 brd 0.0.0.0", v4("10.0.0.2", 24)),
        ("10.0.0.2 peer 10.9.0.9", Vip { peer: Some([10, 9, 0, 9].into()), ..v4("10.0.0.2", 32) }),
        ("10.0.0.2 peer 10.0.0.2", v4("10.0.0.2", 32)),
        (
            "239.0.0.1 autojoin",
            Vip { treatment: Treatment { join: true, ..treated }, ..v4("239.0.0.1", 32) },
        ),
        (
            "10.0.0.2/24 noprefixroute",
            Vip { treatment: Treatment { no_prefix_route: true, ..treated }, ..v4("10.0.0.2", 24) },
        ),
        ("2001:db8::1/64", Vip { preferred: None, ..v6(64) }),
        ("2001:db8::1", Vip { preferred: Some(0), ..v6(128) }),
        ("2001:db8::1 preferred_lft forever", Vip { preferred: None, ..v6(128) }),
        ("2001:db8::1 preferred_lft 4294967295", Vip { preferred: None, ..v6(128) }),
        ("2001:db8::1/64 preferred_lft 30", Vip { preferred: Some(30), ..v6(64) }),
        (
            "2001:db8::1 peer 2001:db8::2",
            Vip { peer: "2001:db8::2".parse().ok(), preferred: Some(0), ..v6(128) },
        ),
        (
            "2001:db8::1/64 -nodad home mngtmpaddr",
            Vip {
                treatment: Treatment {
                    detect_duplicates: true,
                    home: true,
                    temporaries: true,
                    ..treated
                },
                ..v6(64)
            },
        ),
    ] {
        assert_eq!(addresses(line), [expected], "{line}");
    }
}

#[test]
fn announcements_on_other_interfaces() {
    let elsewhere = |global: &str, own: &str, dev: &str| {
        let (config, _) = text(&format!(
            "global_defs {{\n{global}\n}}\nvrrp_instance V {{\n interface eth0\n virtual_router_id 5\n\
             {own}\n virtual_ipaddress {{\n 10.0.0.1 dev {dev}\n }}\n}}\n"
        ));
        config.expect("usable").instances[0].garp.elsewhere.as_secs()
    };
    assert_eq!(elsewhere("", "", "eth1"), 0);
    assert_eq!(elsewhere("vrrp_garp_extra_if all 60", "", "eth1"), 60);
    assert_eq!(elsewhere("vrrp_garp_extra_if 60 all", "garp_extra_if all 5", "eth1"), 5);
    assert_eq!(elsewhere("vrrp_garp_extra_if all 60", "garp_extra_if 0", "eth1"), 0);
    assert_eq!(elsewhere("vrrp_garp_extra_if all 60", "garp_extra_if 5", "eth1"), 0);
    assert_eq!(elsewhere("vrrp_vmac_garp_intvl all 60", "", "eth1"), 60);
    assert_eq!(elsewhere("vrrp_garp_extra_if all 60", "", "eth0"), 0, "there is no other");
}

#[test]
fn groups_of_interfaces_with_pauses() {
    let config = good(
        "garp_group {\n garp_interval 0.5\n interfaces {\n eth0\n eth1 eth2\n}\n}\n\
         garp_group {\n gna_interval 1.000001\n interface eth3\n}\n\
         vrrp_instance V {\n interface eth0\n virtual_router_id 5\n promote_secondaries\n\
         virtual_ipaddress { 10.0.0.1 }\n}\n",
    );
    assert!(config.instances[0].promote_secondaries);
    let [first, second] = config.garp_groups.as_slice() else { panic!("two groups") };
    assert_eq!(first.interfaces, ["eth0", "eth1", "eth2"].map(Into::into));
    assert_eq!((first.garp_interval, first.gna_interval), (Some(Duration::from_millis(500)), None));
    assert_eq!(second.interfaces, ["eth3".into()]);
    assert_eq!(second.gna_interval, Some(Duration::from_micros(1_000_001)));
    assert_eq!((first.numbered, second.numbered), (true, false));
}
