//! Which values do `~SEQ`, `~SEQx` and `~LST` run through.

/// Rounds of one sequence; nested ones multiply and are bounded by the text they produce.
const ROUNDS: i128 = 1 << 20;

/// Variables and the values they take together, round by round.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Sequence {
    pub(super) names: Vec<String>,
    pub(super) rounds: Vec<Vec<String>>,
}

/// Reads the sequence at the start of `text`; also how long it is.
pub(super) fn parse(text: &str) -> Option<(Sequence, usize)> {
    let end = text.find(')')?;
    let (head, arguments) = text[..end].split_once('(')?;
    let sequence = match head {
        "~SEQ" => numbers(arguments, false),
        "~SEQx" => numbers(arguments, true),
        "~LST" => list(arguments),
        _ => None,
    }?;
    Some((sequence, end + 1))
}

fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok()?,
        None => digits.parse::<i64>().ok()?,
    };
    Some(if negative { value.checked_neg()? } else { value })
}

fn numbers(arguments: &str, hexadecimal: bool) -> Option<Sequence> {
    let mut parts = arguments.split(',').map(str::trim);
    let name = parts.next().filter(|name| is_name(name))?;
    let values = parts.map(number).collect::<Option<Vec<i64>>>()?;
    let (start, step, end) = match *values.as_slice() {
        [end] => (if end > 0 { 1 } else { -1 }, None, end),
        [start, end] => (start, None, end),
        [start, step, end] => (start, Some(step), end),
        _ => return None,
    };
    let step = step.unwrap_or(if end >= start { 1 } else { -1 });
    if step == 0 || (i128::from(end) - i128::from(start)) / i128::from(step) >= ROUNDS {
        return None;
    }
    let mut rounds = Vec::new();
    let mut value = start;
    while if step > 0 { value <= end } else { value >= end } {
        rounds.push(vec![if hexadecimal { format!("{value:x}") } else { value.to_string() }]);
        let Some(next) = value.checked_add(step) else { break };
        value = next;
    }
    Some(Sequence { names: vec![name.to_owned()], rounds })
}

fn list(arguments: &str) -> Option<Sequence> {
    let mut groups = groups(arguments)?.into_iter();
    let names = groups.next()?;
    if !names.iter().all(|name| is_name(name)) {
        return None;
    }
    let rounds: Vec<_> = groups.collect();
    let fits = !rounds.is_empty() && rounds.iter().all(|values| values.len() == names.len());
    fits.then_some(Sequence { names, rounds })
}

/// Splits `a, {b, c}` into `[a]`, `[b, c]`.
fn groups(text: &str) -> Option<Vec<Vec<String>>> {
    let mut groups = Vec::new();
    let mut rest = text.trim();
    loop {
        let after = match rest.strip_prefix('{') {
            Some(group) => {
                let (inside, after) = group.split_once('}')?;
                groups.push(inside.split(',').map(|part| part.trim().to_owned()).collect());
                after.trim_start()
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                groups.push(vec![rest[..end].trim().to_owned()]);
                &rest[end..]
            }
        };
        match after.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None => return after.is_empty().then_some(groups),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && super::variable::name_len(text) == text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(text: &str) -> Vec<String> {
        let (sequence, _) = parse(text).expect("a sequence");
        sequence.rounds.iter().map(|values| values.join("/")).collect()
    }

    #[test]
    fn numbers_up_down_and_in_hexadecimal() {
        assert_eq!(rounds("~SEQ(A, 0, 3) x"), ["0", "1", "2", "3"]);
        assert_eq!(rounds("~SEQ(A, 3)"), ["1", "2", "3"]);
        assert_eq!(rounds("~SEQ(A,168,2,172)"), ["168", "170", "172"]);
        assert_eq!(rounds("~SEQ(A, 2, 0)"), ["2", "1", "0"]);
        assert_eq!(rounds("~SEQx(A, 0x90, 0x10, 0xc0)"), ["90", "a0", "b0", "c0"]);
        assert_eq!(rounds("~SEQx(A, 0x12, -1, 0x10)"), ["12", "11", "10"]);
    }

    #[test]
    fn lists_of_one_and_of_several() {
        assert_eq!(rounds("~LST(A, 1, x, 3)"), ["1", "x", "3"]);
        assert_eq!(rounds("~LST({A,  B}, {10,1},{20,4})"), ["10/1", "20/4"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "~SEQ(",
            "~SEQ()",
            "~SEQ(A)",
            "~SEQ(A,1,0,3)",
            "~SEQ(A,1,2,3,4)",
            "~SEQ(A,0,99999999999)",
            "~SEQ(1A,1,2)",
            "~LST(A)",
            "~LST({A,B},{1})",
            "~FOO(A,1)",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
