//! How should the thread that adverts depend on be scheduled.
use super::value;
use crate::config::findings::Findings;
use crate::config::tree::Node;

/// `vrrp_priority`.
pub(super) fn nice(node: &Node, findings: &mut Findings) -> Option<i8> {
    let word = node.arguments().first()?;
    let nice = word.text.parse().ok().filter(|nice| (-20..=19).contains(nice));
    if nice.is_none() {
        findings
            .error(
                "out-of-range",
                word.span,
                format!("`{}` cannot be `{}`", node.keyword(), word.text),
            )
            .label("expected a number from -20 to 19");
    }
    nice
}

/// `vrrp_rt_priority`; keepalived moves what is out of range into it.
pub(super) fn realtime(node: &Node, findings: &mut Findings) -> Option<u8> {
    let word = node.arguments().first()?;
    value::byte(word, 1..=99, node.keyword(), findings)
}

/// `vrrp_cpu_affinity`.
pub(super) fn processors(node: &Node, findings: &mut Findings) -> Vec<u16> {
    let most = 0..=1023;
    let numbers = node
        .arguments()
        .iter()
        .filter_map(|word| value::number(word, most.clone(), node.keyword(), findings));
    numbers.filter_map(|number| u16::try_from(number).ok()).collect()
}
