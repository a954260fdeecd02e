//! The program as a person or a script meets it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod run_daemon;
mod run_program;

use run_daemon::start_and_stop;
use run_program::run_as;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Output};

const SECRET: &str = "5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5";
const PEER: &str = "12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW";
const PROGRAM: &str = env!("CARGO_BIN_EXE_cluster-service");

fn run(base: &Path, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut all = vec!["--config", base.to_str().unwrap()];
    all.extend(arguments);
    let output = run_as(Path::new(PROGRAM), &all, variables, input);
    for shown in [text(&output.stdout), text(&output.stderr)] {
        assert!(!shown.contains("5ec5ec"), "a secret is shown: {shown}");
    }
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A folder that `init` has yet to make.
fn new_base() -> (tempfile::TempDir, std::path::PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let base = parent.path().join("deeper/peer");
    (parent, base)
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    text(&output.stderr)
}

#[test]
fn init_makes_private_files_and_says_so() {
    let (_parent, base) = new_base();
    let output = run(&base, &["init"], &[], "");
    assert!(output.status.success(), "{output:?}");
    let shown = text(&output.stderr);
    let place = |name: &str| base.join(name).display().to_string();
    assert_eq!(
        shown.lines().collect::<Vec<_>>(),
        [
            format!("configuration written to {}.", place("service.toml")),
            format!("new identity written to {}", place("identity.json")),
            format!("new empty peerstore written to {}.", place("peerstore")),
        ]
    );
    assert_eq!(mode(&base), 0o700);
    let mut names: Vec<_> =
        fs::read_dir(&base).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["identity.json", "peerstore", "service.toml"], "something else is left");
    for name in names {
        assert_eq!(mode(&base.join(&name)), 0o600, "{name}");
    }
    assert_eq!(fs::read(base.join("peerstore")).unwrap(), b"");
    let secret = fs::read_to_string(base.join("service.toml")).unwrap();
    let secret = secret.lines().find_map(|line| line.strip_prefix("secret = ")).unwrap().to_owned();
    assert_eq!(secret.len(), 66);
    assert!(!shown.contains(secret.trim_matches('"')));
    let identity: serde_json::Value =
        serde_json::from_slice(&fs::read(base.join("identity.json")).unwrap()).unwrap();
    assert!(identity["id"].as_str().unwrap().starts_with("12D3KooW"));
}

#[test]
fn a_second_init_asks_and_keeps_the_identity() {
    let (_parent, base) = new_base();
    run(&base, &["init"], &[], "");
    let read = |name: &str| fs::read_to_string(base.join(name)).unwrap();
    let (config, identity) = (read("service.toml"), read("identity.json"));

    let no = run(&base, &["init"], &[], "n\n");
    assert!(no.status.success());
    assert!(text(&no.stdout).contains("The configuration file will be overwritten. Continue? [y/n]:"));
    assert_eq!(read("service.toml"), config);

    let silence = failed(&run(&base, &["init"], &[], ""));
    assert!(silence.starts_with("error asking for confirmation:"), "{silence}");
    assert_eq!(read("service.toml"), config);

    let yes = run(&base, &["init"], &[], "perhaps\ny\n");
    assert!(yes.status.success() && text(&yes.stdout).contains("Please press either 'y' or 'n'"));
    let renewed = read("service.toml");
    assert_ne!(renewed, config, "the secret is new");
    assert!(run(&base, &["init", "--force"], &[], "").status.success());
    assert_ne!(read("service.toml"), renewed);
    assert_eq!(read("identity.json"), identity);
}

#[test]
fn secrets_come_from_environment_and_input_and_are_never_shown() {
    let (_parent, base) = new_base();
    let config = || fs::read_to_string(base.join("service.toml")).unwrap();
    assert!(run(&base, &["init"], &[("CLUSTER_SECRET", SECRET)], "").status.success());
    assert!(config().contains(SECRET));
    let other = "ab".repeat(32);
    let asked = run(&base, &["init", "-f", "-s"], &[("CLUSTER_SECRET", SECRET)], &format!("{other}\n"));
    assert!(text(&asked.stdout).contains("Enter cluster secret (32-byte hex string): "), "{asked:?}");
    assert!(config().contains(&other) && !config().contains(SECRET));

    let before = config();
    for (arguments, variables, input, expected) in [
        (&["init", "-f"][..], &[("CLUSTER_SECRET", "5ec5ec")][..], "", "64 hexadecimal digits"),
        (&["init", "-f"], &[("CLUSTER_SECRET", "5ec5ecXY")], "", "64 hexadecimal digits"),
        (
            &["init", "-f", "--custom-secret"],
            &[],
            "5ec5ec\n",
            "error reading cluster secret: found 6 characters",
        ),
        (&["init", "-f", "--custom-secret"], &[], "", "error reading cluster secret: no secret was given"),
    ] {
        let error = failed(&run(&base, arguments, variables, input));
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(config(), before, "a failed init changed the configuration");
    // Everything that reads the secret, as chatty as can be.
    run(&base, &["init", "-f", "--randomports"], &[("CLUSTER_SECRET", SECRET)], "");
    assert!(run(&base, &["--debug", "state", "check"], &[], "").status.success());
    for arguments in [&["--debug", "daemon"][..], &["daemon", "--loglevel", "trace"]] {
        let said =
            start_and_stop(&base, arguments, &[("CLUSTER_RESTAPI_BASICAUTHCREDENTIALS", "user:5ec5ec")]);
        assert!(!said.contains("5ec5ec"), "a secret is shown: {said}");
    }
}

#[test]
fn peers_become_trusted_and_known() {
    let (_parent, base) = new_base();
    let address = format!("/dns4/example.org/tcp/9096/p2p/{PEER}");
    let output = run(&base, &["init", "--consensus", "crdt", "--peers", &address], &[], "");
    let place = base.join("peerstore");
    assert!(
        text(&output.stderr).contains(&format!("peerstore written to {} with 1 entries.", place.display()))
    );
    assert_eq!(fs::read_to_string(place).unwrap(), format!("{address}\n"));
    let config = fs::read_to_string(base.join("service.toml")).unwrap();
    assert!(config.contains(&format!("trusted_peers = [\"{PEER}\"]")), "{config}");
    let error = failed(&run(&base, &["init", "-f", "--peers", "/ip4/1.2.3.4/tcp/1"], &[], ""));
    assert!(error.contains("/p2p/<peer ID>"), "{error}");
}

#[test]
fn choices_that_do_not_exist_are_one_sentence_and_leave_nothing() {
    for (arguments, expected) in [
        (
            &["init", "-consensus", "paxos"][..],
            "error choosing consensus: \"paxos\" is unknown; choose crdt or raft",
        ),
        (
            &["init", "--datastore", "floppy"],
            "error choosing datastore: \"floppy\" is unknown; choose fjall or sled",
        ),
        (&["init", "--format", "xml"], "error choosing format: \"xml\" is unknown; choose toml or json"),
        (&["init", "ftp://example.org/x"], "ftp: is neither http: nor https:"),
    ] {
        let (_parent, base) = new_base();
        let error = failed(&run(&base, arguments, &[], ""));
        assert!(error.starts_with("error ") && error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!base.exists());
    }
    let (_parent, base) = new_base();
    let output = run(&base, &["init", "--datastore", "badger3"], &[], "");
    assert!(output.status.success() && text(&output.stderr).contains("using fjall instead"), "{output:?}");
}

#[test]
fn a_store_of_sled_is_made_and_used() {
    let (_parent, base) = new_base();
    assert!(run(&base, &["init", "--datastore", "sled"], &[], "").status.success());
    let path = base.join("service.toml");
    let config = fs::read_to_string(&path).unwrap();
    assert!(config.contains("[datastore.sled]") && !config.contains("[datastore.fjall]"), "{config}");
    let imported = run(&base, &["state", "import", "-f"], &[], "");
    assert!(imported.status.success(), "{imported:?}");
    assert!(run(&base, &["state", "check"], &[], "").status.success());
    let marked: Vec<_> =
        fs::read_dir(base.join("store")).unwrap().map(|e| e.unwrap().path().join("ENGINE")).collect();
    let marked = marked.iter().find_map(|path| fs::read_to_string(path).ok());
    assert_eq!(marked.as_deref(), Some("sled\n"));
    fs::write(&path, config.replace("[datastore.sled]", "[datastore.fjall]")).unwrap();
    let error = failed(&run(&base, &["state", "check"], &[], ""));
    assert!(
        error.contains("written by the engine \"sled\", but the configuration names \"fjall\""),
        "{error}"
    );
}

#[test]
fn random_ports_are_other_ones() {
    let (_parent, base) = new_base();
    assert!(run(&base, &["init", "--randomports"], &[], "").status.success());
    let config = fs::read_to_string(base.join("service.toml")).unwrap();
    for usual in ["/tcp/9094", "/tcp/9095", "/tcp/9096", "/udp/9096", "/tcp/9097"] {
        assert!(!config.contains(usual), "{usual}");
    }
}

#[test]
fn a_configuration_with_three_mistakes_reports_three() {
    let (_parent, base) = new_base();
    run(&base, &["init"], &[], "");
    let path = base.join("service.toml");
    let broken = fs::read_to_string(&path)
        .unwrap()
        .replace("pin_timeout = \"2m0s\"", "pin_timeout = \"two minutes\"")
        .replace("concurrent_pins = 10", "concurrent_pin = 10")
        .replace("low_water = 100", "low_water = 1000");
    fs::write(&path, broken).unwrap();
    let error = failed(&run(&base, &["daemon"], &[], ""));
    assert!(error.starts_with("error loading configurations: 3 mistakes in "), "{error}");
    for expected in [
        "ipfs_connector.ipfshttp.pin_timeout: found \"two minutes\"",
        "did you mean pin_tracker.stateless.concurrent_pins?",
        "cluster.connection_manager.low_water: found 1000 with high_water 400",
    ] {
        assert_eq!(error.matches(expected).count(), 1, "{expected} in {error}");
    }
    fs::write(&path, "[cluster\n").unwrap();
    let error = failed(&run(&base, &["daemon"], &[], ""));
    assert!(error.contains("line 1, column"), "{error}");
    fs::write(base.join("service.json"), "{}").unwrap();
    let error = failed(&run(&base, &["daemon"], &[], ""));
    assert!(error.contains("service.toml") && error.contains("service.json"), "{error}");
}

#[test]
fn an_api_open_to_the_network_is_refused_before_anything_starts() {
    let (_parent, base) = new_base();
    run(&base, &["init"], &[], "");
    let open = [("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", "/ip4/0.0.0.0/tcp/0")];
    let error = failed(&run(&base, &["daemon"], &open, ""));
    assert!(error.contains("api.restapi") && error.contains("--allow-open-api"), "{error}");
}

#[test]
fn a_locked_folder_is_left_alone() {
    let (_parent, base) = new_base();
    run(&base, &["init"], &[], "");
    let _held = cluster_daemon::ExecutionLock::acquire(&base).unwrap();
    let lock = base.join("cluster.lock");
    for arguments in [&["daemon"][..], &["state", "export"], &["init", "-f"]] {
        let error = failed(&run(&base, arguments, &[], ""));
        let expected =
            format!("error obtaining execution lock: lock {}: someone else has the lock.", lock.display());
        assert!(error.starts_with(&expected), "{error}");
    }
    assert!(lock.exists());
}

#[test]
fn files_that_others_can_read_are_pointed_out() {
    let (_parent, base) = new_base();
    run(&base, &["init"], &[], "");
    let warned = || {
        let output = run(&base, &["state", "export"], &[], "");
        assert!(output.status.success(), "{output:?}");
        text(&output.stderr).contains("others can read this file")
    };
    assert!(!warned());
    fs::set_permissions(base.join("service.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(warned());
}

#[test]
fn questions_of_state_commands_need_an_answer() {
    let (_parent, base) = new_base();
    run(&base, &["init"], &[], "");
    let question = "The peer state will be removed.  Existing pins may be lost. Continue? [y/n]:";
    let silence = run(&base, &["state", "cleanup"], &[], "");
    assert!(failed(&silence).contains("asking for confirmation"));
    assert!(text(&silence.stdout).contains(question));
    assert!(run(&base, &["state", "cleanup"], &[], "n\n").status.success());
    assert!(run(&base, &["state", "import"], &[], "\n").status.success());
    let bad = run(&base, &["state", "import", "-rmin", "-1", "--allocs", "nobody"], &[], "");
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        text(&bad.stdout).starts_with("Incorrect Usage: ") && text(&bad.stdout).contains("not a peer ID"),
        "{bad:?}"
    );
    let nameless = failed(&run(&base, &["daemon", "--bootstrap=/ip4/1.2.3.4/tcp/1"], &[], ""));
    assert!(nameless.contains("\"/ip4/1.2.3.4/tcp/1\": it does not end in /p2p/<peer ID>"), "{nameless}");
}

#[test]
fn names_versions_and_help_are_the_expected_ones() {
    let plain = |arguments: &[&str]| run_as(Path::new(PROGRAM), arguments, &[], "");
    assert_eq!(text(&plain(&["--version"]).stdout), "cluster-service version 1.1.6\n");
    assert_eq!(text(&plain(&["-v"]).stdout), "cluster-service version 1.1.6\n");
    assert_eq!(text(&plain(&["version"]).stdout), "1.1.6\n");
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("ipfs-cluster-service");
    std::os::unix::fs::symlink(PROGRAM, &other).unwrap();
    assert_eq!(text(&run_as(&other, &["--version"], &[], "").stdout), "ipfs-cluster-service version 1.1.6\n");
    let help = run_as(&other, &["-help"], &[], "");
    assert!(help.status.success() && text(&help.stdout).contains("USAGE:\n   ipfs-cluster-service"));
    for (arguments, code, name) in [
        (&[][..], 1, "cluster-service"),
        (&["dance"], 1, "cluster-service"),
        (&["help"], 0, "cluster-service"),
        (&["state"], 0, "cluster-service state"),
        (&["h", "state", "crdt"], 0, "cluster-service state crdt"),
        (&["state", "import", "-help"], 0, "cluster-service state import"),
    ] {
        let output = plain(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let shown = text(&output.stdout);
        assert!(shown.starts_with(&format!("NAME:\n   {name} - ")), "{arguments:?} {output:?}");
        assert!(shown.lines().all(|line| line.chars().count() <= 120), "{shown}");
        assert_eq!(shown.contains("\nGLOBAL OPTIONS:\n"), name == "cluster-service", "{shown}");
    }
    let unknown = plain(&["state", "dance"]);
    assert_eq!(
        (unknown.status.code(), text(&unknown.stderr).as_str()),
        (Some(3), "No help topic for 'dance'\n")
    );
    let bad = plain(&["init", "--no-such-flag"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stdout).starts_with("Incorrect Usage: ") && text(&bad.stdout).contains("\nOPTIONS:\n"));
    let levels = plain(&["--loglevel", "a:b:c", "daemon"]);
    assert!(text(&levels.stderr).contains("log level not in expected format"), "{levels:?}");
}

#[test]
fn the_folder_comes_from_flag_variable_or_home() {
    let home = tempfile::tempdir().unwrap();
    let home_path = home.path().to_str().unwrap();
    let output = run_as(Path::new(PROGRAM), &["init"], &[("HOME", home_path), ("IPFS_CLUSTER_PATH", "")], "");
    assert!(output.status.success(), "{output:?}");
    assert!(home.path().join(".ipfs-cluster/service.toml").exists());
    let variable = home.path().join("variable");
    let variables = [("HOME", home_path), ("IPFS_CLUSTER_PATH", variable.to_str().unwrap())];
    assert!(run_as(Path::new(PROGRAM), &["init"], &variables, "").status.success());
    assert!(variable.join("service.toml").exists());
    let flag = home.path().join("flag");
    let flag_text = format!("-config={}", flag.display());
    assert!(run_as(Path::new(PROGRAM), &[&flag_text, "init"], &variables, "").status.success());
    assert!(flag.join("service.toml").exists());
}
