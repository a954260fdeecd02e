//! Builds the fuzz targets with the toolchain of the workspace and runs each for a while.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Runs every fuzz target of tests/fuzz, from the corpus there and what earlier runs found (target/corpus). A crash,
/// more than 2 GiB of memory, or an input that takes 10 seconds ends it with the input's file.
#[derive(Debug, Parser)]
#[command(name = "fuzz")]
struct Arguments {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only these, by name and separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// What libFuzzer needs to see which way an input takes.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("tests lies nowhere")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let programs = build(root, &target.join("fuzz"))?;
    let corpus = root.join("tests/fuzz/corpus");
    let mut names: Vec<String> = fs::read_dir(root.join("tests/fuzz/fuzz_targets"))?
        .map(|file| Ok(file?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    if let Some(unknown) = arguments.only.iter().find(|name| !names.contains(name)) {
        bail!("there is no target named {unknown}; there are {}", names.join(", "));
    }
    names.retain(|name| arguments.only.is_empty() || arguments.only.contains(name));
    for name in names {
        let found = target.join("corpus").join(&name);
        fs::create_dir_all(&found)?;
        let output = Command::new(programs.join(&name))
            .current_dir(&found)
            .args([&found, &corpus.join(&name)])
            .args([
                format!("-max_total_time={}", arguments.seconds),
                "-timeout=10".to_owned(),
                "-rss_limit_mb=2048".to_owned(),
                "-print_final_stats=1".to_owned(),
            ])
            .output()
            .with_context(|| format!("running the target {name}"))?;
        let log = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{name}: {}\n{log}", output.status);
        let stat = |key: &str| log.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("?").trim();
        println!(
            "{name}: {} runs in {} s, peak {} MB",
            stat("stat::number_of_executed_units:"),
            arguments.seconds,
            stat("stat::peak_rss_mb:")
        );
    }
    Ok(())
}

/// Builds the targets, which are a workspace of their own, and returns where they lie. With `--target`, so that the flags
/// are not for programs that run while building.
fn build(root: &Path, target: &Path) -> Result<PathBuf> {
    let compiler = Command::new("rustc").arg("-vV").output().context("running rustc")?;
    let said = String::from_utf8_lossy(&compiler.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--locked", "--target", host, "--manifest-path"])
        .arg(root.join("tests/fuzz/Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .env("RUSTFLAGS", FLAGS)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "the targets were not built");
    Ok(target.join(host).join("debug"))
}
