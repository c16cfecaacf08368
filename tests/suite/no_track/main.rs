//! Does an address with `no_track` outlive its link, and one without behave as keepalived's does.
//!
//! The router is alone on its segment. One address is on its own interface `eth0`, the other on
//! `eth4`, which goes away in every way an interface can. Tracked addresses are tried with
//! keepalived too: what is asked of xvrrp is what keepalived was seen to do. The rows are those of
//! `cases/no_track.tsv`, in whose columns each is tracked, `no_track`, and `no_track` without
//! repair.
//!
//! - [`loss`]: `eth4` is lost
//! - [`company`]: together with what else depends on `eth4`
//! - [`storm`]: it flaps
//! - [`kept`]: what `no_repair` leaves alone
//! - [`table`]: whether every row has its cases
mod bed;
mod company;
mod kept;
mod loss;
mod storm;
mod table;

use vrrp_tests::gate::{self, Need};
use vrrp_tests::lab::cases::{Case, case, run_all};
use vrrp_tests::lab::daemon::Kind;

use bed::{Bed, Variant};

/// The columns of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Tracked,
    NoTrack,
    NoRepair,
}

/// One case: which row and column it shows, in which families, and how.
struct Row {
    number: u8,
    name: &'static str,
    column: Column,
    families: &'static [bool],
    /// Whether keepalived does it, too.
    keepalived: bool,
    /// More lines of the instance.
    more: &'static str,
    work: fn(&Bed),
}

const V4: &[bool] = &[false];
const V6: &[bool] = &[true];
const BOTH: &[bool] = &[false, true];

const fn row(number: u8, name: &'static str, column: Column, work: fn(&Bed)) -> Row {
    let keepalived = !matches!(column, Column::NoTrack);
    Row { number, name, column, families: BOTH, keepalived, more: "", work }
}

fn rows() -> Vec<Row> {
    use Column::{NoRepair, NoTrack, Tracked};
    const TRACK: &str = "track_interface {\n eth4\n }";
    const WEIGHT: &str = "track_interface {\n eth4 weight -20\n }";
    const ROUTE_NO_TRACK: &str = "virtual_routes {\n NET dev eth4 no_track\n }";
    const ROUTE: &str = "virtual_routes {\n NET dev eth4\n }";
    const REFRESH: &str = "garp_master_refresh 1";
    let mut rows = Vec::new();
    let mut both = |number, name, more, families, work: fn(&Bed)| {
        for column in [Tracked, NoTrack] {
            rows.push(Row { more, families, ..row(number, name, column, work) });
        }
    };
    both(1, "down at the start", "", BOTH, loss::starts_while_down);
    both(2, "missing at the start", "", BOTH, loss::starts_without_device);
    both(3, "missing and dynamic", "", BOTH, loss::starts_with_dynamic_interfaces);
    both(4, "carrier", "", BOTH, loss::carrier);
    both(5, "set down", "", V4, loss::admin);
    both(6, "set down", "", V6, loss::admin);
    both(7, "deleted", "", BOTH, loss::deleted_and_created);
    both(8, "reload", "", BOTH, loss::reloaded_after_loss);
    both(9, "removed by hand", "", BOTH, loss::removed_by_hand);
    both(10, "the other removed by hand", "", BOTH, company::other_address_removed);
    both(11, "tracked interface", TRACK, BOTH, company::tracked_interface);
    both(12, "weight", WEIGHT, BOTH, company::tracked_by_weight);
    both(13, "route with no_track", ROUTE_NO_TRACK, BOTH, company::with_route_no_track);
    both(14, "tracked route", ROUTE, BOTH, company::with_route_tracked);
    both(15, "sync group", "", BOTH, company::in_a_group);
    both(16, "primary not tracked", "dont_track_primary", BOTH, company::primary_not_tracked);
    both(17, "on the primary", "", BOTH, company::on_the_primary);
    both(18, "refresh", REFRESH, BOTH, company::refreshed);
    both(19, "backup", "", BOTH, company::as_backup);
    both(21, "a thousand flaps", "", BOTH, storm::a_thousand_flaps);
    both(22, "overrun", "", BOTH, storm::overrun);
    both(23, "renamed", "", BOTH, loss::renamed);
    both(23, "moved", "", BOTH, loss::moved);
    let two = "track_interface {\n eth4\n eth5\n }";
    // keepalived 2.2.7 does not find its way back from an overrun.
    for row in rows.iter_mut().filter(|row| row.number == 22) {
        row.keepalived = false;
    }
    let second = row(20, "one of two returns", Tracked, company::one_of_two_returns);
    rows.push(Row { more: two, ..second });
    rows.extend([
        row(1, "down at the start", NoRepair, kept::starts_while_down),
        row(3, "missing and dynamic", NoRepair, kept::starts_without_device),
        row(4, "carrier", NoRepair, kept::carrier),
        Row { families: V4, ..row(5, "set down", NoRepair, kept::admin) },
        Row { families: V6, ..row(6, "set down", NoRepair, kept::admin) },
        row(7, "deleted", NoRepair, kept::deleted_and_created),
        row(9, "removed by hand", NoRepair, kept::removed_by_hand),
        Row { more: ROUTE_NO_TRACK, ..row(13, "route", NoRepair, kept::with_route) },
    ]);
    rows
}

/// Runs the cases of a column with one of the daemons.
fn run(column: Column, kind: Kind) {
    let rows = rows()
        .into_iter()
        .filter(|row| row.column == column && (kind == Kind::Xvrrp || row.keepalived));
    // A storm holds the kernel's lock of all network configuration, of every namespace.
    let (storms, others): (Vec<Row>, Vec<Row>) = rows.partition(|row| STORMS.contains(&row.number));
    run_all(8, others.into_iter().flat_map(|row| cases(&row, kind)).collect());
    run_all(1, storms.into_iter().flat_map(|row| cases(&row, kind)).collect());
}

const STORMS: [u8; 2] = [21, 22];

fn cases(row: &Row, kind: Kind) -> Vec<Case<'static>> {
    let (column, more, work) = (row.column, row.more, row.work);
    let one = |&ipv6: &bool| {
        let family = if ipv6 { "IPv6" } else { "IPv4" };
        let name = format!("row {} ({}) {column:?} {family} {kind:?}", row.number, row.name);
        let variant = Variant { kind, no_track: column != Column::Tracked, ipv6 };
        let no_repair = (column, kind) == (Column::NoRepair, Kind::Xvrrp);
        let more = format!("{more}\n{}", if no_repair { "no_repair" } else { "" });
        case(name, move || work(&Bed::new(variant, &more)))
    };
    row.families.iter().map(one).collect()
}

/// The table's left column is true of keepalived.
#[test]
fn tracked_in_keepalived() {
    if gate::open(&[Need::Root, Need::Keepalived]) {
        run(Column::Tracked, Kind::Keepalived);
    }
}

/// The left column is true of xvrrp.
#[test]
fn tracked() {
    if gate::open(&[Need::Root]) {
        run(Column::Tracked, Kind::Xvrrp);
    }
}

/// The right column is true of xvrrp.
#[test]
fn no_track() {
    if gate::open(&[Need::Root]) {
        run(Column::NoTrack, Kind::Xvrrp);
    }
}

/// What keepalived does not repair.
#[test]
fn no_track_in_keepalived() {
    if gate::open(&[Need::Root, Need::Keepalived]) {
        run(Column::NoRepair, Kind::Keepalived);
    }
}

/// Nor does xvrrp where it is told so.
#[test]
fn no_repair() {
    if gate::open(&[Need::Root]) {
        run(Column::NoRepair, Kind::Xvrrp);
    }
}
