//! `state export` and `state import` as a person or a script meets them (api §13).
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod run_program;

use run_program::run_as;
use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Output,
};

const FIRST: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
const SECOND: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const PEER: &str = "12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW";
const OTHER: &str = "12D3KooWJMSrRBPSvp3CMhfoCnYKV9TcSEoRN4qbd6Jb4vzFnmqq";

/// A base folder made by `init`.
struct Base {
    folder: tempfile::TempDir,
}

impl Base {
    fn new() -> Self {
        let base = Self { folder: tempfile::tempdir().unwrap() };
        assert!(base.run(&["init"], "").status.success());
        base
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("peer")
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        self.run_with(arguments, input, &[])
    }

    fn run_with(&self, arguments: &[&str], input: &str, variables: &[(&str, &str)]) -> Output {
        let folder = self.path();
        let mut all = vec!["--config", folder.to_str().unwrap()];
        all.extend(arguments);
        run_as(Path::new(env!("CARGO_BIN_EXE_cluster-service")), &all, variables, input)
    }

    fn import(&self, flags: &[&str], input: &str) -> Output {
        self.run(&[&["state", "import", "--force"], flags].concat(), input)
    }

    fn export(&self) -> Vec<serde_json::Value> {
        let output = self.run(&["state", "export"], "");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn crdt_info(&self) -> String {
        String::from_utf8(self.run(&["state", "crdt", "info"], "").stdout).unwrap()
    }
}

/// What an old script may hold: five keys, over several lines.
fn minimal(cid: &str) -> String {
    format!(
        "{{\n  \"cid\": \"{cid}\",\n  \"name\": \"fixture\",\n  \"allocations\": [\"{PEER}\"],\n  \
         \"replication_factor_min\": 1,\n  \"replication_factor_max\": 2\n}}\n\n"
    )
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_fixture_of_five_keys_is_imported() {
    let base = Base::new();
    let output = base.import(&[], &minimal(FIRST));
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("reading from stdin, Ctrl-D to finish"));
    assert!(output.stdout.is_empty(), "{output:?}");
    let pins = base.export();
    assert_eq!(pins.len(), 1);
    for (key, value) in [
        ("cid", FIRST.into()),
        ("name", "fixture".into()),
        ("allocations", vec![PEER].into()),
        ("replication_factor_min", 1.into()),
        ("replication_factor_max", 2.into()),
        // What is missing takes zero values.
        ("type", "bad-type".into()),
        ("max_depth", 0.into()),
        ("mode", "direct".into()),
        ("timestamp", "0001-01-01T00:00:00Z".into()),
        ("user_allocations", serde_json::Value::Null),
    ] {
        assert_eq!(pins[0][key], value, "{key}");
    }
}

#[test]
fn what_is_exported_is_imported_unchanged_and_replaces_what_was_there() {
    let (first, second) = (Base::new(), Base::new());
    let pin = format!(
        r#"{{"replication_factor_min":-1,"replication_factor_max":-1,"name":"a <&> b","mode":"recursive","shard_size":7,"user_allocations":["{PEER}"],
        "expire_at":"2099-01-31T10:20:30Z","metadata":{{"k":"v"}},"pin_update":"{FIRST}","origins":["/ip4/203.0.113.7/tcp/4001/p2p/{PEER}"],
        "cid":"{SECOND}","type":"pin","allocations":[],"max_depth":-1,"reference":null,"timestamp":"2026-01-31T10:20:30Z","of_later_versions":[1,{{}}]}}"#
    );
    assert!(first.import(&[], &format!("{pin} {pin}\t{}", minimal(FIRST))).status.success());
    let file = first.folder.path().join("pins.json");
    let name = file.to_str().unwrap();
    assert!(first.run(&["state", "export", "--file", name], "").status.success());
    let exported = fs::read_to_string(&file).unwrap();
    assert_eq!(exported.lines().count(), 2, "the same pin twice is one pin");
    assert!(exported.contains(r#""name":"a \u003c\u0026\u003e b""#), "{exported}");
    assert!(exported.contains(r#""user_allocations":null"#), "{exported}");

    assert!(second.import(&[], &minimal("bafkqaaa")).status.success());
    let asked = second.run(&["state", "import", name], "y\n");
    assert!(asked.status.success(), "{asked:?}");
    let question = "The pinset (state) of this peer will be replaced. Continue? [y/n]:";
    assert!(String::from_utf8_lossy(&asked.stdout).contains(question));
    let again = second.run(&["state", "export"], "");
    assert_eq!(String::from_utf8(again.stdout).unwrap(), exported);
}

#[test]
fn factors_and_allocations_are_replaced_by_flags() {
    let base = Base::new();
    let both = format!("{PEER},{OTHER}");
    for flags in [
        ["--replication-min", "2", "--replication-max", "3", "--allocations", &both],
        ["--rmin", "2", "--rmax", "3", "--allocs", &both],
        ["-rmin=2", "-rmax=3", "-allocs", &both, "--force", "-f"],
    ] {
        let output = base.import(&flags, &(minimal(FIRST) + &minimal(SECOND)));
        assert!(output.status.success(), "{output:?}");
        for pin in base.export() {
            assert_eq!(pin["allocations"], serde_json::json!([PEER, OTHER]));
            assert_eq!(
                (&pin["replication_factor_min"], &pin["replication_factor_max"]),
                (&2.into(), &3.into())
            );
        }
    }
    let output = base.import(&["--rmin=-1", "--rmax", "0"], &minimal(FIRST));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(base.export()[0]["replication_factor_max"], 2, "only factors above zero replace");
}

#[test]
fn bad_input_is_pointed_at_and_changes_nothing() {
    let base = Base::new();
    assert!(base.import(&[], &minimal(FIRST)).status.success());
    let (before, info) = (base.export(), base.crdt_info());
    let good = minimal(SECOND);
    for (input, flags, expected) in [
        (
            format!("{good}{{\"cid\":"),
            &[][..],
            "object 2 of the input cannot be read, nothing was changed: EOF",
        ),
        (format!("{good}nonsense"), &[], "object 2 of the input cannot be read, nothing was changed"),
        (format!("[{good}]"), &[], "object 1 of the input cannot be read, nothing was changed"),
        (
            format!("{good}{{\"cid\":\"nonsense\"}}"),
            &[],
            "object 2 of the input is not a pin, nothing was changed: cid",
        ),
        (
            "{\"name\":\"nameless\"}".to_owned(),
            &[],
            "object 1 of the input is not a pin, nothing was changed: cid: missing",
        ),
        (
            good.clone(),
            &["--rmin", "3"],
            "object 1 of the input has replication factors that cannot be, nothing was changed",
        ),
        (good.replace("\"fixture\"", &format!("\"{}\"", "x".repeat(2 << 20))), &[], "but a pin may take"),
    ] {
        let error = failed(&base.import(flags, &input));
        assert!(error.contains("error importing state: ") && error.contains(expected), "{error}");
    }
    let missing = failed(&base.import(&["/nowhere/pins.json"], ""));
    assert!(
        missing.contains("error importing state: cannot read /nowhere/pins.json: No such file"),
        "{missing}"
    );
    assert_eq!((base.export(), base.crdt_info()), (before, info));
    let left = fs::read_dir(base.path().join("store")).unwrap().count();
    assert_eq!(left, 3, "one generation, its name and the lock");
}

#[test]
fn a_large_import_is_a_history_of_deltas_of_bounded_size() {
    let base = Base::new();
    let (pins, name) = (6000, "n".repeat(700));
    let mut input = String::new();
    for number in 0..pins {
        // Identity CIDs of eight bytes of text.
        let digits: String = format!("{number:08}").bytes().map(|b| format!("{b:02x}")).collect();
        let cid = format!("f01550008{digits}");
        writeln!(input, r#"{{"cid":"{cid}","name":"{name}","type":"pin","max_depth":-1,"replication_factor_min":-1,"replication_factor_max":-1}}"#).unwrap();
    }
    let output = base.import(&[], &input);
    assert!(output.status.success(), "{output:?}");
    let info = base.crdt_info();
    // 6,000 values of 700 bytes and more do not fit into four deltas of at most 1 MiB.
    let height: u64 = info.split("max-height: ").nth(1).unwrap().split('.').next().unwrap().parse().unwrap();
    assert!(info.starts_with("Number of heads: 1. ") && info.contains("Dirty: false\nHeads: ["), "{info}");
    assert!((5..20).contains(&height), "{info}");
    assert_eq!(base.export().len(), pins);
    assert!(base.run(&["state", "check"], "").status.success());
}

#[test]
fn an_export_keeps_links_modes_and_pipes() {
    let base = Base::new();
    assert!(base.import(&[], &minimal(FIRST)).status.success());
    let folder = base.folder.path();
    let export = |path: &Path| base.run(&["state", "export", "-f", path.to_str().unwrap()], "");
    let (target, link) = (folder.join("target"), folder.join("link"));
    fs::write(&target, "older and much longer than one pin ".repeat(100)).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert!(export(&link).status.success());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap().lines().count(), 1);
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    let piped = export(Path::new("/dev/stdout"));
    assert!(piped.status.success() && piped.stdout == fs::read(&target).unwrap(), "{piped:?}");
    let new = folder.join("new");
    assert!(export(&new).status.success());
    let mode = fs::metadata(&new).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & 0o600, 0o600);
    let other = failed(&export(folder));
    assert!(other.contains("error exporting state: cannot write "), "{other}");
    let nowhere = failed(&export(Path::new("/nowhere/pins.json")));
    assert!(
        nowhere.contains("error exporting state: cannot write /nowhere/pins.json: No such file"),
        "{nowhere}"
    );
}

#[test]
fn the_store_lies_where_the_configuration_says() {
    let base = Base::new();
    let variables = [("CLUSTER_FJALL_FOLDER", "deeper/pinset")];
    assert!(base.run_with(&["state", "import", "-f"], &minimal(FIRST), &variables).status.success());
    assert!(base.path().join("deeper/pinset/CURRENT").exists() && !base.path().join("store").exists());
    assert!(base.export().is_empty(), "another folder, another state");
}
