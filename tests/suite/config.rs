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

/// The document that keepalived's manual expands to 65,024 instances, and a smaller one.
#[test]
fn thousands_of_instances_load_at_once() {
    for (blocks, count) in [("0,0) ~SEQ(NUM,0,15", 4080), ("0,7) ~SEQ(NUM,0,31", 65_280)] {
        let source = format!(
            "$VI= \\\nvrrp_instance v.${{IF}}.${{NUM}}.${{ID}} {{ \\\n interface b${{IF}}.${{NUM}} \\\n\
             virtual_router_id ${{ID}} \\\n priority 130 \\\n virtual_ipaddress {{ \\\n\
             10.${{IF}}.${{NUM}}.${{ID}}/24 \\\n }} \\\n}}\n\
             ~SEQ(IF,{blocks}) ~SEQ(ID,1,255) $VI\n"
        );
        let started = Instant::now();
        let (config, diagnostics) = load(Path::new("t"), &Text(source));
        let took = started.elapsed();
        let told: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(told, [] as [&str; 0]);
        assert_eq!(config.map(|config| config.instances.len()), Some(count));
        println!("{count} instances in {took:?}");
        assert!(took < Duration::from_secs(60), "{count} instances took {took:?}");
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
