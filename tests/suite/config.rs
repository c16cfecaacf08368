//! What does `xvrrp check` print for a file: each `cases/config/*/NAME.conf` beside the text it
//! must give. `XVRRP_BLESS=1` writes the texts anew.
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use xvrrp::cli::files::Files;
use xvrrp::config::source::{Source, Unreadable};
use xvrrp::config::{load, render};

/// The cases as a file system of their own, so that no message names where they are kept.
struct Cases {
    root: PathBuf,
    files: Files,
}

impl Source for Cases {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        self.files.read(&self.root.join(path))
    }

    fn glob(&self, pattern: &str) -> Result<Vec<PathBuf>, Unreadable> {
        let found = self.files.glob(&self.root.join(pattern).to_string_lossy())?;
        let inside = |path: PathBuf| path.strip_prefix(&self.root).map(Path::to_path_buf).ok();
        Ok(found.into_iter().filter_map(inside).collect())
    }

    fn config_id(&self) -> String {
        self.files.config_id()
    }
}

fn cases() -> Cases {
    Cases {
        root: Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/config"),
        files: Files { config_id: Some("main".to_owned()) },
    }
}

/// What a user sees, and whether the file can be used.
fn check(path: &Path, source: &dyn Source) -> (String, bool) {
    let (config, diagnostics) = load(path, source);
    let mut text = String::new();
    for diagnostic in &diagnostics {
        text.push_str(&format!("{}\n\n", render::pretty(diagnostic, false)));
    }
    text.push_str(&format!("{}\n", render::summary(&diagnostics)));
    (text, config.is_some())
}

#[test]
fn every_file_gives_its_text() {
    let cases = cases();
    let bless = std::env::var_os("XVRRP_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (directory, usable) in [("good", true), ("bad", false)] {
        let files = cases.glob(&format!("{directory}/*.conf")).expect("the cases are readable");
        for file in files {
            seen += 1;
            let (text, used) = check(&file, &cases);
            assert_eq!(used, usable, "{}:\n{text}", file.display());
            let expected = cases.root.join(file.with_extension("expected"));
            if bless {
                std::fs::write(&expected, &text).expect("the expected text is written");
            } else if std::fs::read_to_string(&expected).unwrap_or_default() != text {
                wrong.push(format!("{}:\n{text}", file.display()));
            }
        }
    }
    assert!(seen > 10, "only {seen} cases found");
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn the_list_of_keywords_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/keywords.md");
    let text = xvrrp::config::keyword::markdown();
    if std::env::var_os("XVRRP_BLESS").is_some() {
        std::fs::write(&file, &text).expect("the list is written");
    }
    let written = std::fs::read_to_string(&file).expect("the list is there");
    assert_eq!(written, text, "write it anew with XVRRP_BLESS=1");
}

/// Nobody reads what is printed: it is said all the same how it went.
#[test]
fn a_closed_output_changes_no_exit_status() {
    let path = std::env::temp_dir().join(format!("xvrrp-closed-{}", std::process::id()));
    let good = "global_defs {\n script_user nobody\n}\nvrrp_instance V {\n interface eth0\n\
                virtual_router_id 1\n virtual_ipaddress { 192.0.2.1 }\n}\n";
    std::fs::write(&path, good).expect("written");
    let path = path.to_str().expect("UTF-8");
    let closed = || std::io::pipe().expect("a pipe").1;
    let status = |arguments: &[&str]| {
        let mut command = std::process::Command::new(vrrp_tests::lab::daemon::binary());
        command.args(arguments).stdout(closed()).stderr(closed());
        command.status().expect("it runs").code()
    };
    assert_eq!(status(&["check", path]), Some(0));
    assert_eq!(status(&["check", "--json", path]), Some(0));
    assert_eq!(status(&["check", "/no/such/file"]), Some(5));
    assert_eq!(status(&["run", "--config", "/no/such/file"]), Some(2));
    assert_eq!(status(&["show", "--control", path]), Some(1));
    assert_eq!(status(&["doctor", "no-such-interface"]), Some(1));
    std::fs::remove_file(path).expect("removed");
}

#[test]
fn json_names_place_and_remedy() {
    let (_, diagnostics) = load(Path::new("bad/typo.conf"), &cases());
    let json = render::json(&diagnostics).expect("JSON");
    let json: serde_json::Value = serde_json::from_str(&json).expect("it parses again");
    assert_eq!(json["errors"], 1);
    let first = &json["diagnostics"][0];
    assert_eq!(first["code"], "unknown-keyword");
    assert_eq!(first["place"]["file"], "bad/typo.conf");
    assert_eq!(first["place"]["line"], 4);
    assert_eq!(first["place"]["column"], 3);
    assert_eq!(first["help"], "did you mean `advert_int`?");
}

/// One file in memory.
struct Text(String);

impl Source for Text {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        match path.to_str() {
            Some("t") => Ok(self.0.clone().into_bytes()),
            _ => Err(Unreadable::Missing),
        }
    }

    fn glob(&self, _: &str) -> Result<Vec<PathBuf>, Unreadable> {
        Ok(vec![PathBuf::from("t")])
    }

    fn config_id(&self) -> String {
        "main".to_owned()
    }
}

/// The document that keepalived's manual expands to 65,024 instances, without `use_vmac`; `blocks` and
/// `more` are how many there are.
fn manual(blocks: u32, more: u32) -> String {
    format!(
        "$VI4= \\\n    track_file offset_instance_4.${{IF}}.${{NUM}}.${{ID}} {{ \\\n\
         \x20       file \"${{_PWD}}/679/track_files/4.${{IF}}.${{NUM}}.${{ID}}\" \\\n\
         \x20       weight -100 \\\n    }} \\\n    vrrp_instance vrrp4.${{IF}}.${{NUM}}.${{ID}} {{ \\\n\
         \x20       interface bond${{IF}}.${{NUM}} \\\n        virtual_router_id ${{ID}} \\\n\
         \x20       priority 130 \\\n        virtual_ipaddress {{ \\\n\
         \x20           10.${{IF}}.${{NUM}}.${{ID}}/24 \\\n        }} \\\n        track_file {{ \\\n\
         \x20           offset_instance_4.${{IF}}.${{NUM}}.${{ID}} \\\n        }} \\\n    }}\n\n\
         ~SEQ(IF,0,{blocks}) ~SEQ(NUM,0,{more}) ~SEQ(ID,1,254) $VI4\n"
    )
}

/// Eight times as many take eight times as long, and nothing that grows with their square.
#[test]
fn thousands_of_instances_load_at_once() {
    let took = |blocks, more, count| {
        let path = std::env::temp_dir().join(format!("xvrrp-many-{}", std::process::id()));
        std::fs::write(&path, manual(blocks, more)).expect("written");
        let started = Instant::now();
        let (config, diagnostics) = load(&path, &Files::default());
        let took = started.elapsed();
        std::fs::remove_file(path).expect("removed");
        let told: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(told, [] as [&str; 0]);
        let config = config.expect("it is good");
        assert_eq!((config.instances.len(), config.files.len()), (count, count));
        let last = config.instances.last().expect("many");
        let named = format!("vrrp4.{blocks}.{more}.254");
        assert_eq!(
            (&*last.name, &*last.tracks.files[0].object),
            (&*named, &*format!("offset_instance_4{}", &named[5..]))
        );
        println!("{count} instances in {took:?}");
        took
    };
    // The machine may be slow at any one of them.
    for attempt in 1..=3 {
        let few = (0..3).map(|_| took(0, 31, 8128)).min().expect("some");
        let many = took(7, 31, 65_024);
        if many < few * 8 * 7 / 4 {
            break;
        }
        assert!(attempt < 3, "8,128 took {few:?}, 65,024 took {many:?}");
    }
}

/// What a short text can become is bounded, in time and in memory, and it is said where and why.
#[test]
fn hostile_expansions_come_to_an_end() {
    let word = "w".repeat(1000);
    let instance = format!("vrrp_instance {word}${{A}}.${{B}}.${{C}} {{\n}}");
    let bombs = [
        // A thousand million instances.
        ("too-long", format!("~SEQ(A,1,1000) ~SEQ(B,1,1000) ~SEQ(C,1,1000) {instance}\n")),
        // Nothing at all, a thousand million times.
        ("too-long", "~SEQ(A,1,1000) ~SEQ(B,1,1000) ~SEQ(C,1,1000)\n".to_owned()),
        // Millions of words, all different.
        (
            "too-long",
            format!("~SEQ(A,1,1000) ~SEQ(B,1,1000) ~SEQ(C,1,100) {word}${{A}}.${{B}}.${{C}}\n"),
        ),
        // Twice as long a hundred times.
        ("variable-loop", {
            let doubles = (1..100).map(|n| format!("$V{n}=${{V{0}}}${{V{0}}}\n", n - 1));
            format!("$V0=x\n{}x ${{V99}}\n", doubles.collect::<String>())
        }),
        // Lines that use lines.
        ("too-long", {
            let doubles = (1..30).map(|n| format!("$V{n}=\\\n$V{0} \\\n$V{0}\n", n - 1));
            format!("$V0=\\\na \\\nb\n{}$V29\n", doubles.collect::<String>())
        }),
        ("bad-sequence", "~SEQ(A,1,99999999999) x\n".to_owned()),
    ];
    for (code, text) in bombs {
        let started = Instant::now();
        let (config, diagnostics) = load(Path::new("t"), &Text(text.clone()));
        let took = started.elapsed();
        let about = text.get(..60).unwrap_or(&text);
        assert!(config.is_none(), "{about}");
        let found = diagnostics.iter().find(|found| found.code == code);
        let found = found.unwrap_or_else(|| panic!("{about}: {:?}", diagnostics.first()));
        assert!(found.place.is_some(), "{about}: no place");
        println!("{code} in {took:?}: {about}");
        assert!(took < Duration::from_secs(120), "{about} took {took:?}");
    }
}

fn soup() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> =
        xvrrp::config::keyword::all().into_iter().map(|entry| entry.name).collect();
    let piece = prop_oneof![
        6 => prop::sample::select(words).prop_map(str::to_owned),
        6 => prop::sample::select(vec![
            "{", "}", "\n", "{\n", "}\n", "\"", "'", "\\", "#", "!", "$A=", "$A", "${A}", "@main ",
            "@^main ", "~SEQ(", "~SEQ(A,1,3)", "~LST({A,B},{1,2})", "include *", "include t", "\\\n",
            "10.0.0.1", "10.0.0.1/24", "fe80::1", "dev", "eth0", "weight", "-5", "no_track",
            "default", "via", "brd", "+", "PASS", "MASTER", "99999999999", "0.01", "\u{0}", "ä",
            "vrrp_instance V {\n interface eth0\n virtual_router_id 1\n",
        ]).prop_map(str::to_owned),
        1 => ".{0,8}",
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    /// Whatever the text is, the answer comes soon, and a refusal says why.
    #[test]
    fn no_text_is_too_much(text in soup()) {
        let started = Instant::now();
        let (config, diagnostics) = load(Path::new("t"), &Text(text));
        prop_assert!(started.elapsed() < Duration::from_secs(20));
        for diagnostic in &diagnostics {
            let pretty = render::pretty(diagnostic, false);
            let control = |c: char| c.is_control() && c != '\n';
            prop_assert!(!pretty.contains(control), "{pretty:?}");
            prop_assert!(!diagnostic.to_string().contains(['\n', '\0']), "{diagnostic}");
        }
        prop_assert_eq!(config.is_none(), render::count(&diagnostics).0 > 0);
        prop_assert!(render::json(&diagnostics).is_ok());
    }
}
