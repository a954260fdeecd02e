//! The effective configuration, each value with where it came from.

use super::{
    Config, ConfigError, Environment, Loaded, Mistake, OpenApiError, Origin, idle,
    key::Kind,
    keys,
    toml_writer::{at, show},
};
use serde_json::Value;
use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

/// What stands for a secret.
const HIDDEN: &str = "XXX_hidden_XXX";

/// The effective configuration of a base folder, fit to be shown.
#[derive(Debug, Clone)]
pub struct Report {
    /// The file it was read from.
    pub path: PathBuf,
    /// The settings in the notation of `service.toml`, each with its source, without secrets.
    pub text: String,
    /// What the file holds and nobody here knows.
    pub warnings: Vec<Mistake>,
    /// Lines about settings that have no effect.
    pub idle: Vec<String>,
    /// An API that anyone on the network could use.
    pub open_api: Option<OpenApiError>,
}

impl Report {
    /// Reads the configuration of a base folder, the environment over it.
    ///
    /// # Errors
    /// As [`Config::load`]: all mistakes together.
    pub fn of(base: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let (path, format) = Config::file(base)?;
        let loaded = Config::from_layers(&Config::read(&path)?, &path, format, environment)?;
        let open_api = loaded.config.check_open_api().err();
        let idle = idle::lines(&loaded.config);
        Ok(Self { path, text: write(&loaded), warnings: loaded.warnings, idle, open_api })
    }
}

fn write(loaded: &Loaded) -> String {
    let values = serde_json::to_value(loaded.config.to_raw()).unwrap_or_default();
    let mut text = String::new();
    for section in keys::SECTIONS {
        let path = section.path;
        let separator = if text.is_empty() { "" } else { "\n" };
        let Some(values) = at(&values, path).filter(|section| section.is_object()) else {
            // Of these there is one: nobody misses the other.
            if !path.starts_with("datastore.") && !path.starts_with("consensus.") {
                let _ = writeln!(text, "{separator}# [{path}] is not there: it does not run");
            }
            continue;
        };
        let _ = writeln!(text, "{separator}[{path}]");
        for key in section.keys {
            let name = key.name;
            let source = match loaded.origins.get(&keys::path(section, key)) {
                Some(Origin::Line(line)) => format!("file, line {line}"),
                Some(Origin::Variable(variable)) => format!("environment, {variable}"),
                Some(Origin::Default) | None => "default".to_owned(),
            };
            let _ = match at(values, name).unwrap_or(&Value::Null) {
                Value::Null => writeln!(text, "# {name} is not set"),
                value => writeln!(text, "{name} = {}  # {source}", show(&hide(value, key.kind), key.kind)),
            };
        }
    }
    text
}

/// Puts a mark in the place of every secret.
fn hide(value: &Value, kind: Kind) -> Value {
    match (kind, value) {
        (Kind::SecretMap, Value::Object(users)) => {
            users.keys().map(|user| (user.clone(), Value::from(HIDDEN))).collect()
        }
        (kind, _) if kind.is_secret() => Value::from(HIDDEN),
        (_, value) => value.clone(),
    }
}
