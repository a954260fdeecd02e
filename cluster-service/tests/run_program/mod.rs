//! Starting a program and waiting for its end.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Runs a program with only the given variables, and standard input from `input`.
pub(crate) fn run_as(program: &Path, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that asks nothing may be gone before it could read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}
