use super::*;
use crate::cli::{Command, PinCommand};

fn words(line: &str) -> Result<Cli, Stop> {
    parse(&program("cluster-ctl"), line.split(' ').filter(|w| !w.is_empty()).map(OsString::from))
}

fn shown(line: &str) -> String {
    match words(line) {
        Err(Stop::Show(text) | Stop::NoCommand(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn one_dash_is_as_good_as_two_and_flags_may_follow_arguments() {
    for line in [
        "--enc=json pin add bafkqaaa --replication-min=-1 --rmax -1 -n x --wait --metadata a=b --metadata c=d",
        "-enc json pin add -replication-min -1 -rmax=-1 bafkqaaa -name x -w=true -metadata=a=b -metadata c=d",
    ] {
        let cli = words(line).unwrap();
        let Command::Pin(PinCommand::Add(args)) = cli.command else { panic!("{line}") };
        assert_eq!(
            (cli.global.encoding.as_str(), args.path.as_str(), args.name.as_str()),
            ("json", "bafkqaaa", "x")
        );
        assert_eq!((args.replication_min, args.replication_max, args.wait.wait), (-1, -1, true));
        assert_eq!(args.metadata, ["a=b", "c=d"]);
    }
}

#[test]
fn the_last_of_a_repeated_flag_counts() {
    let line = "--enc json --enc text pin add --name a --wait --rmin 1 --name b --wait --rmin 2 --metadata a=b bafkqaaa -metadata c=d";
    let cli = words(line).unwrap();
    let Command::Pin(PinCommand::Add(args)) = cli.command else { panic!() };
    assert_eq!((cli.global.encoding.as_str(), args.name.as_str(), args.replication_min), ("text", "b", 2));
    assert_eq!(args.metadata, ["a=b", "c=d"]);
}

#[test]
fn no_help_line_is_wider_than_120_and_all_sections_are_there() {
    let program = program("/usr/bin/ipfs-cluster-ctl");
    let root = program.help(&[]);
    let mut last = 0;
    for section in ["NAME:", "USAGE:", "VERSION:", "DESCRIPTION:", "COMMANDS:", "GLOBAL OPTIONS:"] {
        let at = root.find(&format!("{section}\n")).unwrap_or_else(|| panic!("{section} in {root}"));
        assert!(at >= last, "{section} is out of order in {root}");
        last = at;
    }
    let commands = program.commands();
    assert!(commands.iter().any(|c| c == "ipfs-cluster-ctl pin add"));
    for path in commands.iter().map(|c| c.split(' ').skip(1).map(str::to_owned).collect::<Vec<_>>()) {
        let help = program.help(&path);
        assert!(help.starts_with(&format!("NAME:\n   ipfs-cluster-ctl {} - ", path.join(" "))), "{help}");
        assert!(help.contains("USAGE:\n   ipfs-cluster-ctl ") && help.contains("\nOPTIONS:\n"), "{help}");
        for line in help.lines().chain(root.lines()) {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }
}

#[test]
fn secrets_are_not_shown() {
    let cli = words("--secret 5ec5ec --basic-auth user:5ec5ec id").unwrap();
    assert_eq!((&*cli.global.secret, &*cli.global.basic_auth), ("5ec5ec", "user:5ec5ec"));
    assert!(!format!("{cli:?}").contains("5ec5ec"));
}

#[test]
fn switches_take_false() {
    let Command::Status { local, .. } = words("status --local=false").unwrap().command else { panic!() };
    assert!(!local);
    assert!(matches!(words("status --local=perhaps"), Err(Stop::Usage(_))));
}

#[test]
fn help_in_all_its_places() {
    let pin_add = shown("pin add --help");
    assert!(pin_add.starts_with("NAME:\n   cluster-ctl pin add - "), "{pin_add}");
    for line in ["help pin add", "h pin add", "pin help add", "pin h add", "pin add -h", "pin add -help"] {
        assert_eq!(shown(line), pin_add, "{line}");
    }
    assert_eq!(shown(""), shown("--help"));
    assert_eq!(shown("--host /ip4/1.2.3.4/tcp/1"), shown("help"));
    assert_eq!(shown("pin"), shown("help pin"));
    assert!(shown("peers").contains("COMMANDS:\n"));
}

#[test]
fn version_has_the_programs_name() {
    for line in ["-v", "--version", "-version"] {
        assert_eq!(shown(line), "cluster-ctl version 1.1.6\n");
    }
}

#[test]
fn unknown_commands_and_bad_flags() {
    for (line, name) in
        [("nope", "nope"), ("peers nope", "nope"), ("pin nope", "nope"), ("help nope", "nope")]
    {
        let Err(Stop::UnknownCommand { name: found, .. }) = words(line) else { panic!("{line}") };
        assert_eq!(found, name);
    }
    for line in [
        "id --nope",
        "pin add",
        "peers add",
        "peers rm",
        "pin add bafkqaaa --rmin x",
        "--timeout",
        "status --filter",
    ] {
        let Err(Stop::Usage(text)) = words(line) else { panic!("{line}") };
        assert!(text.starts_with("Incorrect Usage: ") && text.contains("\nUSAGE:\n"), "{text}");
    }
}

/// Each page is what `man` takes, and completions name every command.
#[test]
fn every_command_has_a_manual_page_and_is_completed() {
    let folder = std::env::temp_dir().join(format!("cluster-ctl-man-{}", std::process::id()));
    let program = program("ipfs-cluster-ctl");
    let make = |line: &str| {
        let cli = parse(&program, line.split(' ').map(OsString::from)).unwrap();
        let Command::Manuals(asked) = cli.command else { panic!("{line}") };
        program.manuals(&asked)
    };
    let named = make(&format!("man {}", folder.display())).unwrap();
    for command in program.commands() {
        let path = folder.join(format!("{}.1", command.replace(' ', "-")));
        assert!(named.lines().any(|line| line == path.to_string_lossy()), "{command} in {named}");
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{page}");
    }
    let page = std::fs::read_to_string(folder.join("ipfs-cluster-ctl-pin-add.1")).unwrap();
    assert!(page.contains("replication\\-min"), "{page}");
    std::fs::remove_dir_all(&folder).unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = make(&format!("completions {shell}")).unwrap();
        assert!(script.contains("ipfs-cluster-ctl") && script.contains("replication-min"), "{script}");
    }
    let error = make("man /proc/nowhere").unwrap_err().to_string();
    assert!(error.starts_with("cannot write /proc/nowhere: "), "{error}");
}
