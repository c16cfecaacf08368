//! Are Skew_Time and Active_Down_Interval exact: tables made from the formulas, not by this code.
use std::time::Duration;
use vrrp_common::ident::{Priority, Version};
use xvrrp::engine::timing::{down_interval, skew};

/// Microseconds with up to three decimals, as nanoseconds.
fn nanos(text: &str) -> u64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 3, "{text}");
    format!("{whole}{fraction:0<3}").parse().unwrap()
}

/// The table rounds half a nanosecond to the even neighbour; a timer ends with the whole one.
fn assert_exact(actual: Duration, table: u64, halves: u64, line: &str) {
    let actual = u64::try_from(actual.as_nanos()).unwrap();
    assert_eq!(actual + (halves & actual & 1), table, "{line}");
}

fn rows(table: &str) -> impl Iterator<Item = (&str, u64, Priority, u64, u64)> {
    table.lines().skip(1).map(|line| {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap();
        let interval = next().parse().unwrap();
        let priority = Priority(next().parse().unwrap());
        (line, interval, priority, nanos(next()), nanos(next()))
    })
}

#[test]
fn version_3() {
    let mut count = 0;
    for (line, centis, priority, skew_table, down_table) in
        rows(include_str!("../cases/derived-timers-v3.tsv"))
    {
        let interval = Duration::from_millis(centis * 10);
        // 10 ms / 256 = 39 062.5 ns.
        let halves = (256 - u64::from(priority.0)) * centis;
        assert_exact(skew(Version::V3, interval, priority), skew_table, halves, line);
        let down = down_interval(Version::V3, interval, priority, 3);
        assert_exact(down, down_table, halves, line);
        count += 1;
    }
    assert_eq!(count, 77);
}

#[test]
fn version_2() {
    let mut count = 0;
    for (line, seconds, priority, skew_table, down_table) in
        rows(include_str!("../cases/derived-timers-v2.tsv"))
    {
        let interval = Duration::from_secs(seconds);
        assert_exact(skew(Version::V2, interval, priority), skew_table, 0, line);
        assert_exact(down_interval(Version::V2, interval, priority, 3), down_table, 0, line);
        count += 1;
    }
    assert_eq!(count, 42);
}

#[test]
fn every_priority_has_its_own_skew_at_every_interval() {
    for centis in 1..=4095 {
        let interval = Duration::from_millis(centis * 10);
        let mut last = Duration::ZERO;
        for priority in (1..=255).rev() {
            let exact = (256 - u128::from(priority)) * u128::from(centis) * 10_000_000;
            let skew = skew(Version::V3, interval, Priority(priority));
            assert!(skew > last);
            assert_eq!(skew.as_nanos(), exact / 256);
            last = skew;
        }
    }
}
