//! Mistakes and questions that no server is needed for.

use super::{CID, run, run_as};

#[tokio::test]
async fn unknown_commands_exit_3() {
    for line in ["nope", "peers nope", "pin nope", "health nope", "ipfs nope"] {
        let run = run(line).await;
        assert_eq!(run.code, 3, "{run:?}");
        let word = line.rsplit(' ').next().unwrap();
        assert_eq!(run.err, format!("No help topic for '{word}'\n"));
    }
}

#[tokio::test]
async fn bad_flags_exit_1_with_help_on_standard_output() {
    let run = run("pin add --nope x").await;
    assert_eq!(run.code, 1);
    assert!(run.out.starts_with("Incorrect Usage") && run.out.contains("\nOPTIONS:\n"), "{}", run.out);
    assert_eq!(run.err, "");
}

#[tokio::test]
async fn help_and_version_carry_the_name_of_the_call() {
    assert_eq!(run("--version").await.out, "cluster-ctl version 1.1.6\n");
    assert_eq!(run_as("/x/ipfs-cluster-ctl", "-v").await.out, "ipfs-cluster-ctl version 1.1.6\n");
    let help = run("").await;
    assert_eq!(help.code, 0);
    assert!(help.out.starts_with("NAME:\n   cluster-ctl - "), "{}", help.out);
    let group = run_as("ipfs-cluster-ctl", "pin").await;
    assert_eq!(group.code, 0);
    assert!(group.out.starts_with("NAME:\n   ipfs-cluster-ctl pin - "), "{}", group.out);
}

#[tokio::test]
async fn every_line_of_commands_is_a_command() {
    let commands = run_as("ipfs-cluster-ctl", "commands").await;
    assert_eq!(commands.out.lines().count(), 29, "{}", commands.out);
    for line in commands.out.lines() {
        let words = line.strip_prefix("ipfs-cluster-ctl ").unwrap();
        assert_eq!(run(&format!("{words} --help")).await.code, 0, "{line}");
    }
}

#[tokio::test]
async fn mistakes_in_arguments_go_to_standard_error_before_anything_is_sent() {
    let path = "error parsing path: invalid path";
    for (line, text) in [
        ("--enc yaml id", "error : unsupported encoding\n"),
        ("--host nope id", "error parsing host multiaddress: \"nope\" is not a multiaddress"),
        (
            "--host /ip4/127.0.0.1/tcp/1/https id",
            "error parsing host multiaddress: \"/ip4/127.0.0.1/tcp/1/https\" ends in https",
        ),
        ("status nope", "error parsing cid: "),
        ("recover nope", "error parsing cid: "),
        ("pin ls nope", "error parsing cid: "),
        ("pin add nope", path),
        ("pin add /nope/x", path),
        ("pin rm nope", path),
        ("status --filter nope", "error parsing filter flag: invalid filter name\n"),
        ("pin ls --filter nope", "error parsing filter flag: invalid filter name\n"),
        ("peers rm nope", "error parsing peer ID: "),
        ("add file", "error : add is not supported by this version yet\n"),
    ] {
        let run = run(line).await;
        assert_eq!(run.code, 1, "{line}: {run:?}");
        assert!(run.err.starts_with(text), "{line}: {}", run.err);
        assert_eq!(run.out, "", "{line}");
    }
    for (flags, text) in [
        ("--metadata x", "error parsing metadata: metadata were not in the format key=value\n"),
        ("--allocations x", "error decoding allocations: some peer IDs could not be decoded\n"),
        ("--expire-in 5", "error parsing expire-in: invalid duration \"5\": not numbers with units"),
        ("--wait --wait-timeout x", "error parsing wait-timeout: "),
    ] {
        let run = run(&format!("--host /ip4/127.0.0.1/tcp/1 pin add {CID} {flags}")).await;
        assert_eq!(run.code, 1, "{flags}");
        assert!(run.err.starts_with(text), "{flags}: {}", run.err);
    }
}
