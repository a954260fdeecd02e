mod go_file;
mod reference;
mod source;

use super::*;
use cluster_datastore::EngineKind;
use serde_json::{Value, json};
use std::fs;

const SECRET: &str = "5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5ec5";
const PEER: &str = "12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW";
const PEER_KEY: &str =
    "CAESQKT05KAL8L89shWYkSk8C9d2Sq1PBzVIwyabrFkagIw0TPGHSV4we2r2o/8yrxkCopHGtmTFK7otjhTAj6sjwns=";
const MINIMAL: &str = "[consensus.crdt]\ntrusted_peers = [\"*\"]\n";

fn nothing() -> Environment {
    Environment::default()
}

fn parse_with(text: &str, environment: &Environment) -> Result<Config, ConfigError> {
    let path = Path::new("/nowhere/service.toml");
    Config::from_text(text, path, ConfigFormat::Toml, environment).map(|(config, _)| config)
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    parse_with(text, &nothing())
}

fn mistakes(text: &str) -> Vec<String> {
    match parse(text) {
        Err(ConfigError::Mistakes { mistakes, .. }) => mistakes.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}

/// The value of a key as the effective configuration has it.
fn effective(config: &Config, path: &str) -> Value {
    let tree = serde_json::to_value(config.to_raw()).unwrap();
    path.split('.').fold(tree, |tree, name| tree[name].clone())
}

#[test]
fn what_is_written_reads_back_equal_and_is_the_same_text_again() {
    let mut config = Config::initial(Path::new("/nowhere"), &nothing()).unwrap();
    config.cluster.secret = Some(cluster_core::ClusterSecret::parse_hex(SECRET).unwrap());
    let text = config.to_toml();
    let again = parse(&text).unwrap();
    assert_eq!(again, config);
    assert_eq!(*again.to_toml(), *text);
    assert!(text.contains(&format!("secret = \"{SECRET}\"")), "{}", *text);
    assert!(!text.contains("peerstore_file"), "a hidden key is written with its default");
}

#[test]
fn one_engine_has_the_store() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(
        (config.datastore.engine, effective(&config, "datastore.sled")),
        (EngineKind::Fjall, Value::Null)
    );
    let config = parse(&format!("{MINIMAL}[datastore.sled]\nmemory_budget = \"64MiB\"\n")).unwrap();
    assert_eq!(
        (config.datastore.engine, effective(&config, "datastore.fjall")),
        (EngineKind::Sled, Value::Null)
    );
    assert_eq!(effective(&config, "datastore.sled"), json!({"folder": "store", "memory_budget": "64MiB"}));
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
    // A variable of the engine that is not there says nothing.
    let environment = Environment::of([("CLUSTER_FJALL_FOLDER", "f"), ("CLUSTER_SLED_FOLDER", "s")]);
    let folder = |text: &str| parse_with(text, &environment).unwrap().datastore.folder;
    assert_eq!(folder(MINIMAL), Path::new("f"));
    assert_eq!(folder(&format!("{MINIMAL}[datastore.sled]\n")), Path::new("s"));
}

/// A value for each variable, other than the default, and what it becomes.
fn sample(path: &str, kind: key::Kind, default: &Value, files: &Path) -> (String, Value) {
    use key::Kind;
    let text = |text: &str| (text.to_owned(), json!(text));
    let list = |text: &str| (text.to_owned(), json!([text]));
    let name = path.rsplit('.').next().unwrap();
    match name {
        "secret_file" | "private_key_file" | "basic_auth_credentials_file" => {
            let path = files.join(name);
            text(path.to_str().unwrap())
        }
        "secret" => text(SECRET),
        "private_key" => text(PEER_KEY),
        "id" => text(PEER),
        "trusted_peers" | "init_peerset" => list(PEER),
        "metric_type" => text("reposize"),
        "memory_budget" => text("64MiB"),
        "peer_addresses" => list(&format!("/ip4/10.0.0.1/tcp/9096/p2p/{PEER}")),
        "jaeger_agent_endpoint" => text("/ip4/10.0.0.1/udp/1"),
        // The two factors are judged together, so each is tried with what the other may be.
        "replication_factor_min" | "replication_factor_max" => ("2".to_owned(), json!(2)),
        "high_water" => ("500".to_owned(), json!(500)),
        "low_water" | "history_gossip" | "history_length" => ("5".to_owned(), json!(5)),
        "max_header_bytes" => ("5000".to_owned(), json!(5000)),
        "sampling_prob" => ("0.5".to_owned(), json!(0.5)),
        _ => match kind {
            Kind::Bool => {
                let other = !default.as_bool().unwrap();
                (other.to_string(), json!(other))
            }
            Kind::Integer => ("77".to_owned(), json!(77)),
            Kind::Duration => ("77s".to_owned(), json!("1m17s")),
            Kind::Multiaddr => text("/dns4/example.org/tcp/7"),
            Kind::Multiaddrs => (
                "/ip4/10.0.0.1/tcp/7,/ip4/10.0.0.1/tcp/8".to_owned(),
                json!(["/ip4/10.0.0.1/tcp/7", "/ip4/10.0.0.1/tcp/8"]),
            ),
            Kind::Texts => ("one,two".to_owned(), json!(["one", "two"])),
            Kind::Map | Kind::SecretMap => ("k:v,k2:v2".to_owned(), json!({"k": "v", "k2": "v2"})),
            Kind::ListMap => ("K:v,K2:v2".to_owned(), json!({"K": ["v"], "K2": ["v2"]})),
            Kind::Text => text("changed"),
            Kind::Float | Kind::Size | Kind::PeerId | Kind::Secret => panic!("no sample for {path}"),
        },
    }
}

/// What has to be set beside a variable for its value to stand.
fn companions(path: &str) -> Vec<(&'static str, &'static str)> {
    match path {
        "cluster.replication_factor_min" => vec![("CLUSTER_REPLICATIONFACTORMAX", "2")],
        "cluster.replication_factor_max" => vec![("CLUSTER_REPLICATIONFACTORMIN", "2")],
        "consensus.raft.heartbeat_timeout" => vec![("CLUSTER_RAFT_ELECTIONTIMEOUT", "78s")],
        "api.restapi.ssl_cert_file" => vec![("CLUSTER_RESTAPI_SSLKEYFILE", "k")],
        "api.restapi.ssl_key_file" => vec![("CLUSTER_RESTAPI_SSLCERTFILE", "c")],
        "api.pinsvcapi.ssl_cert_file" => vec![("CLUSTER_PINSVCAPI_SSLKEYFILE", "k")],
        "api.pinsvcapi.ssl_key_file" => vec![("CLUSTER_PINSVCAPI_SSLCERTFILE", "c")],
        "api.restapi.id" | "api.restapi.libp2p_listen_multiaddress" => {
            vec![("CLUSTER_RESTAPI_PRIVATEKEY", PEER_KEY)]
        }
        "api.pinsvcapi.libp2p_listen_multiaddress" => vec![("CLUSTER_PINSVCAPI_PRIVATEKEY", PEER_KEY)],
        "api.pinsvcapi.id" => vec![("CLUSTER_PINSVCAPI_PRIVATEKEY", PEER_KEY)],
        _ => Vec::new(),
    }
}

#[test]
fn every_variable_takes_effect() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("secret_file", SECRET),
        ("private_key_file", PEER_KEY),
        ("basic_auth_credentials_file", "user:word\n"),
    ] {
        crate::init::durable_file::write(&folder.path().join(name), text.as_bytes()).unwrap();
    }
    let initial = Config::initial(Path::new("/nowhere"), &nothing()).unwrap();
    let on =
        |engine, consensus| Config::initial_on(engine, consensus, Path::new("/nowhere"), &nothing()).unwrap();
    let on_sled = on(EngineKind::Sled, ConsensusKind::Crdt);
    let with_raft = on(EngineKind::Fjall, ConsensusKind::Raft);
    for (section, key) in keys::all() {
        let (path, variable) = (keys::path(section, key), keys::variable(section, key));
        let initial = match section.path {
            "datastore.sled" => &on_sled,
            "consensus.raft" => &with_raft,
            _ => &initial,
        };
        let file = initial.to_toml();
        let default = effective(initial, &path);
        let (value, expected) = sample(&path, key.kind, &default, folder.path());
        assert_ne!(default, expected, "{path}: the sample is the default");
        let mut pairs = companions(&path);
        pairs.push((&variable, &value));
        let config = parse_with(&file, &Environment::of(pairs)).unwrap_or_else(|e| panic!("{variable}: {e}"));
        assert_eq!(effective(&config, &path), expected, "{variable}");
        let unset = parse(&file).unwrap();
        assert_eq!(effective(&unset, &path), default, "{variable} changed something for good");
    }
}

#[test]
fn three_mistakes_are_three_reports_with_key_place_and_remedy() {
    let text = format!(
        "[cluster]\nsecret = \"5ec5ec\"\npin_recover_intervall = \"1m\"\n{MINIMAL}[api.restapi]\nread_timeout = \"5 minutes\"\n"
    );
    assert_eq!(
        mistakes(&text),
        [
            "cluster.secret: found a text that is no secret (found 6 characters, but a cluster secret is 64 hexadecimal \
             digits (32 bytes)); expected 64 hexadecimal digits (32 bytes) (line 2)",
            "cluster.pin_recover_intervall: unknown key; did you mean cluster.pin_recover_interval? (line 3)",
            "api.restapi.read_timeout: found \"5 minutes\" (not numbers with units (ns, us, ms, s, m, h)); expected a \
             duration such as \"5m0s\" or \"200ms\" (line 7)",
        ]
    );
}

#[test]
fn each_rule_has_its_report() {
    for (text, expected) in [
        (
            "[cluster]\nreplication_factor_min = 3\nreplication_factor_max = 2",
            "cluster.replication_factor_min is larger than max",
        ),
        (
            "[cluster]\nreplication_factor_min = -1\nreplication_factor_max = 2",
            "cluster.replication_factor_min and max must be -1 when one of them is",
        ),
        ("[cluster]\nreplication_factor_min = -2", "cluster.replication_factor_min is wrong"),
        ("[cluster]\nlisten_multiaddress = []", "cluster.listen_multiaddress is undefined"),
        ("[cluster]\nlisten_multiaddress = 9096", "found the number 9096; expected a multiaddress"),
        ("[cluster]\nlisten_multiaddress = [\"nope\"]", "found \"nope\"; expected a multiaddress"),
        ("[cluster.connection_manager]\nlow_water = 500", "found 500 with high_water 400"),
        ("[cluster.pubsub]\nd_factor = 0", "found 0; expected a whole number of at least 1"),
        (
            "[cluster]\npin_only_on_trusted_peers = true\npin_only_on_untrusted_peers = true",
            "found true for both",
        ),
        ("[cluster]\npeer_addresses = [\"/ip4/1.2.3.4/tcp/1\"]", "ends in /p2p/<peer ID>"),
        ("[cluster]\ndial_peer_timeout = \"0s\"", "expected a duration above zero"),
        ("[cluster]\npeername = true", "cluster.peername: found true; expected a text (line 4)"),
        ("[cluster]\nsecret = 12345678", "cluster.secret: found a value that is not a text"),
        ("cluster = 5", "cluster: found a value that is not a text; expected a table"),
        ("[api.restapi]\nbasic_auth_credentials = {}", "api.restapi.basic_auth_credentials: found no user"),
        ("[api.restapi]\nssl_cert_file = \"c\"", "a certificate without ssl_key_file"),
        ("[api.restapi]\nmax_header_bytes = 100", "at least 4096"),
        ("[api.restapi]\nhttp_listen_multiaddress = \"/ip4/127.0.0.1/udp/1\"", "multiaddress of a TCP port"),
        ("[api.restapi]\nprivate_key = \"AAAA\"", "api.restapi.private_key: found not a private key"),
        (
            "[informer.disk]\nmetric_type = \"inodes\"",
            "found \"inodes\"; expected \"freespace\" or \"reposize\"",
        ),
        ("[observations.tracing]\nsampling_prob = 2", "found 2; expected a number between 0 and 1"),
        ("[datastore.fjall]\nmemory_budget = \"1KiB\"", "a size of at least 16MiB"),
        ("[datastore.pebble]\nfolder = \"x\"", "belongs to the Go implementation"),
        ("[datastore.sled]\nmemory_budget = \"1KiB\"", "datastore.sled.memory_budget: found \"1KiB\""),
        (
            "[datastore.fjall]\n[datastore.sled]",
            "datastore.sled: found a section beside [datastore.fjall]; expected one datastore",
        ),
        (
            "[consensus.raft]",
            "consensus.raft: found a section beside [consensus.crdt]; expected one consensus",
        ),
        ("[informer.numpin]\nmetric_ttl = \"10s\"", "informer.numpin: unknown key"),
        ("[cluster]\ntrusted_peers = []", "did you mean consensus.crdt.trusted_peers?"),
    ] {
        let found = mistakes(
            &format!("{MINIMAL}{text}\n")
                .replace(&format!("{MINIMAL}cluster = 5"), &format!("cluster = 5\n{MINIMAL}")),
        );
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].contains(expected), "{text}: {found:?}");
    }
    assert_eq!(
        mistakes("[cluster]\n"),
        ["consensus: found no consensus section; expected [consensus.crdt] or [consensus.raft]"]
    );
    for (text, expected) in [
        (
            "heartbeat_timeout = \"1ms\"",
            "heartbeat_timeout: found 1ms; expected a duration of at least \"5ms\"",
        ),
        (
            "heartbeat_timeout = \"2s\"",
            "election_timeout: found 1s; expected a duration that is not below heartbeat_timeout",
        ),
        (
            "max_append_entries = 2000",
            "max_append_entries: found 2000; expected a whole number from 1 to 1024",
        ),
        ("backups_rotate = 0", "backups_rotate: found 0; expected a whole number of at least 1"),
        ("init_peerset = [\"me\"]", "init_peerset: found \"me\"; expected a peer ID"),
    ] {
        let found = mistakes(&format!("[consensus.raft]\n{text}\n"));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].contains(expected), "{text}: {found:?}");
    }
}

#[test]
fn a_bad_variable_is_named_and_a_bad_secret_is_not_shown() {
    let environment = Environment::of([
        ("CLUSTER_SECRET", "5ec5ec-not-hex"),
        ("CLUSTER_LEAVEONSHUTDOWN", "yes"),
        ("CLUSTER_CRDT_BATCHING_MAXBATCHAGE", "soon"),
        ("CLUSTER_RESTAPI_PRIVATEKEY", "not shown either"),
        ("CLUSTER_RESTAPI_BASICAUTHCREDENTIALS", "userwithpassword"),
        ("CLUSTER_TAGS_TAGS", "ignored: there is no such section"),
    ]);
    let error = parse_with(&format!("{MINIMAL}[api.restapi]\n"), &environment).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(error.to_string().starts_with("5 mistakes in /nowhere/service.toml:"), "{text}");
    for name in ["CLUSTER_SECRET", "CLUSTER_LEAVEONSHUTDOWN", "CLUSTER_CRDT_BATCHING_MAXBATCHAGE"] {
        assert!(text.contains(&format!("(environment variable {name})")), "{text}");
    }
    for hidden in ["5ec5ec", "not shown either", "userwithpassword"] {
        assert!(!text.contains(hidden), "{text}");
    }
}

#[test]
fn an_empty_variable_is_the_empty_value() {
    let text = format!("{MINIMAL}[cluster]\nsecret = \"{SECRET}\"\npeername = \"file\"\n");
    let environment = Environment::of([
        ("CLUSTER_SECRET", ""),
        ("CLUSTER_CRDT_TRUSTEDPEERS", ""),
        ("CLUSTER_PEERNAME", "env"),
    ]);
    let config = parse_with(&text, &environment).unwrap();
    assert_eq!(config.cluster.secret, None);
    assert_eq!(config.cluster.peername, "env");
    let crdt = config.consensus.crdt().unwrap();
    assert_eq!(crdt.trusted_peers, TrustedPeers::Only(Vec::new()));
}

#[test]
fn absent_sections_switch_components_off_and_trust_nobody() {
    let config = parse("[consensus.crdt]\n").unwrap();
    assert_eq!((config.restapi, config.pinsvcapi, config.ipfsproxy), (None, None, None));
    assert_eq!(config.informers, InformersConfig::default());
    assert_eq!(config.allocator.allocate_by, ["freespace"]);
    assert!(config.cluster.disable_repinning);
    let crdt = config.consensus.crdt().unwrap();
    assert_eq!(crdt.trusted_peers, TrustedPeers::Only(Vec::new()));
    assert!(!crdt.batching.is_on());
    let half = parse("[consensus.crdt.batching]\nmax_batch_size = 5\n").unwrap();
    let crdt = half.consensus.crdt().unwrap();
    assert!(!crdt.batching.is_on(), "on without an age");
    let both = parse("[consensus.crdt.batching]\nmax_batch_size = 5\nmax_batch_age = \"1s\"\n").unwrap();
    let crdt = both.consensus.crdt().unwrap();
    assert!(crdt.batching.is_on());
}

#[test]
fn secrets_never_show_in_debug() {
    let environment = Environment::of([
        ("CLUSTER_SECRET", SECRET),
        ("CLUSTER_RESTAPI_BASICAUTHCREDENTIALS", "user:pa55w0rd"),
        ("CLUSTER_RESTAPI_PRIVATEKEY", PEER_KEY),
    ]);
    let config = Config::initial(Path::new("/nowhere"), &environment).unwrap();
    let shown = format!("{config:?} {:?}", config.to_raw());
    for hidden in ["5ec5ec", "pa55w0rd", &PEER_KEY[10..30]] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

#[test]
fn a_secret_file_must_be_private_and_alone_in_its_layer() {
    use std::os::unix::fs::PermissionsExt;
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("key");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let service = base.path().join("service.toml");
    let text = format!("{MINIMAL}[cluster]\nsecret_file = \"key\"\n");
    let load = |text: &str, environment: &Environment| {
        Config::from_text(text, &service, ConfigFormat::Toml, environment).map(|(config, _)| config)
    };
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let error = load(&text, &nothing()).unwrap_err().to_string();
    assert!(
        error.contains("cluster.secret_file") && error.contains("0640") && error.contains("chmod"),
        "{error}"
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let config = load(&text, &nothing()).unwrap();
    assert_eq!(*config.cluster.secret.as_ref().unwrap().expose_hex(), SECRET);
    assert!(!config.to_toml().contains(SECRET), "the secret is copied into the configuration");
    let both = format!("{text}secret = \"{SECRET}\"\n");
    assert!(load(&both, &nothing()).unwrap_err().to_string().contains("only one of secret and secret_file"));
    let other = "ab".repeat(32);
    let config = load(&text, &Environment::of([("CLUSTER_SECRET", other.as_str())])).unwrap();
    assert_eq!(*config.cluster.secret.unwrap().expose_hex(), other);
    assert!(
        load(&text.replace("\"key\"", "\"gone\""), &nothing())
            .unwrap_err()
            .to_string()
            .contains("No such file")
    );
}

#[test]
fn an_open_api_is_refused() {
    let open = |listen: &str, more: &str| {
        parse(&format!("{MINIMAL}[api.restapi]\nhttp_listen_multiaddress = \"{listen}\"\n{more}"))
            .unwrap()
            .check_open_api()
    };
    let error = open("/ip4/0.0.0.0/tcp/9094", "").unwrap_err();
    assert_eq!(error.section, "api.restapi");
    assert!(error.to_string().contains("--allow-open-api"));
    open("/ip4/0.0.0.0/tcp/9094", "basic_auth_credentials = { user = \"word\" }").unwrap();
    open("/ip4/127.0.0.1/tcp/9094", "").unwrap();
    open("/ip6/::1/tcp/9094", "").unwrap();
    let by_libp2p = |ip: &str, more: &str| {
        let key = "id = \"".to_owned() + PEER + "\"\nprivate_key = \"" + PEER_KEY + "\"\n";
        let listen = format!("libp2p_listen_multiaddress = \"/ip4/{ip}/tcp/9098\"\n");
        open("/ip4/127.0.0.1/tcp/9094", &(key + &listen + more))
    };
    assert!(by_libp2p("0.0.0.0", "").unwrap_err().to_string().contains("tcp/9098"));
    by_libp2p("127.0.0.1", "").unwrap();
    by_libp2p("0.0.0.0", "basic_auth_credentials = { user = \"word\" }").unwrap();
}

#[test]
fn the_two_files_are_told_apart() {
    let base = tempfile::tempdir().unwrap();
    let load = || Config::load(base.path(), &nothing()).unwrap_err();
    assert!(matches!(load(), ConfigError::Missing { .. }));
    fs::write(base.path().join("service.json"), "{}").unwrap();
    let error = load().to_string();
    assert!(error.contains("service.json:") && error.contains("listen_multiaddress is undefined"), "{error}");
    fs::write(base.path().join("service.toml"), MINIMAL).unwrap();
    let error = load().to_string();
    assert!(error.contains("service.json") && error.contains("service.toml"), "{error}");
    fs::remove_file(base.path().join("service.json")).unwrap();
    Config::load(base.path(), &nothing()).unwrap();
}

#[test]
fn random_ports_differ_and_given_ones_stay() {
    let environment = Environment::of([("CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS", "/ip4/127.0.0.1/tcp/1")]);
    let mut config = Config::initial(Path::new("/nowhere"), &environment).unwrap();
    config.randomize_ports(&environment).unwrap();
    assert_eq!(effective(&config, "api.restapi.http_listen_multiaddress"), json!(["/ip4/127.0.0.1/tcp/1"]));
    let tree = serde_json::to_value(config.to_raw()).unwrap();
    let mut ports = Vec::new();
    for list in [
        &tree["cluster"]["listen_multiaddress"],
        &tree["api"]["pinsvcapi"]["http_listen_multiaddress"],
        &tree["api"]["ipfsproxy"]["listen_multiaddress"],
    ] {
        for address in list.as_array().unwrap() {
            let address = address.as_str().unwrap();
            let parts: Vec<&str> = address.split('/').collect();
            ports.push(format!("{}/{}", parts[3], parts[4]));
            assert!(!["9094", "9095", "9096", "9097", "0"].contains(&parts[4]), "{address}");
        }
    }
    assert_eq!(ports.len(), 4);
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), 4);
}
