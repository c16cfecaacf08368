//! Does an address with `no_track` outlive its link, and one without behave as keepalived's does.
//!
//! The router is alone on its segment. One address is on its own interface `eth0`, the other on
//! `eth4`, which goes away in every way an interface can. Tracked addresses are tried with
//! keepalived too: what is asked of xvrrp is what keepalived was seen to do. The rows are those of
//! a table with two columns, tracked and `no_track`.
//!
//! - [`loss`]: rows 1 to 9, `eth4` is lost
//! - [`company`]: rows 10 to 21, together with what else depends on `eth4`
mod bed;
mod company;
mod loss;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{Case, case, run_all};
use vrrp_tests::lab::daemon::Kind;
use vrrp_tests::lab::switch::Port;

use bed::{Bed, Variant};

fn rows(variant: Variant) -> Vec<Case<'static>> {
    let family = if variant.ipv6 { "IPv6" } else { "IPv4" };
    let how = if variant.no_track { "no_track" } else { "tracked" };
    let row = |number: u8, work: fn(&Bed)| {
        let name = format!("row {number} {how} {family} {:?}", variant.kind);
        case(name, move || work(&Bed::new(variant)))
    };
    let mut rows = vec![
        row(1, loss::starts_while_down),
        row(4, |bed| loss::goes_and_comes(bed, |_, port| port.cut(), |_, port| port.mend())),
        row(if variant.ipv6 { 6 } else { 5 }, |bed| {
            let down = |bed: &Bed, _: &Port| drop(bed.us.ip("link set eth4 down"));
            let up = |bed: &Bed, _: &Port| drop(bed.us.ip("link set eth4 up"));
            loss::goes_and_comes(bed, down, up);
        }),
        row(7, loss::deleted_and_created),
        row(9, loss::removed_by_hand),
    ];
    if !variant.ipv6 {
        rows.push(row(2, loss::starts_without_device));
        rows.push(row(3, loss::starts_with_dynamic_interfaces));
        rows.push(row(8, loss::reloaded_after_loss));
        rows.push(row(10, company::other_address_removed));
        rows.push(row(19, company::as_backup));
        rows.push(row(21, company::a_thousand_flaps));
        let with = |number: u8, more: &'static str, work: fn(&Bed)| {
            let name = format!("row {number} {how} {family} {:?}", variant.kind);
            case(name, move || work(&Bed { more: more.into(), ..Bed::new(variant) }))
        };
        rows.extend([
            with(
                11,
                "track_interface {
 eth4
 }",
                company::always_faults,
            ),
            with(
                12,
                "track_interface {
 eth4 weight -20
 }",
                company::tracked_by_weight,
            ),
            with(
                13,
                "virtual_routes {
 192.0.2.0/24 dev eth4 no_track
 }",
                company::with_route_no_track,
            ),
            with(
                14,
                "virtual_routes {
 192.0.2.0/24 dev eth4
 }",
                company::always_faults,
            ),
            with(16, "dont_track_primary", company::primary_not_tracked),
        ]);
    }
    rows
}

const fn variant(kind: Kind, no_track: bool, ipv6: bool) -> Variant {
    Variant { kind, no_track, ipv6 }
}

/// The table's left column is true of keepalived.
#[test]
fn tracked_in_keepalived() {
    if gate::open(&[Need::Root, Need::Keepalived]) {
        run_all(8, rows(variant(Kind::Keepalived, false, false)));
    }
}

/// The left column is true of xvrrp.
#[test]
fn tracked() {
    if gate::open(&[Need::Root]) {
        let mut cases = rows(variant(Kind::Xvrrp, false, false));
        cases.extend(rows(variant(Kind::Xvrrp, false, true)));
        run_all(8, cases);
    }
}

/// The right column is true of xvrrp.
#[test]
fn no_track() {
    if gate::open(&[Need::Root]) {
        let mut cases = rows(variant(Kind::Xvrrp, true, false));
        cases.extend(rows(variant(Kind::Xvrrp, true, true)));
        cases.push(case("row 6 no_track no_repair IPv6 Xvrrp", || {
            let mut bed = Bed::new(variant(Kind::Xvrrp, true, true));
            bed.more = "no_repair".into();
            loss::without_repair(&bed);
        }));
        run_all(8, cases);
    }
}
