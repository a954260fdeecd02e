//! `state backup` and `state restore` with the built program, killed where it hurts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cluster_testkit::service::{Programs, Service};
use cluster_tests::world::made_up_cid;
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Pins of a state.
const PINS: u64 = 500;

struct Lab {
    folder: tempfile::TempDir,
    program: PathBuf,
    peer: Service,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = Programs::build().unwrap().service;
        let peer = Service::init(&program, &folder.path().join("peer"), "/ip4/127.0.0.1/tcp/1", &[]).unwrap();
        Self { folder, program, peer }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn state(&self, arguments: &[&str]) -> Output {
        self.peer.command(&[&["state"], arguments].concat()).unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.state(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn failed(&self, arguments: &[&str]) -> String {
        let output = self.state(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Makes a state of so many pins from a number on.
    fn import(&self, first: u64) {
        let mut pins = String::new();
        for number in first..first + PINS {
            let _ = writeln!(pins, "{{\"cid\":\"{}\",\"max_depth\":-1}}", made_up_cid(number).unwrap());
        }
        fs::write(self.path("pins"), pins).unwrap();
        self.done(&["import", "--force", &self.path("pins")]);
    }

    fn store(&self) -> PathBuf {
        self.peer.base().join("store")
    }

    fn current(&self) -> String {
        fs::read_to_string(self.store().join("CURRENT")).unwrap().trim().to_owned()
    }
}

/// What the manifest says of the rows.
fn rows(backup: &str) -> serde_json::Value {
    let text = fs::read(Path::new(backup).join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    manifest["files"].clone()
}

#[test]
fn a_backup_is_taken_back_exactly() {
    let lab = Lab::new();
    lab.import(0);
    let (before, info) = (lab.done(&["export"]), lab.done(&["crdt", "info"]));
    let first = lab.path("first");
    lab.done(&["backup", &first]);
    lab.import(PINS);
    assert_ne!(lab.done(&["crdt", "info"]), info);

    lab.done(&["restore", "--force", &first]);
    assert_eq!(lab.done(&["export"]), before);
    assert_eq!(lab.done(&["crdt", "info"]), info, "the heads are those of the history");
    lab.done(&["check"]);
    let second = lab.path("second");
    lab.done(&["backup", &second]);
    assert_eq!(rows(&second), rows(&first), "every row is what it was");

    // The manifest names a backup as well, and what is current need not be readable.
    fs::remove_dir_all(lab.store().join(lab.current())).unwrap();
    fs::create_dir(lab.store().join(lab.current())).unwrap();
    fs::write(lab.store().join(lab.current()).join("ENGINE"), "other").unwrap();
    lab.done(&["restore", "--force", &format!("{first}/manifest.json")]);
    assert_eq!(lab.done(&["export"]), before);
}

#[test]
fn a_bad_backup_changes_nothing() {
    let lab = Lab::new();
    lab.import(0);
    let (backup, before) = (lab.path("backup"), lab.done(&["export"]));
    lab.done(&["backup", &backup]);
    assert!(lab.failed(&["backup", &backup]).contains("is not empty"));
    let file = Path::new(&backup).join("rows");
    let good = fs::read(&file).unwrap();
    let restore = ["restore", "--force", backup.as_str()];

    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&file, &bad).unwrap();
    let told = lab.failed(&restore);
    assert!(told.starts_with("error restoring state: ") && told.contains("checksum"), "{told}");
    fs::write(&file, &good[..good.len() - 1]).unwrap();
    assert!(lab.failed(&restore).contains("bytes, but the manifest says"));
    fs::write(&file, &good).unwrap();
    let manifest = Path::new(&backup).join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"rows\",", "\"../rows\",")).unwrap();
    assert!(lab.failed(&restore).contains("which is not one beside it"));
    fs::remove_file(&manifest).unwrap();
    assert!(lab.failed(&restore).contains("this is no backup, or one that was not finished"));
    fs::write(&manifest, &text).unwrap();
    let other = Lab::new();
    let told = other.failed(&restore);
    assert!(told.contains("is of peer ") && told.contains("identity.json"), "{told}");

    let silence = lab.failed(&["restore", &backup]);
    assert!(silence.contains("asking for confirmation"), "{silence}");
    assert_eq!(lab.current(), "2", "no generation was made beside that of the import");
    assert_eq!(lab.done(&["export"]), before);
}

/// When a command that makes a new generation is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after its generation was begun.
    Building(Duration),
    /// When its generation is complete.
    Built,
    /// When its generation is the current one.
    Flipped,
}

#[test]
fn a_killed_restore_leaves_the_old_or_the_new_state_and_the_next_start_says_which() {
    let lab = Lab::new();
    let [one, other] = [lab.path("one"), lab.path("other")];
    lab.import(0);
    lab.done(&["backup", &one]);
    let new = lab.done(&["export"]);
    lab.import(PINS);
    lab.done(&["backup", &other]);
    killed(&lab, &format!("the restore of {one}"), ["restore", &one], ["restore", &other], &new);
}

#[test]
fn a_killed_import_leaves_the_old_or_the_new_state_and_the_next_start_says_which() {
    let lab = Lab::new();
    let [one, other] = [lab.path("one"), lab.path("other")];
    lab.import(0);
    let new = lab.done(&["export"]);
    fs::write(&one, &new).unwrap();
    lab.import(PINS);
    fs::write(&other, lab.done(&["export"])).unwrap();
    killed(&lab, &format!("the import of {one}"), ["import", &one], ["import", &other], &new);
}

/// Kills a command, called `name`, that leads to the pinset `new`, at several moments; `back` leads back.
fn killed(lab: &Lab, name: &str, command: [&str; 2], back: [&str; 2], new: &str) {
    let old = lab.done(&["export"]);
    let (mut interrupted, mut complete) = (0, 0);
    let moments = [0, 5, 30].map(|ms| Moment::Building(Duration::from_millis(ms)));
    let mut is_new = false;
    for moment in moments.into_iter().chain([Moment::Flipped, Moment::Built]) {
        if is_new {
            lab.done(&[back[0], "--force", back[1]]);
        }
        kill(lab, command, moment);

        let output = lab.state(&["export"]);
        assert!(output.status.success(), "{moment:?}: {output:?}");
        let (pins, told) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        is_new = pins == new;
        if is_new {
            complete += 1;
            assert!(told.contains(&format!("{name} is complete")), "{moment:?}: {told}");
        } else {
            interrupted += 1;
            assert!(pins == old, "{moment:?}: a mixture");
            assert!(told.contains(&format!("{name} was interrupted")), "{moment:?}: {told}");
        }
    }
    lab.done(&["check"]);
    assert!(interrupted > 0 && complete > 0, "{interrupted} interrupted, {complete} complete");
}

fn kill(lab: &Lab, [command, source]: [&str; 2], moment: Moment) {
    let current = lab.current();
    let next = lab.store().join((current.parse::<u64>().unwrap() + 1).to_string());
    let is_here = || match moment {
        Moment::Building(_) => next.join("BUILDING").exists() || next.join("BUILT").exists(),
        Moment::Built => next.join("BUILT").exists(),
        Moment::Flipped => lab.current() != current,
    };
    let after = if let Moment::Building(after) = moment { after } else { Duration::ZERO };
    kill_once(lab, &[command, "--force", source], is_here, after);
}

/// Kills a command so long after a condition is true, if it lives as long.
fn kill_once(lab: &Lab, arguments: &[&str], is_here: impl Fn() -> bool, after: Duration) {
    let mut running = Command::new(&lab.program)
        .arg("--config")
        .arg(lab.peer.base())
        .arg("state")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_here() && running.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "{arguments:?}: the moment does not come");
        // Short beside what a moment lasts, and not all of a core that the command needs.
        std::thread::sleep(Duration::from_micros(100));
    }
    std::thread::sleep(after);
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn a_killed_backup_is_none_or_a_whole_one_and_the_state_is_as_it_was() {
    let lab = Lab::new();
    lab.import(0);
    let pins = lab.done(&["export"]);
    let (mut whole, mut unfinished) = (0, 0);
    for (number, ms) in [0, 1, 2, 4, 8, 16, 2_000].into_iter().enumerate() {
        let backup = lab.path(&format!("backup-{number}"));
        let rows = Path::new(&backup).join("rows");
        kill_once(&lab, &["backup", &backup], || rows.exists(), Duration::from_millis(ms));
        assert_eq!(lab.done(&["export"]), pins, "killed after {ms} ms");
        if Path::new(&backup).join("manifest.json").exists() {
            whole += 1;
            lab.done(&["restore", "--force", &backup]);
            assert_eq!(lab.done(&["export"]), pins, "killed after {ms} ms");
        } else {
            unfinished += 1;
            let told = lab.failed(&["restore", "--force", &backup]);
            assert!(told.contains("this is no backup, or one that was not finished"), "{told}");
        }
    }
    lab.done(&["check"]);
    assert!(whole > 0 && unfinished > 0, "{whole} whole, {unfinished} unfinished");
}
