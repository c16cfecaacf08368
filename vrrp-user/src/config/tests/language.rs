//! Does the loader read the language as keepalived does.
use super::*;

/// A host with an environment, and a directory that has another name in full.
struct Surroundings(Memory);

impl Source for Surroundings {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        self.0.read(path)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, Unreadable> {
        self.0.glob(pattern)
    }

    fn config_id(&self) -> String {
        "main".to_owned()
    }

    fn environment(&self, name: &str) -> Option<String> {
        (name == "SITE_1").then(|| "paris".to_owned())
    }

    fn seed(&self) -> u32 {
        5
    }

    fn directory(&self, path: &Path) -> PathBuf {
        Path::new("/real").join(path)
    }
}

/// What the router is called, of a text whose `global_defs` this is, and what was found.
fn called(globals: &str) -> (Option<String>, Vec<String>) {
    let text = format!(
        "{globals}\nvrrp_instance V {{\n interface eth0\n virtual_router_id 5\n\
         virtual_ipaddress {{ 10.0.0.1 }}\n}}\n"
    );
    let source =
        Surroundings(files(&[("etc/t.conf", &text), ("etc/sub/a.conf", "router_id ${_PWD}\n")]));
    let (config, diagnostics) = load(Path::new("etc/t.conf"), &source);
    (config.and_then(|config| config.globals.router_id), lines(&diagnostics))
}

fn named(globals: &str) -> String {
    let (name, found) = called(globals);
    assert_eq!(found, [] as [&str; 0], "{globals}");
    name.expect("a name")
}

#[test]
fn names_that_need_no_definition() {
    for (word, expected) in [
        ("a${_HASH}b", "a#b"),
        ("a${_BANG}b", "a!b"),
        ("${_INSTANCE}", "main"),
        ("${_PWD}", "/real/etc"),
        ("$_PWD", "/real/etc"),
        ("${_ENV SITE_1}", "paris"),
        ("x-${_ENV  SITE_1}-y", "x-paris-y"),
        ("${_RANDOM 7 7}", "7"),
        // 590011675, 99788765 and 2131925610 are the first of this seed.
        ("${_RANDOM}", "23835"),
        ("$_RANDOM", "23835"),
        ("${_RANDOM 1 10}", "6"),
        ("${_RANDOM 30000}", "31403"),
        ("${_RANDOM}-${_RANDOM}", "23835-10205"),
    ] {
        assert_eq!(named(&format!("global_defs {{\n router_id {word}\n}}")), expected, "{word}");
    }
    // In a definition it is replaced where that is used, each time anew.
    let twice = "$R=${_RANDOM}\nglobal_defs {\n router_id ${R}-${R}\n}";
    assert_eq!(named(twice), "23835-10205");
    // They may be defined.
    assert_eq!(named("$_RANDOM=x\nglobal_defs {\n router_id ${_RANDOM}\n}"), "x");
    assert_eq!(named("global_defs {\n include sub/a.conf\n}"), "/real/etc/sub");
}

#[test]
fn a_seed_makes_numbers_the_same_each_time() {
    let seeded = "global_defs {\n router_id ${_RANDOM}\n random_seed 1\n}";
    assert_eq!(named(seeded), (1_804_289_383 % 32_768).to_string());
    let (_, found) = called("global_defs {\n random_seed x\n router_id ${_RANDOM}\n}");
    assert_eq!(found, ["etc/t.conf:2:14: error: `random_seed` cannot be `x`"]);
    // A problem is told once, though the text is read twice.
    let (_, found) = called("global_defs {\n random_seed 1\n router_idd ${_RANDOM}\n}");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn what_is_wrong_with_a_built_in_is_told_with_its_place() {
    for (word, expected) in [
        ("${_RANDOM a}", "3:12: error: `${_RANDOM}` takes up to two whole numbers"),
        ("${_RANDOM 1 2 3}", "3:12: error: `${_RANDOM}` takes up to two whole numbers"),
        ("${_RANDOM 1 99999999999}", "3:12: error: `${_RANDOM}` takes up to two whole numbers"),
        ("${_RANDOM 9 3}", "3:12: error: there is no number from 9 to 3"),
        ("${_RANDOM 40000}", "3:12: error: there is no number from 40000 to 32767"),
        ("${_ENV}", "3:12: error: `${_ENV}` needs one name"),
        ("${_ENV A B}", "3:12: error: `${_ENV}` needs one name"),
        ("x${_ENV NONE}", "3:13: warning: there is no `NONE` in the environment"),
    ] {
        let (_, found) = called(&format!("global_defs {{\n\n router_id {word}\n}}"));
        let told = found.iter().any(|line| line.starts_with(&format!("etc/t.conf:{expected}")));
        assert!(told && (found.len() == 1 || word.contains("NONE")), "{word}: {found:?}");
    }
}

#[test]
fn comments() {
    for (line, expected) in [
        ("router_id a#b", "a"),
        ("router_id a!b", "a"),
        ("router_id a\\#b # c", "a#b"),
        ("router_id a\\!b\\#c!d", "a!b#c"),
        ("router_id \"a#b!c\" # d", "a#b!c"),
        ("router_id a ! \"b", "a"),
        ("!router_id b\n#router_id c\nrouter_id a", "a"),
    ] {
        assert_eq!(named(&format!("global_defs {{\n {line}\n}}")), expected, "{line}");
    }
}

#[test]
fn quotes_and_escapes_of_each_kind() {
    for (word, expected) in [
        (r#""a b""#, "a b"),
        (r#"'a b'"#, "a b"),
        (r#"a" b 'c"d"#, "a b 'cd"),
        (r#""\a\b\E\f\n\r\t\v""#, "\x07\x08\x1b\x0c\n\r\t\x0b"),
        (r#""\101\7\0601""#, "A\x0701"),
        (r#""\x41\x7a""#, "Az"),
        (r#""\cA\c[""#, "\x01\x1b"),
        (r#""\\\"\'\q""#, "\\\"'q"),
    ] {
        assert_eq!(named(&format!("global_defs {{\n router_id {word}\n}}")), expected, "{word}");
    }
    let (_, found) = called("global_defs {\n router_id \"a\n}");
    assert!(found[0].starts_with("etc/t.conf:2:12: error: the quote \" is never closed"));
}

#[test]
fn definitions() {
    for (text, expected) in [
        ("$A=x\nglobal_defs {\n router_id $A\n}", "x"),
        ("$A=  x\nglobal_defs {\n router_id y${A}z\n}", "yxz"),
        // The bare form ends at white space, a comma or a closing parenthesis.
        ("$A=x\nglobal_defs {\n router_id $A,$A)$A\n}", "x,x)x"),
        ("$A=1\n$B=${A}2\n$A=3\nglobal_defs {\n router_id ${B}\n}", "32"),
        ("@main $A=x\n@^main $A=y\n@other $A=z\nglobal_defs {\n router_id $A\n}", "x"),
        ("$A=\\\nrouter_id x \\\n\nglobal_defs {\n $A\n}", "x"),
        // A comment inside does not end it.
        ("$A=\\\n # first\\\nrouter_id y \\\n # second\n\nglobal_defs {\n $A\n}", "y"),
        ("$IN= \\\nrouter_id ${X}\n$OUT=\\\nglobal_defs { \\\n$IN \\\n}\n$X=deep\n$OUT", "deep"),
        ("~SEQ(N, 3) $A=${N}\nglobal_defs {\n router_id $A\n}", "3"),
        ("~SEQx(N, 9, 11) $A=${N}\nglobal_defs {\n router_id $A\n}", "b"),
        ("~LST({A, B}, {1, 2}, {3, 4}) $C=${A}${B}\nglobal_defs {\n router_id $C\n}", "34"),
        ("~SEQ(I,1,2) ~LST(J,a,b) $C=${I}${J}\nglobal_defs {\n router_id $C\n}", "2b"),
    ] {
        assert_eq!(named(text), expected, "{text}");
    }
    let (name, found) = called("global_defs {\n router_id ${A}$B\n}");
    assert_eq!(name.as_deref(), Some("${A}$B"), "left as it is");
    assert_eq!(found, ["etc/t.conf:2:12: warning: `${A}` is not defined"]);
}

#[test]
fn braces_stand_where_they_like() {
    for text in [
        "global_defs\n{\n router_id x\n}",
        "global_defs {router_id x}",
        "global_defs\n\n# c\n{ router_id x\n}",
        "global_defs { # c\n router_id x }",
    ] {
        assert_eq!(named(text), "x", "{text}");
    }
}

#[test]
fn every_kind_of_include() {
    let source = files(&[
        (
            "/etc/m.conf",
            "include a.inc\ninclude sub/{b,c}.inc\nincluder d?.inc\nincludem \"[e]*.inc\"\n\
          includew f.inc\nincludeb f.inc\nincludea f.inc\nincludex f.inc\n",
        ),
        ("/etc/a.inc", "a\n"),
        ("/etc/sub/b.inc", "b\n"),
        ("/etc/sub/c.inc", "c\n"),
        ("/etc/d1.inc", "d1\n"),
        ("/etc/d2.inc", "d2\n"),
        ("/etc/e.inc", "e\n"),
        ("/etc/f.inc", "f\n"),
    ]);
    let (_, diagnostics) = load(Path::new("/etc/m.conf"), &source);
    let read = |found: &Diagnostic| found.message.split('`').nth(1).map(str::to_owned);
    let words: Vec<String> = diagnostics.iter().filter_map(read).collect();
    let expected = ["a", "b", "c", "d1", "d2", "e", "f", "f", "f", "includex"];
    assert_eq!(words[..expected.len()], expected);
}

/// As keepalived since 2025: what a C string ends at is no part of a line.
#[test]
fn control_characters_are_refused() {
    for (text, column) in [("a\0b", 2), ("\0", 1), ("router_id x\0", 12)] {
        let (config, found) = called(text);
        assert!(config.is_none());
        let expected = format!("etc/t.conf:1:{column}: error: control character 0x00 in the text");
        assert!(found.contains(&expected), "{text:?}: {found:?}");
    }
}
