//! All values of all layers by key, each with where it came from.

use super::{
    ConsensusKind,
    environment::Environment,
    file::ConfigFormat,
    key::{Kind, Section},
    keys,
    mistake::{Mistake, Origin, Problem},
    node::{Node, NodeValue, quote},
    raw::RawConfig,
    suggestion,
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// Section of the store when no file says otherwise.
const DEFAULT_STORE: &str = "datastore.fjall";
/// Section of the store with the other engine; with it there is no default.
const OTHER_STORE: &str = "datastore.sled";
/// Sections of which a peer has one: without a file the first of each.
const CHOICES: &[[&str; 2]] = &[[DEFAULT_STORE, OTHER_STORE], ["consensus.crdt", "consensus.raft"]];

/// The layered values, later layers over earlier ones. Holds secrets, hence no `Debug`.
pub(crate) struct Document {
    values: BTreeMap<String, Value>,
    origins: BTreeMap<String, Origin>,
    present: BTreeSet<&'static str>,
    mistakes: Vec<Mistake>,
    format: ConfigFormat,
    warnings: Vec<Mistake>,
    go_stores: BTreeMap<&'static str, PathBuf>,
    /// Sections of Go datastores that say something.
    go_sections: Vec<&'static str>,
}

impl Document {
    /// Starts without a file: every section is there, of those that exclude each other the first, and everything has its
    /// default.
    pub(crate) fn defaults() -> Self {
        let sections = keys::SECTIONS.iter().map(|section| section.path);
        let present = sections.filter(|path| !CHOICES.iter().any(|[_, other]| other == path)).collect();
        Self {
            values: BTreeMap::new(),
            origins: BTreeMap::new(),
            present,
            mistakes: Vec::new(),
            format: ConfigFormat::Toml,
            warnings: Vec::new(),
            go_stores: BTreeMap::new(),
            go_sections: Vec::new(),
        }
    }

    /// Takes a file; values of the wrong shape become mistakes, unknown keys mistakes or warnings as the notation has
    /// it.
    pub(crate) fn of_file(root: &Node, format: ConfigFormat) -> Self {
        let mut document = Self { format, ..Self::defaults() };
        document.present.clear();
        document.take("", root);
        if !document.has(OTHER_STORE) {
            document.present.insert(DEFAULT_STORE);
        }
        if format == ConfigFormat::Json {
            document.fill_as_go();
        }
        document
    }

    /// Puts the section of the other engine in the place of the default one's.
    pub(crate) fn store_in_sled(&mut self) {
        self.present.remove(DEFAULT_STORE);
        self.present.insert(OTHER_STORE);
    }

    /// Puts the section of this consensus in the place of the default one's.
    pub(crate) fn agree_by(&mut self, consensus: ConsensusKind) {
        self.present.remove(ConsensusKind::default().section());
        self.present.insert(consensus.section());
    }

    /// Gives keys that are missing the value that Go takes for them.
    fn fill_as_go(&mut self) {
        for (path, meaning) in keys::ABSENT_IN_JSON {
            let is_wanted = keys::find(path)
                .is_some_and(|(section, _)| !section.optional || self.present.contains(section.path));
            if is_wanted
                && !self.origins.contains_key(*path)
                && let Ok(value) = serde_json::from_str(meaning)
            {
                self.set((*path).to_owned(), value, Origin::Default);
            }
        }
    }

    /// Lays the environment over what is there (api §5.6). A variable of a section that is not there says nothing.
    pub(crate) fn overlay(&mut self, environment: &Environment) {
        for (section, key) in keys::all() {
            let variable = keys::variable(section, key);
            let Some(value) = environment.get(&variable) else { continue };
            if section.optional && !self.present.contains(section.path) {
                continue;
            }
            let path = keys::path(section, key);
            let origin = Origin::Variable(variable);
            match value.to_str().map(|text| (text, key.kind.read_variable(text))) {
                Some((_, Some(value))) => self.set(path, value, origin),
                Some((text, None)) => {
                    let expected = match key.kind {
                        Kind::Map | Kind::SecretMap | Kind::ListMap => {
                            "pairs such as name:value,name2:value2"
                        }
                        kind => kind.expected(),
                    };
                    let found =
                        if key.kind.is_secret() { "a text (not shown)".to_owned() } else { quote(text) };
                    self.mistake(path, found, expected, origin);
                }
                None => self.mistake(path, "bytes that are not text".to_owned(), key.kind.expected(), origin),
            }
        }
        for (section, prefix, _) in keys::GO_STORES {
            if let Some(folder) = environment.non_empty(&format!("{prefix}_FOLDER")) {
                self.go_stores.insert(section, folder.into());
            }
        }
    }

    /// Makes of a published configuration that of a follower (api §7.4): which APIs its publisher serves, and what it
    /// observes, means nothing here. The REST API has its defaults and listens on a socket.
    pub(crate) fn become_follower(&mut self, socket: &str) {
        let is_own = |path: &str| !matches!(path.split('.').next(), Some("api" | "observations"));
        self.values.retain(|path, _| is_own(path));
        self.origins.retain(|path, _| is_own(path));
        self.present.retain(|path| is_own(path));
        self.mistakes.retain(|mistake| is_own(&mistake.key));
        self.warnings.retain(|mistake| is_own(&mistake.key));
        self.present.insert("api.restapi");
        let listen = Value::from(vec![format!("/unix{socket}")]);
        self.set("api.restapi.http_listen_multiaddress".to_owned(), listen, Origin::Default);
    }

    /// Says whether a section is there.
    pub(crate) fn has(&self, section: &str) -> bool {
        self.present.contains(section)
    }

    /// Says where the value of a key came from.
    pub(crate) fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// Hands out where all values came from.
    pub(crate) fn origins(&self) -> BTreeMap<String, Origin> {
        self.origins.clone()
    }

    /// Trusts everyone, as a new cluster does until somebody says otherwise.
    pub(crate) fn trust_everyone(&mut self) {
        self.set("consensus.crdt.trusted_peers".to_owned(), Value::from(vec!["*"]), Origin::Default);
    }

    /// Hands out the mistakes found so far.
    pub(crate) fn take_mistakes(&mut self) -> Vec<Mistake> {
        std::mem::take(&mut self.mistakes)
    }

    /// Hands out what was passed over.
    pub(crate) fn take_warnings(&mut self) -> Vec<Mistake> {
        std::mem::take(&mut self.warnings)
    }

    /// Names the folders that the Go implementation's datastores were given, as configured.
    pub(crate) fn go_stores(&self) -> Vec<PathBuf> {
        self.go_stores.values().cloned().collect()
    }

    /// Names the sections of Go datastores that say something.
    pub(crate) fn go_sections(&self) -> &[&'static str] {
        &self.go_sections
    }

    /// Moves the values into the raw structs.
    pub(crate) fn take_raw(&mut self) -> RawConfig {
        let mut root = Value::Object(Map::new());
        for section in &self.present {
            table_at(&mut root, section);
        }
        for (path, value) in std::mem::take(&mut self.values) {
            let (table, name) = path.rsplit_once('.').unwrap_or(("", &path));
            if let Some(entries) = table_at(&mut root, table) {
                entries.insert(name.to_owned(), value);
            }
        }
        serde_json::from_value(root).unwrap_or_else(|error| {
            // Only a row whose kind is not its field's type gets here; the tests go through all rows.
            self.mistake(
                "(file)".to_owned(),
                error.to_string(),
                "values that fit their keys",
                Origin::Default,
            );
            RawConfig::default()
        })
    }

    fn set(&mut self, path: String, value: Value, origin: Origin) {
        self.origins.insert(path.clone(), origin);
        self.values.insert(path, value);
    }

    fn mistake(&mut self, key: String, found: String, expected: &str, origin: Origin) {
        let problem = Problem::Value { found, expected: expected.to_owned() };
        self.mistakes.push(Mistake { key, problem, origin });
    }

    /// Takes one table of the file.
    fn take(&mut self, path: &str, node: &Node) {
        let NodeValue::Table(entries) = &node.value else {
            // Secrets may stand in the wrong place: nothing of the value is shown.
            self.mistake(path.to_owned(), node.describe(true), "a table", Origin::Line(node.line));
            return;
        };
        if let Some(section) = section(path) {
            self.present.insert(section.path);
        }
        for (name, entry) in entries {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let origin = Origin::Line(entry.name_line);
            if let Some((_, key)) = keys::find(&path) {
                match key.kind.shape(&entry.node) {
                    // Go takes an integer of zero for one that is missing.
                    Some(value) if self.format == ConfigFormat::Json && value == 0 => {}
                    Some(value) => self.set(path, value, origin),
                    None => {
                        let found = entry.node.describe(key.kind.is_secret());
                        self.mistake(path, found, key.kind.expected(), origin);
                    }
                }
            } else if let Some(reason) = keys::refusal(&path, self.format) {
                self.mistakes.push(Mistake { key: path, problem: Problem::Refused { reason }, origin });
            } else if section(&path).is_some() || keys::is_table(&path) {
                self.take(&path, &entry.node);
            } else if !self.pass_over_store(&path, &entry.node) {
                let suggestion = suggestion::closest(&path);
                let unknown = Mistake { key: path, problem: Problem::Unknown { suggestion }, origin };
                match self.format {
                    ConfigFormat::Toml => self.mistakes.push(unknown),
                    ConfigFormat::Json => self.warnings.push(unknown),
                }
            }
        }
    }

    /// Takes from the section of a Go datastore where it is; the rest means nothing here. Returns whether it was one.
    fn pass_over_store(&mut self, path: &str, node: &Node) -> bool {
        let Some((section, ..)) = keys::GO_STORES.iter().find(|(section, ..)| *section == path) else {
            return false;
        };
        let folder = match &node.value {
            NodeValue::Table(entries) if entries.is_empty() => return true,
            NodeValue::Table(entries) => entries.get("folder").map(|entry| &entry.node.value),
            _ => None,
        };
        self.go_sections.push(section);
        if let Some(NodeValue::Text(folder)) = folder
            && !folder.is_empty()
        {
            self.go_stores.insert(section, folder.into());
        }
        true
    }
}

fn section(path: &str) -> Option<&'static Section> {
    keys::SECTIONS.iter().find(|section| section.path == path)
}

/// Walks to a table, making what is missing on the way.
fn table_at<'a>(root: &'a mut Value, path: &str) -> Option<&'a mut Map<String, Value>> {
    let mut table = root;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        table = table.as_object_mut()?.entry(name.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    table.as_object_mut()
}
