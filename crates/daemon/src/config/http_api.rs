//! The `api.restapi` and `api.pinsvcapi` sections (api §6.6).

use super::{
    address,
    checker::{Checker, Reach, file_name},
    password::Password,
    raw::{RawHttpApi, SecretText},
};
use crate::identity::Identity;
use cluster_core::{Multiaddr, go_duration::print};
use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf, time::Duration};

/// Smallest bound of a request's headers, in bytes; also the default.
pub(super) const LEAST_HEADER_BYTES: usize = 4096;

/// Settings of an HTTP API.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpApiConfig {
    /// TCP ports and Unix sockets it listens on.
    pub http_listen_multiaddress: Vec<Multiaddr>,
    /// Files for HTTPS; `None` is plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Bounds of a request.
    pub limits: HttpLimits,
    /// Where a libp2p host of its own listens.
    pub libp2p_listen_multiaddress: Vec<Multiaddr>,
    /// Identity of that host.
    pub identity: Option<Identity>,
    /// The file its key came from, as configured.
    pub private_key_file: Option<PathBuf>,
    /// Users and passwords; `None` asks nobody.
    pub basic_auth_credentials: Option<BTreeMap<String, Password>>,
    /// The file they came from, as configured.
    pub basic_auth_credentials_file: Option<PathBuf>,
    /// File of the access log, relative to the base folder.
    pub http_log_file: Option<PathBuf>,
    /// Headers added to every answer.
    pub headers: BTreeMap<String, Vec<String>>,
    /// What web pages of other origins may do.
    pub cors: CorsConfig,
}

/// Certificate and key, relative to the base folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// Bounds of a request; `None` is unbounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// For the whole request.
    pub read_timeout: Option<Duration>,
    /// For its headers.
    pub read_header_timeout: Option<Duration>,
    /// For the answer.
    pub write_timeout: Option<Duration>,
    /// Between two requests of a connection.
    pub idle_timeout: Option<Duration>,
    /// Bytes of headers; at least 4096.
    pub max_header_bytes: usize,
}

/// What web pages of other origins may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsConfig {
    /// Origins; `*` is every one.
    pub allowed_origins: Vec<String>,
    /// Methods.
    pub allowed_methods: Vec<String>,
    /// Request headers.
    pub allowed_headers: Vec<String>,
    /// Answer headers that scripts may read.
    pub exposed_headers: Vec<String>,
    /// Whether credentials may be sent.
    pub allow_credentials: bool,
    /// How long a browser may remember all this.
    pub max_age: Duration,
}

impl HttpApiConfig {
    pub(crate) fn parse(mut raw: RawHttpApi, default_port: u16, check: &mut Checker<'_>) -> Self {
        let listen = vec![address::tcp(Ipv4Addr::LOCALHOST, default_port)];
        let (identity, private_key_file) = parse_identity(&mut raw, check);
        let (basic_auth_credentials, basic_auth_credentials_file) = parse_credentials(&mut raw, check);
        let list = |raw: Option<Vec<String>>, default: &[&str]| {
            raw.unwrap_or_else(|| default.iter().map(ToString::to_string).collect())
        };
        let libp2p = raw.libp2p_listen_multiaddress.as_ref();
        let listens = libp2p.is_some_and(|addresses| !addresses.is_empty());
        if listens && identity.is_none() {
            check.reject(
                "libp2p_listen_multiaddress",
                "addresses without id and private_key",
                "all three, or none",
            );
        }
        let exposed = ["Content-Type", "X-Stream-Output", "X-Chunked-Output", "X-Content-Length"];
        Self {
            http_listen_multiaddress: check.multiaddrs(
                "http_listen_multiaddress",
                raw.http_listen_multiaddress.as_ref(),
                listen,
                Reach::Tcp,
            ),
            tls: parse_tls(raw.ssl_cert_file, raw.ssl_key_file, check),
            limits: HttpLimits::parse(
                [&raw.read_timeout, &raw.read_header_timeout, &raw.write_timeout, &raw.idle_timeout],
                raw.max_header_bytes,
                Duration::from_secs(120),
                check,
            ),
            libp2p_listen_multiaddress: check.multiaddrs(
                "libp2p_listen_multiaddress",
                libp2p,
                Vec::new(),
                Reach::Any,
            ),
            identity,
            private_key_file,
            basic_auth_credentials,
            basic_auth_credentials_file,
            http_log_file: file_name(raw.http_log_file),
            headers: raw.headers.unwrap_or_default(),
            cors: CorsConfig {
                allowed_origins: list(raw.cors_allowed_origins, &["*"]),
                allowed_methods: list(raw.cors_allowed_methods, &["GET"]),
                allowed_headers: list(raw.cors_allowed_headers, &[]),
                exposed_headers: list(raw.cors_exposed_headers, &exposed),
                allow_credentials: raw.cors_allow_credentials.unwrap_or(true),
                max_age: check.duration("cors_max_age", raw.cors_max_age.as_ref(), Duration::ZERO),
            },
        }
    }

    pub(crate) fn to_raw(&self) -> RawHttpApi {
        let texts = |list: &[Multiaddr]| Some(list.iter().map(ToString::to_string).collect());
        let file = |path: Option<&PathBuf>| path.map(|path| path.display().to_string());
        let [read, header, write, idle] = self.limits.to_raw();
        let passwords = |users: &BTreeMap<String, Password>| {
            users.iter().map(|(user, password)| (user.clone(), password.to_secret_text())).collect()
        };
        RawHttpApi {
            http_listen_multiaddress: texts(&self.http_listen_multiaddress),
            ssl_cert_file: file(self.tls.as_ref().map(|tls| &tls.cert)),
            ssl_key_file: file(self.tls.as_ref().map(|tls| &tls.key)),
            read_timeout: Some(read),
            read_header_timeout: Some(header),
            write_timeout: Some(write),
            idle_timeout: Some(idle),
            max_header_bytes: i64::try_from(self.limits.max_header_bytes).ok(),
            libp2p_listen_multiaddress: texts(&self.libp2p_listen_multiaddress),
            id: self.identity.as_ref().map(|identity| identity.id().to_string()),
            private_key: match (&self.identity, &self.private_key_file) {
                (Some(identity), None) => Some(SecretText::new(identity.expose_private_key())),
                _ => None,
            },
            private_key_file: file(self.private_key_file.as_ref()),
            basic_auth_credentials: match (&self.basic_auth_credentials, &self.basic_auth_credentials_file) {
                (Some(users), None) => Some(passwords(users)),
                _ => None,
            },
            basic_auth_credentials_file: file(self.basic_auth_credentials_file.as_ref()),
            http_log_file: Some(file(self.http_log_file.as_ref()).unwrap_or_default()),
            headers: Some(self.headers.clone()),
            cors_allowed_origins: Some(self.cors.allowed_origins.clone()),
            cors_allowed_methods: Some(self.cors.allowed_methods.clone()),
            cors_allowed_headers: Some(self.cors.allowed_headers.clone()),
            cors_exposed_headers: Some(self.cors.exposed_headers.clone()),
            cors_allow_credentials: Some(self.cors.allow_credentials),
            cors_max_age: Some(print(self.cors.max_age)),
        }
    }
}

impl HttpLimits {
    pub(super) fn parse(
        [read, header, write, idle]: [&Option<String>; 4],
        max_header_bytes: Option<i64>,
        default_idle: Duration,
        check: &mut Checker<'_>,
    ) -> Self {
        let five = Duration::from_secs(5);
        Self {
            read_timeout: check.switchable("read_timeout", read.as_ref(), None),
            read_header_timeout: check.switchable("read_header_timeout", header.as_ref(), Some(five)),
            write_timeout: check.switchable("write_timeout", write.as_ref(), None),
            idle_timeout: check.switchable("idle_timeout", idle.as_ref(), Some(default_idle)),
            // 0 stands for the default (api §6.6).
            max_header_bytes: check.integer(
                "max_header_bytes",
                max_header_bytes.filter(|bytes| *bytes != 0),
                LEAST_HEADER_BYTES,
                4096,
            ),
        }
    }

    pub(super) fn to_raw(&self) -> [String; 4] {
        [self.read_timeout, self.read_header_timeout, self.write_timeout, self.idle_timeout]
            .map(|limit| print(limit.unwrap_or_default()))
    }
}

fn parse_tls(cert: Option<String>, key: Option<String>, check: &mut Checker<'_>) -> Option<TlsFiles> {
    match (file_name(cert), file_name(key)) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
        (None, None) => None,
        (Some(_), None) => {
            check.reject(
                "ssl_cert_file",
                "a certificate without ssl_key_file",
                "both, or none for plain HTTP",
            );
            None
        }
        (None, Some(_)) => {
            check.reject("ssl_key_file", "a key without ssl_cert_file", "both, or none for plain HTTP");
            None
        }
    }
}

fn parse_identity(raw: &mut RawHttpApi, check: &mut Checker<'_>) -> (Option<Identity>, Option<PathBuf>) {
    let (key, file) = check.secret("private_key", raw.private_key.take(), raw.private_key_file.as_ref());
    let id = raw.id.take().filter(|id| !id.is_empty());
    let had_id = id.is_some();
    let id = id.and_then(|id| check.peer("id", &id, ""));
    let Some(key) = key.filter(|key| !key.expose().is_empty()) else {
        if had_id && file.is_none() {
            check.reject("id", "an ID without private_key", "both, or none");
        }
        return (None, file);
    };
    let identity = Identity::from_private_key(key.expose())
        .and_then(|identity| match id {
            Some(id) => identity.matching(id),
            None => Ok(identity),
        })
        .inspect_err(|error| {
            check.reject("private_key", error.to_string(), "the base64 private key of that ID")
        })
        .ok();
    (identity, file)
}

type Credentials = Option<BTreeMap<String, Password>>;

fn parse_credentials(raw: &mut RawHttpApi, check: &mut Checker<'_>) -> (Credentials, Option<PathBuf>) {
    const KEY: &str = "basic_auth_credentials";
    const FILE_KEY: &str = "basic_auth_credentials_file";
    let inline = raw.basic_auth_credentials.take();
    let file = check.secret_source(KEY, FILE_KEY, inline.is_some(), raw.basic_auth_credentials_file.as_ref());
    let Some(file) = file else {
        if inline.as_ref().is_some_and(BTreeMap::is_empty) {
            check.reject(KEY, "no user", "at least one user with a password, or leave the key out");
        }
        let users = |users: BTreeMap<String, SecretText>| {
            users.into_iter().map(|(user, password)| (user, Password::new(password.expose()))).collect()
        };
        return (inline.map(users), None);
    };
    let Some(text) = check.secret_file(FILE_KEY, &file) else { return (None, Some(file)) };
    let mut users = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match line.split_once(':') {
            Some((user, password)) => {
                users.insert(user.to_owned(), Password::new(password));
            }
            None => check.reject(
                FILE_KEY,
                format!("no colon on its line {}", number + 1),
                "lines of user:password",
            ),
        }
    }
    if users.is_empty() {
        check.reject(FILE_KEY, "no user", "at least one line of user:password");
    }
    (Some(users), Some(file))
}
