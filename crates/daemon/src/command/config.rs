//! The `config` commands.

use super::CommandError;
use crate::{
    config::{ConfigFiles, ConfigFormat, Conversion, ConvertError, Converted, Environment, Report},
    init::durable_file,
};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Which folder, and what to do with its configuration.
#[derive(Debug, Clone)]
pub struct ConfigOptions {
    /// Base folder.
    pub base: PathBuf,
    /// What to do.
    pub command: ConfigCommand,
}

/// What to do with the configuration.
#[derive(Debug, Clone)]
pub enum ConfigCommand {
    /// Show what is in effect and where it comes from, or all mistakes.
    Check,
    /// Write it in the other notation.
    Convert(ConfigConvert),
}

/// Writing a configuration in the other notation.
#[derive(Debug, Clone)]
pub struct ConfigConvert {
    /// File to read; `None` is that of the base folder.
    pub file: Option<PathBuf>,
    /// File to write; `None` is standard output.
    pub output: Option<PathBuf>,
    /// Overwrite it.
    pub force: bool,
    /// Which datastore's section a `service.json` gets.
    pub datastore: String,
}

pub(super) fn run(options: ConfigOptions, environment: &Environment) -> Result<(), CommandError> {
    match options.command {
        ConfigCommand::Check => check(&options.base, environment),
        ConfigCommand::Convert(convert) => Ok(run_convert(&options.base, convert)?),
    }
}

fn check(base: &Path, environment: &Environment) -> Result<(), CommandError> {
    let report = Report::of(base, environment)?;
    print(report.text.as_bytes()).map_err(|source| CommandError::Print { source })?;
    for warning in &report.warnings {
        eprintln!("passed over in {}: {warning}", report.path.display());
    }
    for line in &report.idle {
        eprintln!("{line}");
    }
    if let Some(open) = &report.open_api {
        eprintln!("warning: {open}");
    }
    Ok(())
}

fn run_convert(base: &Path, options: ConfigConvert) -> Result<(), ConvertError> {
    let ConfigConvert { file, output, force, datastore } = options;
    let file = file.map_or_else(|| Conversion::file_of(base), Ok)?;
    let Converted { text, format, left_out } = Conversion { file: file.clone(), datastore }.run()?;
    match &output {
        None => print(text.as_bytes())
            .map_err(|source| ConvertError::Write { path: "standard output".into(), source })?,
        Some(path) => write(path, text.as_bytes(), force)?,
    }
    for sentence in left_out {
        eprintln!("left out: {sentence}");
    }
    if let Some(path) = output {
        eprintln!("configuration written to {}.", path.display());
        let other = match format {
            ConfigFormat::Toml => ConfigFormat::Json,
            ConfigFormat::Json => ConfigFormat::Toml,
        };
        let files = ConfigFiles::of(path.parent().unwrap_or(Path::new("")));
        if path == files.path(format) && files.path(other).exists() {
            eprintln!(
                "the peer will not start while {} lies beside it: move that away",
                files.path(other).display()
            );
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), ConvertError> {
    let written = if force { durable_file::write(path, bytes) } else { durable_file::write_new(path, bytes) };
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => ConvertError::Exists { path: path.to_owned() },
        _ => ConvertError::Write { path: path.to_owned(), source },
    })
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
