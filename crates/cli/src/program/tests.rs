use super::*;
use clap::Arg;
use std::path::PathBuf;

fn program(called_as: &str) -> Program {
    let leaf = Command::new("leaf")
        .arg(Arg::new("name").long("name").short('n').allow_hyphen_values(true))
        .arg(Arg::new("file").value_parser(clap::value_parser!(PathBuf)));
    let command = Command::new("")
        .about("Does things")
        .version("1.2.3")
        .subcommand_required(true)
        .arg(Arg::new("config").long("config").value_parser(clap::value_parser!(PathBuf)))
        .subcommand(Command::new("group").about("Holds").subcommand_required(true).subcommand(leaf));
    Program::new(command, called_as, ["prog", "ipfs-prog"], "Says more.\nAnd more.")
}

fn parse(line: &str) -> Result<ArgMatches, Stop> {
    program("prog").parse(line.split(' ').filter(|w| !w.is_empty()).map(OsString::from))
}

#[test]
fn the_name_follows_the_call() {
    for (called_as, name) in [
        ("/usr/bin/ipfs-prog", "ipfs-prog"),
        ("./prog", "prog"),
        ("", "prog"),
        ("/x/other", "prog"),
        ("ipfs-prog-1.1", "ipfs-prog"),
    ] {
        let program = program(called_as);
        assert_eq!(program.name(), name, "{called_as}");
        assert!(program.help(&[]).starts_with(&format!("NAME:\n   {name} - Does things\n")));
        assert_eq!(program.commands(), [format!("{name} group"), format!("{name} group leaf")]);
    }
}

#[test]
fn what_was_asked_for_is_told_apart_from_what_is_missing() {
    assert_eq!(parse("--version"), Err(Stop::Show("prog version 1.2.3\n".to_owned())));
    let help = program("prog").help(&[]);
    assert!(help.contains("DESCRIPTION:\n   Says more.\n   And more.\n\nCOMMANDS:\n"), "{help}");
    assert_eq!(parse(""), Err(Stop::NoCommand(help.clone())));
    assert_eq!(parse("help"), Err(Stop::Show(help)));
    assert!(
        matches!(parse("group"), Err(Stop::Show(text)) if text.starts_with("NAME:\n   prog group - Holds"))
    );
    for (line, name, group) in [("nope", "nope", &[][..]), ("group nope leaf", "nope", &["group"])] {
        let Err(Stop::UnknownCommand { name: found, group: place, text }) = parse(line) else {
            panic!("{line}")
        };
        assert_eq!((found.as_str(), text), (name, format!("No help topic for '{name}'\n")));
        assert_eq!(place, group);
    }
    assert!(
        matches!(parse("group leaf --nope"), Err(Stop::Usage(text)) if text.starts_with("Incorrect Usage: "))
    );
}

#[cfg(unix)]
#[test]
fn paths_need_not_be_unicode() {
    use std::os::unix::ffi::OsStringExt;
    let odd = OsString::from_vec(b"/a\xff".to_vec());
    let words = ["-config".into(), odd.clone(), "group".into(), "leaf".into(), odd.clone()];
    let matches = program("prog").parse(words.into_iter()).unwrap();
    assert_eq!(matches.get_one::<PathBuf>("config"), Some(&PathBuf::from(&odd)));
    let leaf = matches.subcommand().and_then(|(_, group)| group.subcommand()).unwrap().1;
    assert_eq!(leaf.get_one::<PathBuf>("file"), Some(&PathBuf::from(&odd)));
}
