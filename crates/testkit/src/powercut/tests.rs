//! Recordings made by hand, cut at chosen places.

use super::{event::Position, *};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Prints strings and paths as `strace -xx` does: `"ab"` and `<ab>` become `"\x61\x62"` and `<\x61\x62>`.
fn xx(line: &str) -> String {
    let mut printed = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['"', '<']) {
        let (before, from) = rest.split_at(at);
        let close = if from.starts_with('"') { '"' } else { '>' };
        let end = from[1..].find(close).unwrap() + 1;
        let inner = &from[1..end];
        printed.push_str(before);
        printed.push_str(&from[..1]);
        if inner.starts_with("unfinished") || inner.starts_with("...") {
            printed.push_str(inner);
        } else {
            inner.bytes().for_each(|byte| printed.push_str(&format!("\\x{byte:02x}")));
        }
        printed.push(close);
        rest = &from[end + 1..];
    }
    printed + rest
}

struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    /// A recording over the folder `/d` that held `base` before.
    fn new(base: &[(&str, &str)], lines: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("base")).unwrap();
        for (name, content) in base {
            fs::write(folder.path().join("base").join(name), content).unwrap();
        }
        fs::write(folder.path().join("root"), "/d").unwrap();
        let trace: String = lines.iter().map(|line| xx(line) + "\n").collect();
        fs::write(Recording::trace_path(folder.path()), trace).unwrap();
        Self { folder }
    }

    fn recording(&self) -> Recording {
        Recording::load(self.folder.path()).unwrap()
    }

    fn failure(&self) -> PowercutError {
        Recording::load(self.folder.path()).unwrap_err()
    }

    fn after(&self, position: Position, loss: Loss, names: NameModel, seed: u64) -> BTreeMap<String, String> {
        let recording = self.recording();
        let target = tempfile::tempdir().unwrap();
        Disk::after(&recording, &Cut { position, loss, names, seed }).write(target.path()).unwrap();
        contents(target.path())
    }

    fn dropped(&self, position: Position) -> BTreeMap<String, String> {
        self.after(position, Loss::Dropped, NameModel::Strict, 1)
    }

    fn everything(&self) -> BTreeMap<String, String> {
        self.after(Position::MAX, Loss::Nothing, NameModel::Strict, 1)
    }
}

fn contents(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                found.insert(format!("{}/", path.display()), String::new());
                open.push(path);
            } else {
                let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
                found.insert(path.display().to_string(), text);
            }
        }
    }
    found
}

fn files(expected: &[(&str, &str)]) -> BTreeMap<String, String> {
    expected.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

#[test]
fn a_write_survives_from_the_end_of_its_sync_on() {
    let scene = Scene::new(
        &[("a", "old")],
        &[
            r#"1  openat(AT_FDCWD<w>, "/d/a", O_WRONLY) = 3</d/a>"#,
            r#"1  write(3</d/a>, "new", 3) = 3"#,
            r"1  fsync(3</d/a> <unfinished ...>",
            r#"2  write(9<socket:[1]>, "x", 1) = 1"#,
            r"1  <... fsync resumed>) = 0",
        ],
    );
    assert_eq!(scene.dropped(4), files(&[("a", "old")]));
    assert_eq!(scene.dropped(5), files(&[("a", "new")]));
}

#[test]
fn a_sync_covers_only_what_had_ended_before_it_began() {
    let scene = Scene::new(
        &[("a", ""), ("b", "")],
        &[
            r#"1  openat(AT_FDCWD<w>, "/d/a", O_WRONLY) = 3</d/a>"#,
            r"1  clone3({flags=CLONE_VM|CLONE_FILES, stack=0x7f, stack_size=0x80}, 88) = 2",
            r#"2  pwrite64(3</d/a>, "BB", 2, 2 <unfinished ...>"#,
            r"1  fdatasync(3</d/a> <unfinished ...>",
            r"2  <... pwrite64 resumed>) = 2",
            r"1  <... fdatasync resumed>) = 0",
            r#"1  pwrite64(3</d/a>, "AA", 2, 0) = 2"#,
            r"1  fdatasync(3</d/a>) = 0",
        ],
    );
    assert_eq!(scene.dropped(7)["a"], "", "the write was under way when the sync began");
    assert_eq!(scene.dropped(8)["a"], "AABB");
    assert_eq!(
        scene.after(4, Loss::Nothing, NameModel::Strict, 1)["a"],
        "\0\0BB",
        "visible from its beginning"
    );
}

#[test]
fn a_name_needs_a_sync_of_its_folder() {
    let scene = Scene::new(
        &[],
        &[
            r#"1  openat(AT_FDCWD<w>, "/d/a", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3</d/a>"#,
            r#"1  write(3</d/a>, "data", 4) = 4"#,
            r"1  fsync(3</d/a>) = 0",
            r#"1  openat(AT_FDCWD<w>, "/d", O_RDONLY) = 4</d>"#,
            r"1  fsync(4</d>) = 0",
        ],
    );
    assert_eq!(scene.dropped(4), files(&[]));
    assert_eq!(scene.dropped(5), files(&[("a", "data")]));
    let ordered = scene.after(3, Loss::Dropped, NameModel::Ext4Ordered, 1);
    assert_eq!(ordered, files(&[("a", "data")]), "on ext4 the sync of the file commits its name");
}

#[test]
fn a_rename_over_a_file_is_one_change() {
    let lines = [
        r#"1  openat(AT_FDCWD<w>, "/d/c.new", O_WRONLY|O_CREAT, 0666) = 3</d/c.new>"#,
        r#"1  write(3</d/c.new>, "two", 3) = 3"#,
        r"1  fsync(3</d/c.new>) = 0",
        r#"1  rename("/d/c.new", "/d/c") = 0"#,
        r#"1  write(3</d/c>, "!", 1) = 1"#,
        r#"1  openat(AT_FDCWD<w>, "/d", O_RDONLY) = 4</d>"#,
        r"1  fsync(4</d>) = 0",
    ];
    let scene = Scene::new(&[("c", "one")], &lines);
    assert_eq!(scene.dropped(6), files(&[("c", "one")]));
    assert_eq!(scene.dropped(7), files(&[("c", "two")]));
    assert_eq!(
        scene.everything(),
        files(&[("c", "two!")]),
        "the descriptor follows the file to its new name"
    );
    for seed in 0..50 {
        let found = scene.after(6, Loss::Reordered, NameModel::Strict, seed);
        assert!(found["c"] == "one" || found["c"].starts_with("two"), "{found:?}");
        let ordered = scene.after(6, Loss::Reordered, NameModel::Ext4Ordered, seed);
        assert!(
            ordered["c"] != "one" || ordered.contains_key("c.new"),
            "its creation was committed: {ordered:?}"
        );
    }
}

#[test]
fn removed_files_and_folders_stay_until_the_folder_is_synced() {
    let scene = Scene::new(
        &[("a", "1")],
        &[
            r#"1  mkdir("/d/sub", 0777) = 0"#,
            r#"1  openat(AT_FDCWD<w>, "/d/sub", O_RDONLY|O_DIRECTORY) = 4</d/sub>"#,
            r#"1  openat(4</d/sub>, "x", O_RDWR|O_CREAT, 0666) = 5</d/sub/x>"#,
            r#"1  unlink("/d/a") = 0"#,
            r"1  fsync(4</d/sub>) = 0",
            r#"1  openat(AT_FDCWD<w>, "/d", O_RDONLY) = 6</d>"#,
            r"1  fsync(6</d>) = 0",
            r#"1  rename("/d/sub", "/d/moved") = 0"#,
            r#"1  unlinkat(6</d>, "moved/x", 0) = 0"#,
        ],
    );
    assert_eq!(scene.dropped(6), files(&[("a", "1")]), "the folder itself has no durable name");
    assert_eq!(scene.dropped(9), files(&[("sub/", ""), ("sub/x", "")]));
    assert_eq!(scene.everything(), files(&[("moved/", "")]));
}

#[test]
fn appending_descriptors_write_at_the_end() {
    let scene = Scene::new(
        &[("log", "base ")],
        &[
            r#"1  openat(AT_FDCWD<w>, "/d/log", O_WRONLY|O_APPEND) = 3</d/log>"#,
            r#"1  openat(AT_FDCWD<w>, "/d/log", O_WRONLY|O_APPEND) = 4</d/log>"#,
            r#"1  write(3</d/log>, "one ", 4) = 4"#,
            r#"1  write(4</d/log>, "two ", 4) = 4"#,
            r#"1  writev(3</d/log>, [{iov_base="three", iov_len=5}, {iov_base=" ", iov_len=1}], 2) = 6"#,
            r"1  ftruncate(4</d/log>, 9) = 0",
            r#"1  write(3</d/log>, "end", 3) = 3"#,
        ],
    );
    assert_eq!(scene.everything(), files(&[("log", "base one end")]));
}

#[test]
fn duplicated_descriptors_share_their_offset() {
    let scene = Scene::new(
        &[("a", "")],
        &[
            r#"1  openat(AT_FDCWD<w>, "/d/a", O_RDWR) = 3</d/a>"#,
            r#"1  write(3</d/a>, "ab", 2) = 2"#,
            r"1  fcntl(3</d/a>, F_DUPFD_CLOEXEC, 0) = 7</d/a>",
            r"1  close(3</d/a>) = 0",
            r#"1  write(7</d/a>, "cd", 2) = 2"#,
            r"1  dup2(7</d/a>, 9) = 9</d/a>",
            r"1  lseek(9</d/a>, 1, SEEK_SET) = 1",
            r#"1  read(7</d/a>, "b", 1) = 1"#,
            r#"1  write(9</d/a>, "XYZ", 3) = 2"#,
            r#"1  openat(AT_FDCWD<w>, "/elsewhere", O_RDWR|O_CREAT, 0666) = 3</elsewhere>"#,
            r#"1  write(3</elsewhere>, "no", 2) = 2"#,
        ],
    );
    assert_eq!(scene.everything(), files(&[("a", "abXY")]), "a short write counts for what it wrote");
}

#[test]
fn a_torn_file_ends_inside_a_write() {
    let scene = Scene::new(
        &[("a", ""), ("b", "")],
        &[
            r#"1  openat(AT_FDCWD<w>, "/d/a", O_WRONLY) = 3</d/a>"#,
            r#"1  write(3</d/a>, "safe.", 5) = 5"#,
            r"1  fdatasync(3</d/a>) = 0",
            r#"1  write(3</d/a>, "0123456789", 10) = 10"#,
        ],
    );
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let found = scene.after(4, Loss::Torn, NameModel::Strict, seed);
        assert!("safe.0123456789".starts_with(&found["a"]) && found["a"].len() >= 5, "{found:?}");
        lengths.insert(found["a"].len());
    }
    assert!(lengths.len() > 8, "all kinds of ends: {lengths:?}");
    let again = |seed| scene.after(4, Loss::Torn, NameModel::Strict, seed);
    assert_eq!(again(5), again(5));
}

#[test]
fn reordered_sectors_leave_holes() {
    let block = "x".repeat(2048);
    let write = format!(r#"1  write(3</d/a>, "{block}", 2048) = 2048"#);
    let scene = Scene::new(&[("a", "")], &[r#"1  openat(AT_FDCWD<w>, "/d/a", O_WRONLY) = 3</d/a>"#, &write]);
    let mut patterns = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let found = scene.after(2, Loss::Reordered, NameModel::Strict, seed).remove("a").unwrap();
        let sectors: Vec<bool> = found
            .as_bytes()
            .chunks(512)
            .map(|sector| {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is whole or absent");
                sector[0] == b'x'
            })
            .collect();
        patterns.insert(sectors);
    }
    assert!(patterns.contains(&vec![]) && patterns.contains(&vec![true; 4]));
    assert!(
        patterns.contains(&vec![false, true]) || patterns.contains(&vec![false, false, true]),
        "{patterns:?}"
    );
    assert!(patterns.contains(&vec![false; 4]), "the length grew, the bytes did not follow");
}

#[test]
fn a_copy_between_files_takes_the_bytes_of_that_moment() {
    let scene = Scene::new(
        &[("a", "0123456789"), ("b", "")],
        &[
            r#"1  openat(AT_FDCWD<w>, "/d/a", O_RDWR) = 3</d/a>"#,
            r#"1  openat(AT_FDCWD<w>, "/d/b", O_RDWR) = 4</d/b>"#,
            r#"1  pwrite64(3</d/a>, "X", 1, 2) = 1"#,
            r"1  copy_file_range(3</d/a>, [1], 4</d/b>, NULL, 100, 0) = 9",
            r#"1  write(4</d/b>, "!", 1) = 1"#,
        ],
    );
    assert_eq!(scene.everything()["b"], "1X3456789!");
}

#[test]
fn what_cannot_be_modelled_is_an_error() {
    let open = r#"1  openat(AT_FDCWD<w>, "/d/a", O_RDWR) = 3</d/a>"#;
    for line in [
        r"1  mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3</d/a>, 0) = 0x7f0000000000",
        r"1  io_uring_setup(8, {flags=0}) = 4",
        r#"1  renameat2(AT_FDCWD<w>, "/d/a", AT_FDCWD<w>, "/d/b", RENAME_EXCHANGE) = 0"#,
        r#"1  rename("/d/a", "/outside") = 0"#,
        r"1  fallocate(3</d/a>, FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE, 0, 4096) = 0",
        r"1  ioctl(3</d/a>, BTRFS_IOC_CLONE or FICLONE, 9</x>) = 0",
    ] {
        let failure = Scene::new(&[("a", "1"), ("b", "2")], &[open, line]).failure();
        assert!(matches!(failure, PowercutError::Unsupported { position: 2, .. }), "{line}: {failure}");
    }
    let stray = Scene::new(&[("a", "1")], &[r#"1  write(8</d/a>, "x", 1) = 1"#]);
    assert!(matches!(stray.failure(), PowercutError::LostTrack { .. }));
    let unknown = Scene::new(&[], &[r#"1  unlink("/d/none/x") = 0"#]);
    assert!(matches!(unknown.failure(), PowercutError::LostTrack { .. }));
}

#[test]
fn a_recording_that_misses_something_is_found_out() {
    let scene =
        Scene::new(&[("a", "1")], &[r#"1  unlink("/d/none") = -1 ENOENT (No such file or directory)"#]);
    let real = tempfile::tempdir().unwrap();
    fs::write(real.path().join("a"), "1").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    scene.recording().verify(real.path(), scratch.path()).unwrap();
    fs::write(real.path().join("a"), "2").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let failure = scene.recording().verify(real.path(), scratch.path()).unwrap_err();
    assert!(matches!(failure, PowercutError::Unfaithful { .. }));
}

fn answered(at: Position) -> Operation {
    Operation {
        label: "put".to_owned(),
        key: "key7".to_owned(),
        effect: Effect::Put("v".to_owned()),
        requested: 2,
        answer: Answer::Done(at),
        needles: vec![b"key7".to_vec()],
    }
}

#[test]
fn a_proof_needs_bytes_then_sync_then_answer() {
    let scene = Scene::new(
        &[("a", ""), ("b", "")],
        &[
            r#"1  openat(AT_FDCWD<w>, "/d/a", O_WRONLY) = 3</d/a>"#,
            r#"1  recvfrom(9<socket:[1]>, "put key7", 100, 0, NULL, NULL) = 8"#,
            r"1  fdatasync(3</d/a>) = 0",
            r#"1  write(3</d/a>, "..ke", 4) = 4"#,
            r#"1  write(3</d/a>, "y7..", 4) = 4"#,
            r#"1  sendto(9<socket:[1]>, "early", 5, 0, NULL, 0) = 5"#,
            r"1  fdatasync(3</d/a> <unfinished ...>",
            r#"2  sendto(9<socket:[1]>, "during", 6, 0, NULL, 0) = 6"#,
            r"1  <... fdatasync resumed>) = 0",
            r#"1  sendto(9<socket:[1]>, "ok", 2, 0, NULL, 0) = 2"#,
        ],
    );
    let recording = scene.recording();
    assert_eq!(recording.streams().len(), 4);
    let prove = |at| prove_syncs(&recording, &[answered(at)]);
    assert_eq!((prove(10).proven, prove(10).missing.len()), (1, 0));
    assert_eq!(prove(6).missing.len(), 1, "the sync before the write does not count");
    assert_eq!(prove(8).missing.len(), 1, "a sync that is under way does not count");
    let mut other = answered(10);
    other.needles = vec![b"absent".to_vec()];
    assert_eq!(prove_syncs(&recording, &[other]).weak, 1);
}
