//! Which ways does a route have.
use super::value;
use super::words::{Families, Line, realms};
use crate::config::findings::Findings;
use crate::config::routing::{NextHop, Route};
use crate::config::token::Word;
use std::net::IpAddr;
use vrrp_common::ident::Family;

/// The value of `via`: an address, perhaps after the name of its family.
pub(super) fn gateway<'a>(
    mut word: &'a Word,
    line: &mut Line<'a>,
    families: &mut Families<'a>,
    findings: &mut Findings,
) -> Option<IpAddr> {
    let named = match &*word.text {
        "inet" => Some(Family::V4),
        "inet6" => Some(Family::V6),
        _ => None,
    };
    if let Some(family) = named {
        families.see(family, word, findings);
        word = line.value(word, findings)?;
    }
    let via = value::address(word, findings)?;
    families.address(via, word, findings);
    Some(via)
}

/// A next hop with nothing but its gateway.
pub(super) const fn plain(via: IpAddr) -> NextHop {
    NextHop { via: Some(via), dev: None, weight: None, onlink: false, realms: 0 }
}

/// Reads all next hops of a route, of which `first` begins the first. Nothing stands behind them.
pub(super) fn read<'a>(
    first: &'a Word,
    line: &mut Line<'a>,
    route: &mut Route,
    families: &mut Families<'a>,
    known: &dyn Fn(&str) -> bool,
    findings: &mut Findings,
) -> bool {
    let mut good = true;
    let mut begin = Some(first);
    while let Some(word) = begin.take() {
        let mut hop = NextHop { via: None, dev: None, weight: None, onlink: false, realms: 0 };
        while let Some(option) = line.next() {
            if &*option.text == "nexthop" {
                begin = Some(option);
                break;
            }
            good &= self::option(option, line, &mut hop, families, known, findings).is_some();
        }
        if hop.via.is_none() && hop.dev.is_none() && good {
            findings
                .error("missing-value", word.span, "the next hop leads nowhere")
                .help("give it `via ADDRESS` or `dev NAME`");
            good = false;
        }
        route.hops.push(hop);
    }
    good
}

fn option<'a>(
    option: &'a Word,
    line: &mut Line<'a>,
    hop: &mut NextHop,
    families: &mut Families<'a>,
    known: &dyn Fn(&str) -> bool,
    findings: &mut Findings,
) -> Option<()> {
    match &*option.text {
        "onlink" => hop.onlink = true,
        "via" => {
            let word = line.value(option, findings)?;
            hop.via = Some(gateway(word, line, families, findings)?);
        }
        "dev" => hop.dev = Some(value::interface(line.value(option, findings)?, findings)?),
        "weight" => {
            let word = line.value(option, findings)?;
            let weight = value::number(word, 1..=256, "weight", findings)?;
            hop.weight = u16::try_from(weight).ok();
        }
        "realms" => {
            families.see(Family::V4, option, findings);
            hop.realms = realms(line.value(option, findings)?, findings)?;
        }
        name @ ("encap" | "as") => {
            findings.error(
                "not-built",
                option.span,
                format!("`{name}` on a next hop is known to keepalived and not built yet"),
            );
            while line.ahead().is_some_and(|word| &*word.text != "nexthop") {
                line.next();
            }
            return None;
        }
        name if known(name) => {
            findings
                .error("bad-route", option.span, format!("`{name}` is no option of a next hop"))
                .help("options of the route stand before its first `nexthop`");
            return None;
        }
        name => {
            findings
                .error(
                    "unknown-option",
                    option.span,
                    format!("unknown option `{name}` of a next hop"),
                )
                .label("a next hop takes via, dev, weight, realms and onlink");
            return None;
        }
    }
    Some(())
}
