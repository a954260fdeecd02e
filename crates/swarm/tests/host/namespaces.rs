//! Hosts on machines of their own: network namespaces.

use crate::harness::LIMIT;
use cluster_testkit::two_sides::TwoSides;
use std::{path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// In the environment of a test program that runs as a host on a machine; names the machine.
pub(crate) const MACHINE: &str = "CLUSTER_SWARM_TEST_MACHINE";

/// Makes a command that runs a program on a machine.
pub(crate) fn command(machines: &TwoSides, machine: u8, program: &Path) -> Command {
    let launcher = machines.launcher(machine);
    let mut command = Command::new(&launcher[0]);
    command.args(&launcher[1..]).arg(program).env(MACHINE, machine.to_string()).kill_on_drop(true);
    command
}

/// Runs a test of this program on a machine; it finds the machine's number in [`MACHINE`].
pub(crate) fn run_test(machines: &TwoSides, machine: u8, test: &str) -> Child {
    command(machines, machine, &std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a program says.
pub(crate) struct Lines {
    lines: tokio::io::Lines<BufReader<ChildStdout>>,
    heard: String,
}

impl Lines {
    pub(crate) fn of(child: &mut Child) -> Self {
        Self { lines: BufReader::new(child.stdout.take().unwrap()).lines(), heard: String::new() }
    }

    /// Waits until the program says a line.
    pub(crate) async fn wait(&mut self, wanted: &str) {
        let saying = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line == wanted {
                    return true;
                }
                self.heard += &line;
                self.heard += "\n";
            }
            false
        };
        let done = timeout(6 * LIMIT, saying).await.unwrap_or(false);
        assert!(done, "{wanted} was not said, but {}", self.heard);
    }
}
