//! Does everything the fuzzer once found still pass, and does a short run of chance find more?
//!
//! `XVRRP_FUZZ_SEED` sets what the chance begins with.
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, panic};
use vrrp_tests::fuzz::{self, Target};
use vrrp_tests::sim::random::{self, Random};

/// Time for the bytes of chance, a target.
const SHORT: Duration = Duration::from_secs(3);

/// What a mutation likes to write.
const FAVOURITES: [u8; 12] = [0, 1, 2, 3, 10, 32, 64, 100, 112, 127, 254, 255];

/// Every committed input of a target, by name.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("the corpus can be listed").path();
            let bytes = fs::read(&path).expect("the corpus can be read");
            (path, bytes)
        })
        .collect();
    inputs.sort();
    inputs
}

/// Runs a target, and says by what it can be run again where it fails.
fn check(judge: fn(&[u8]), what: &dyn Fn() -> String, bytes: &[u8]) {
    let done = panic::catch_unwind(|| judge(bytes));
    if let Err(why) = done {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{} fails with these {} bytes: {hex}", what(), bytes.len());
        panic::resume_unwind(why);
    }
}

/// The committed inputs, and mutations of them.
fn replay((name, judge): Target) {
    let mut inputs = corpus(name);
    assert!(inputs.len() > 20, "{name}: only {} inputs", inputs.len());
    for (path, bytes) in &inputs {
        check(judge, &|| path.display().to_string(), bytes);
    }
    let replayed = inputs.len();
    if name == "frame" {
        inputs.extend(fuzz::frame::seeds().into_iter().map(|(name, bytes)| (name.into(), bytes)));
        for (_, seed) in fuzz::frame::seeds() {
            for length in 0..=fuzz::frame::LONGEST {
                let mut bytes = seed.clone();
                bytes.resize(length, 0xa5);
                check(judge, &|| format!("{name} of length {length}"), &bytes);
            }
        }
    }
    let seed: u64 =
        env::var("XVRRP_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let started = Instant::now();
    let mut rounds = 0;
    while started.elapsed() < SHORT {
        let mut chance = random::of(&[seed, rounds]);
        let mut bytes = inputs[index(&mut chance, inputs.len())].1.clone();
        for _ in 0..=chance.below(6) {
            let other = &inputs[index(&mut chance, inputs.len())].1;
            mutate(&mut bytes, other, &mut chance);
        }
        check(judge, &|| format!("{name}: round {rounds} of seed {seed}"), &bytes);
        rounds += 1;
    }
    println!("{name}: {replayed} inputs replayed, {rounds} of chance");
    assert!(rounds > 10, "{name}: {rounds} inputs of chance are none");
}

fn index(chance: &mut Random, end: usize) -> usize {
    usize::try_from(chance.below(end.max(1) as u64)).unwrap_or(0)
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Random) {
    let at = index(chance, bytes.len());
    let value = chance.pick(&FAVOURITES);
    match (chance.below(6), bytes.get_mut(at)) {
        (0, Some(byte)) => *byte ^= 1 << chance.below(8),
        (1, Some(byte)) => *byte = value,
        (2, Some(byte)) => *byte = chance.next().to_le_bytes()[0],
        (3, Some(_)) => bytes.truncate(at),
        (4, _) => bytes.insert(at, value),
        // The end of another.
        (_, _) => {
            bytes.truncate(at);
            bytes.extend(&other[index(chance, other.len())..]);
        }
    }
}

#[test]
fn frames() {
    replay(fuzz::TARGETS[0]);
}

#[test]
fn configurations() {
    replay(fuzz::TARGETS[1]);
}

#[test]
fn engine_traces() {
    replay(fuzz::TARGETS[2]);
}

/// Writes what a fuzzer may start from where there is no corpus yet.
#[test]
#[ignore = "writes files: run it to begin a corpus anew"]
fn begin() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let write = |target: &str, name: &str, bytes: &[u8]| {
        let corpus = folder.join("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus).expect("the corpus is made");
        fs::write(corpus.join(name), bytes).expect("the seed is written");
    };
    for (name, bytes) in fuzz::frame::seeds() {
        write("frame", &name, &bytes);
    }
    for usable in ["good", "bad"] {
        let cases = folder.join("cases/config").join(usable);
        for entry in fs::read_dir(cases).expect("there are cases") {
            let path = entry.expect("they can be listed").path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
                write("config", &name, &fs::read(&path).expect("a case"));
            }
        }
    }
    for number in 0..24 {
        let mut chance = random::of(&[number]);
        let bytes: Vec<_> = (0..400).map(|_| chance.next().to_le_bytes()[0]).collect();
        write("engine_trace", &format!("chance-{number}"), &bytes);
    }
}
