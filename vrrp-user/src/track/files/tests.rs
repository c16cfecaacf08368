//! Real files, watched by the real thread.
use super::*;
use crate::config::model::Origin;
use crate::config::tracked::FileInit;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

struct Bed {
    folder: PathBuf,
    handle: Handle,
    told: Arc<Mutex<Vec<i64>>>,
}

impl Bed {
    /// A directory of its own, and `path` below it watched.
    fn new(path: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xvrrp-files-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let told: Arc<Mutex<Vec<i64>>> = Arc::default();
        let into = Arc::clone(&told);
        let handle = Handle::start(Arc::new(move |input| {
            let Input::File { value, .. } = input else { panic!("{input:?}") };
            into.lock().unwrap().push(value);
        }));
        let bed = Self { folder, handle: handle.unwrap(), told };
        bed.handle.watch(vec![file(bed.path(path), None)]);
        bed.tells(&[0]);
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// So far exactly this was told.
    #[track_caller]
    fn tells(&self, expected: &[i64]) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let told = self.told.lock().unwrap().clone();
            if told == expected {
                return;
            }
            let hopeful = expected.starts_with(&told) && Instant::now() < end;
            assert!(hopeful, "{told:?} was told, and not {expected:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn file(path: PathBuf, init: Option<FileInit>) -> Arc<TrackedFile> {
    Arc::new(TrackedFile {
        name: "f".into(),
        origin: Origin::default(),
        path,
        weight: 1,
        reverse: false,
        init,
    })
}

#[test]
fn every_way_to_change_a_file_is_seen() {
    let bed = Bed::new("file");
    bed.write("file", "1\n");
    bed.tells(&[0, 1]);
    bed.write("new", "2\n");
    std::fs::rename(bed.path("new"), bed.path("file")).unwrap();
    bed.tells(&[0, 1, 2]);
    std::fs::remove_file(bed.path("file")).unwrap();
    bed.tells(&[0, 1, 2, 0]);
    bed.write("file", "-3");
    bed.tells(&[0, 1, 2, 0, -3]);
    std::fs::rename(bed.path("file"), bed.path("away")).unwrap();
    bed.tells(&[0, 1, 2, 0, -3, 0]);
    std::fs::hard_link(bed.path("away"), bed.path("file")).unwrap();
    bed.tells(&[0, 1, 2, 0, -3, 0, -3]);
    // Out of range: what was before stays.
    bed.write("file", "99999999999");
    bed.write("file", "nothing");
    bed.tells(&[0, 1, 2, 0, -3, 0, -3, 0]);
}

#[test]
fn a_link_that_is_turned_is_followed() {
    let bed = Bed::new("link");
    for (name, text) in [("a", "1"), ("b", "2")] {
        std::fs::create_dir(bed.path(name)).unwrap();
        bed.write(&format!("{name}/file"), text);
    }
    std::os::unix::fs::symlink("a", bed.path("now")).unwrap();
    std::os::unix::fs::symlink("now/file", bed.path("link")).unwrap();
    bed.tells(&[0, 1]);
    std::os::unix::fs::symlink("b", bed.path("next")).unwrap();
    std::fs::rename(bed.path("next"), bed.path("now")).unwrap();
    bed.tells(&[0, 1, 2]);
    bed.write("b/file", "3");
    bed.tells(&[0, 1, 2, 3]);
    // What it led to before is of no matter.
    bed.write("a/file", "4");
    bed.write("b/file", "5");
    bed.tells(&[0, 1, 2, 3, 5]);
}

#[test]
fn directories_may_come_go_and_move() {
    let bed = Bed::new("one/two/file");
    std::fs::create_dir_all(bed.path("one/two")).unwrap();
    bed.write("one/two/file", "1");
    bed.tells(&[0, 1]);
    std::fs::rename(bed.path("one"), bed.path("gone")).unwrap();
    bed.tells(&[0, 1, 0]);
    std::fs::rename(bed.path("gone"), bed.path("one")).unwrap();
    bed.tells(&[0, 1, 0, 1]);
    std::fs::remove_dir_all(bed.path("one")).unwrap();
    bed.tells(&[0, 1, 0, 1, 0]);
    std::fs::create_dir_all(bed.path("one/two")).unwrap();
    bed.write("one/two/file", "2");
    bed.tells(&[0, 1, 0, 1, 0, 2]);
}

#[test]
fn a_file_that_is_being_written_is_read_when_that_is_done() {
    let bed = Bed::new("file");
    let mut out = std::fs::File::create(bed.path("file")).unwrap();
    out.write_all(b"1").unwrap();
    out.sync_all().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    bed.tells(&[0]);
    out.write_all(b"00").unwrap();
    drop(out);
    bed.tells(&[0, 100]);
}

#[test]
fn a_storm_of_changes_ends_with_the_last() {
    let bed = Bed::new("file");
    for number in 1..=20_000 {
        bed.write("file", &number.to_string());
    }
    let end = Instant::now() + Duration::from_secs(10);
    while bed.told.lock().unwrap().last() != Some(&20_000) {
        assert!(Instant::now() < end, "the last number was not told");
        std::thread::sleep(Duration::from_millis(5));
    }
    let told = bed.told.lock().unwrap();
    // While it is being written it is empty.
    assert!(told.iter().filter(|value| **value != 0).is_sorted(), "told out of order");
}

#[test]
fn init_file_makes_and_overwrites_as_it_says() {
    let bed = Bed::new("other");
    let path = bed.path("made");
    let with = |value, overwrite| file(path.clone(), Some(FileInit { value, overwrite }));
    prepare(&with(7, false), false);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "7\n");
    prepare(&with(8, false), false);
    assert_eq!(read(&path), Some(7));
    prepare(&with(8, true), true);
    assert_eq!(read(&path), Some(7), "a reload does not overwrite");
    prepare(&with(8, true), false);
    assert_eq!(read(&path), Some(8));
    let folder = file(bed.folder.clone(), Some(FileInit { value: 1, overwrite: true }));
    prepare(&folder, false);
    assert_eq!(read(&bed.folder), Some(0));
}
