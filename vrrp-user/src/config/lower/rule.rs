//! Which rules does a `virtual_rules` or `static_rules` block list.
use super::parts::{drop_value, no_block};
use super::value;
use super::words::{Families, Line, any_base, network, protocol, range, realms, table, tos};
use crate::config::findings::{Findings, Span};
use crate::config::routing::{PROTOCOL, Rule, RuleAction};
use crate::config::suggest::nearest;
use crate::config::token::Word;
use crate::config::tree::Node;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vrrp_common::ident::Family;

/// A rule and its place.
pub(in crate::config) struct RuleDraft {
    pub(super) rule: Rule,
    /// `preference` was given.
    given: bool,
    pub(super) span: Span,
}

const VALUES: &[&str] = &[
    "from",
    "to",
    "table",
    "lookup",
    "preference",
    "order",
    "priority",
    "tos",
    "dsfield",
    "fwmark",
    "realms",
    "suppress_prefixlength",
    "sup_pl",
    "suppress_ifgroup",
    "sup_group",
    "dev",
    "iif",
    "oif",
    "tunnel-id",
    "tun_id",
    "uidrange",
    "protocol",
    "ipproto",
    "ip_proto",
    "sport",
    "dport",
    "goto",
];
const FLAGS: &[&str] = &[
    "not",
    "l3mdev",
    "no_track",
    "inet",
    "inet6",
    "type",
    "nop",
    "blackhole",
    "unreachable",
    "prohibit",
];

/// A rule a line, as `ip rule add` takes it, options in any order.
pub(super) fn read(node: &Node, into: &mut Vec<RuleDraft>, findings: &mut Findings) {
    for line in node.children() {
        no_block(line, findings);
        into.extend(rule(&line.words, line.span(), findings));
    }
}

/// keepalived's first priority for rules that have none; each further one is before the last.
const FIRST: u32 = 16_384;

/// Gives priorities out to the rules that have none, in the order of the file.
#[derive(Default)]
pub(super) struct Priorities {
    v4: u32,
    v6: u32,
}

impl Priorities {
    /// The rules of the next block.
    pub(super) fn settle(&mut self, drafts: &[RuleDraft], findings: &mut Findings) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let mut rule = draft.rule.clone();
            if !draft.given {
                let used = match rule.family {
                    Family::V4 => &mut self.v4,
                    Family::V6 => &mut self.v6,
                };
                rule.priority = FIRST.saturating_sub(*used);
                *used = used.saturating_add(1);
                findings
                    .warning(
                        "no-preference",
                        draft.span,
                        format!("the rule has no preference; it gets {}", rule.priority),
                    )
                    .help(
                        "say `preference N`: another rule before it in the file changes this one",
                    );
            }
            if rules.contains(&rule) {
                findings.warning("repeated", draft.span, "the rule is given again");
            } else {
                rules.push(rule);
            }
        }
        rules
    }
}

/// One line.
pub(super) fn rule(words: &[Word], span: Span, findings: &mut Findings) -> Option<RuleDraft> {
    let mut draft = Draft {
        rule: Rule::new(Family::V4, 0, RuleAction::Nop),
        families: Families::default(),
        from: None,
        to: None,
        action: None,
        table_only: None,
        given: false,
        broken: false,
    };
    let mut line = Line::new(words);
    while let Some(word) = line.next() {
        match &*word.text {
            name if VALUES.contains(&name) => {
                draft.broken |= draft.value(word, &mut line, findings).is_none();
            }
            name if FLAGS.contains(&name) => draft.flag(word, findings),
            _ => draft.unknown(word, &mut line, findings),
        }
    }
    draft.finish(span, findings)
}

fn known(word: &str) -> bool {
    VALUES.contains(&word) || FLAGS.contains(&word)
}

struct Draft<'a> {
    rule: Rule,
    families: Families<'a>,
    /// `all` has no family yet.
    from: Option<Option<(IpAddr, u8)>>,
    to: Option<Option<(IpAddr, u8)>>,
    action: Option<(RuleAction, &'a Word)>,
    /// An option that makes sense with a table only.
    table_only: Option<&'a Word>,
    given: bool,
    broken: bool,
}

impl<'a> Draft<'a> {
    /// An option that takes a value. `None` where something is wrong with it.
    fn value(
        &mut self,
        option: &'a Word,
        line: &mut Line<'a>,
        findings: &mut Findings,
    ) -> Option<()> {
        let word = line.value(option, findings)?;
        let name = &*option.text;
        match name {
            "from" => self.from = Some(self.network(word, findings)?),
            "to" => self.to = Some(self.network(word, findings)?),
            "table" | "lookup" => {
                let table = table(word, findings)?;
                self.act(RuleAction::Table(table), option, findings)?;
            }
            "goto" => {
                let target = value::number(word, 0..=u32::MAX, name, findings)?;
                self.act(RuleAction::Goto(target), option, findings)?;
            }
            "preference" | "order" | "priority" => {
                self.rule.priority = number(word, name, findings)?;
                self.given = true;
            }
            "tos" | "dsfield" => self.rule.tos = tos(word, findings)?,
            "fwmark" => self.rule.mark = Some(mark(word, findings)?),
            "realms" => {
                self.families.see(Family::V4, option, findings);
                self.rule.realms = realms(word, findings)?;
                self.table_only = Some(option);
            }
            "suppress_prefixlength" | "sup_pl" => {
                let length = value::number(word, 0..=128, name, findings)?;
                self.rule.suppress_prefix = Some(length);
                self.table_only = Some(option);
            }
            "suppress_ifgroup" | "sup_group" => {
                let group = if &*word.text == "default" {
                    0
                } else {
                    value::number(word, 0..=i32::MAX.unsigned_abs(), name, findings)?
                };
                self.rule.suppress_group = Some(group);
                self.table_only = Some(option);
            }
            "dev" | "iif" => self.rule.iif = Some(value::interface(word, findings)?),
            "oif" => self.rule.oif = Some(value::interface(word, findings)?),
            "tunnel-id" | "tun_id" => {
                let Ok(tunnel) = word.text.parse() else {
                    findings
                        .error(
                            "out-of-range",
                            word.span,
                            format!("`{name}` cannot be `{}`", word.text),
                        )
                        .label(format!("expected a number from 0 to {}", u64::MAX));
                    return None;
                };
                self.rule.tunnel = tunnel;
            }
            "uidrange" => {
                self.rule.users = Some(range(word, name, "4294967295", findings)?);
            }
            "protocol" => self.rule.protocol = Some(protocol(word, findings)?),
            "ipproto" | "ip_proto" => self.rule.ip_protocol = Some(transport(word, findings)?),
            "sport" => self.rule.source_ports = Some(ports(word, name, findings)?),
            _ => self.rule.destination_ports = Some(ports(word, name, findings)?),
        }
        Some(())
    }

    fn network(&mut self, word: &'a Word, findings: &mut Findings) -> Option<Option<(IpAddr, u8)>> {
        let network = network(word, findings)?;
        if let Some((address, _)) = network {
            self.families.address(address, word, findings);
        }
        Some(network)
    }

    fn act(&mut self, action: RuleAction, word: &'a Word, findings: &mut Findings) -> Option<()> {
        if let Some((_, before)) = self.action {
            findings
                .error("bad-rule", word.span, "a rule does one thing only")
                .label("one of table, goto, nop, blackhole, unreachable, prohibit and l3mdev")
                .also(before.span, "this is another");
            return None;
        }
        self.action = Some((action, word));
        Some(())
    }

    fn flag(&mut self, word: &'a Word, findings: &mut Findings) {
        let action = match &*word.text {
            "not" => {
                self.rule.inverted = true;
                return;
            }
            "no_track" => {
                self.rule.no_track = true;
                return;
            }
            "inet" => return self.families.see(Family::V4, word, findings),
            "inet6" => return self.families.see(Family::V6, word, findings),
            // Only a word before the action.
            "type" => return,
            "l3mdev" => RuleAction::L3mdev,
            "nop" => RuleAction::Nop,
            "blackhole" => RuleAction::Blackhole,
            "unreachable" => RuleAction::Unreachable,
            _ => RuleAction::Prohibit,
        };
        self.broken |= self.act(action, word, findings).is_none();
    }

    fn unknown(&mut self, word: &'a Word, line: &mut Line<'a>, findings: &mut Findings) {
        let name = &*word.text;
        self.broken = true;
        if name == "track_group" {
            findings.error(
                "unknown-option",
                word.span,
                "`track_group` belongs on static rules: a virtual rule is tracked by its instance",
            );
            line.skip(1);
            return;
        }
        let entry = findings.error(
            "unknown-option",
            word.span,
            format!("unknown option `{name}` of a rule"),
        );
        if let Some(near) = nearest(name, VALUES.iter().chain(FLAGS).copied()) {
            entry.help(format!("did you mean `{near}`?"));
        } else if name.parse::<IpAddr>().is_ok() || name.contains('/') {
            entry.help("write `from` or `to` before it");
        }
        let ahead = line.ahead();
        drop_value(&mut std::iter::from_fn(|| line.next()), ahead, known);
    }

    /// Settles the family and what hangs together.
    fn finish(self, span: Span, findings: &mut Findings) -> Option<RuleDraft> {
        let Self { mut rule, families, from, to, action, table_only, given, broken } = self;
        rule.family = families.settle().filter(|_| !broken)?;
        let all = match rule.family {
            Family::V4 => (Ipv4Addr::UNSPECIFIED.into(), 0),
            Family::V6 => (Ipv6Addr::UNSPECIFIED.into(), 0),
        };
        rule.from = from.map(|from| from.unwrap_or(all));
        rule.to = to.map(|to| to.unwrap_or(all));
        let Some((action, word)) = action else {
            findings.error("missing-value", span, "the rule does nothing").help(
                "give it `table N`, or goto, nop, blackhole, unreachable, prohibit or l3mdev",
            );
            return None;
        };
        rule.action = action;
        if let Some(option) = table_only
            && !matches!(action, RuleAction::Table(_) | RuleAction::L3mdev)
        {
            findings
                .error("bad-rule", option.span, format!("`{}` goes with a table only", option.text))
                .also(word.span, "not with this");
            return None;
        }
        if let RuleAction::Goto(target) = action
            && (!given || rule.priority >= target)
        {
            findings
                .error("bad-rule", word.span, format!("`goto {target}` leads back or nowhere"))
                .help("give the rule a `preference` below that");
            return None;
        }
        if !rule.no_track && rule.protocol.is_some_and(|protocol| protocol != PROTOCOL) {
            findings
                .warning("protocol", span, "`protocol` has no effect without `no_track`")
                .label("the rule is marked as keepalived's");
            rule.protocol = None;
        }
        Some(RuleDraft { rule, given, span })
    }
}

fn number(word: &Word, what: &str, findings: &mut Findings) -> Option<u32> {
    let number = any_base(&word.text);
    if number.is_none() {
        findings
            .error("out-of-range", word.span, format!("`{what}` cannot be `{}`", word.text))
            .label(format!("expected a number from 0 to {}", u32::MAX));
    }
    number
}

/// `MARK` or `MARK/MASK`.
fn mark(word: &Word, findings: &mut Findings) -> Option<(u32, Option<u32>)> {
    let both = match word.text.split_once('/') {
        Some((mark, mask)) => any_base(mark).zip(any_base(mask)).map(|(m, n)| (m, Some(n))),
        None => any_base(&word.text).map(|mark| (mark, None)),
    };
    if both.is_none() {
        findings
            .error("bad-mark", word.span, format!("`fwmark` cannot be `{}`", word.text))
            .label("expected MARK[/MASK], decimal or 0x..");
    }
    both
}

/// A protocol above IP.
fn transport(word: &Word, findings: &mut Findings) -> Option<u8> {
    let known = match &*word.text {
        "icmp" => Some(1),
        "igmp" => Some(2),
        "tcp" => Some(6),
        "udp" => Some(17),
        "dccp" => Some(33),
        "gre" => Some(47),
        "esp" => Some(50),
        "ah" => Some(51),
        "ipv6-icmp" | "icmpv6" => Some(58),
        "ospf" => Some(89),
        "vrrp" => Some(112),
        "sctp" => Some(132),
        other => other.parse().ok().filter(|number| *number > 0),
    };
    if known.is_none() {
        findings
            .error("bad-protocol", word.span, format!("`{}` is not a protocol", word.text))
            .label("expected a number from 1 to 255, or a name such as tcp, udp or icmp");
    }
    known
}

fn ports(word: &Word, what: &str, findings: &mut Findings) -> Option<(u16, u16)> {
    let ports = range::<u16>(word, what, "65535", findings)?;
    if ports.0 == 0 || ports.1 == u16::MAX {
        findings
            .error("bad-range", word.span, format!("`{what}` cannot be `{}`", word.text))
            .label("the kernel takes ports from 1 to 65534");
        return None;
    }
    Some(ports)
}
