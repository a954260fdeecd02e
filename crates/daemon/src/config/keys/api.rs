//! Keys of `api` (api §6.6, §6.7).

use crate::config::key::{Key, Kind, Section};

pub(super) const RESTAPI: Section = Section {
    path: "api.restapi",
    env: "CLUSTER_RESTAPI",
    optional: true,
    doc: "The REST API that cluster-ctl and scripts use. Without this section it is off.",
    keys: HTTP_API,
};

pub(super) const PINSVCAPI: Section = Section {
    path: "api.pinsvcapi",
    env: "CLUSTER_PINSVCAPI",
    optional: true,
    doc: "The Pinning Service API. Without this section it is off.",
    keys: HTTP_API,
};

pub(super) const IPFSPROXY: Section = Section {
    path: "api.ipfsproxy",
    env: "CLUSTER_IPFSPROXY",
    optional: true,
    doc: "A stand-in for the IPFS daemon's API that pins through the cluster. Without this section it is off.",
    keys: &[
        Key::new("listen_multiaddress", "LISTENMULTIADDRESS", Kind::Multiaddrs, "Where it listens."),
        Key::new(
            "node_multiaddress",
            "NODEMULTIADDRESS",
            Kind::Multiaddr,
            "API of the IPFS daemon behind it.",
        ),
        Key::hidden("node_https", "NODEHTTPS", Kind::Bool, "Speak HTTPS to the daemon."),
        Key::new("log_file", "LOGFILE", Kind::Text, "File for the access log; empty is none of its own."),
        Key::new("read_timeout", "READTIMEOUT", Kind::Duration, "Limits of a request; 0s is none."),
        Key::new("read_header_timeout", "READHEADERTIMEOUT", Kind::Duration, ""),
        Key::new("write_timeout", "WRITETIMEOUT", Kind::Duration, ""),
        Key::new("idle_timeout", "IDLETIMEOUT", Kind::Duration, ""),
        Key::new("max_header_bytes", "MAXHEADERBYTES", Kind::Integer, ""),
        Key::hidden(
            "extract_headers_extra",
            "EXTRACTHEADERSEXTRA",
            Kind::Texts,
            "More headers to take over.",
        ),
        Key::hidden(
            "extract_headers_path",
            "EXTRACTHEADERSPATH",
            Kind::Text,
            "Call whose headers are taken over.",
        ),
        Key::hidden(
            "extract_headers_ttl",
            "EXTRACTHEADERSTTL",
            Kind::Duration,
            "How long they are good for.",
        ),
    ],
};

const HTTP_API: &[Key] = &[
    Key::new(
        "http_listen_multiaddress",
        "HTTPLISTENMULTIADDRESS",
        Kind::Multiaddrs,
        "Where it listens. Any address but loopback needs basic_auth_credentials.",
    ),
    Key::hidden("ssl_cert_file", "SSLCERTFILE", Kind::Text, "Certificate and key for HTTPS."),
    Key::hidden("ssl_key_file", "SSLKEYFILE", Kind::Text, ""),
    Key::new("read_timeout", "READTIMEOUT", Kind::Duration, "Limits of a request; 0s is none."),
    Key::new("read_header_timeout", "READHEADERTIMEOUT", Kind::Duration, ""),
    Key::new("write_timeout", "WRITETIMEOUT", Kind::Duration, ""),
    Key::new("idle_timeout", "IDLETIMEOUT", Kind::Duration, ""),
    Key::new("max_header_bytes", "MAXHEADERBYTES", Kind::Integer, ""),
    Key::hidden(
        "libp2p_listen_multiaddress",
        "LIBP2PLISTENMULTIADDRESS",
        Kind::Multiaddrs,
        "Listen on a libp2p host of its own, with the identity below.",
    ),
    Key::hidden("id", "ID", Kind::PeerId, ""),
    Key::hidden("private_key", "PRIVATEKEY", Kind::Secret, ""),
    Key::hidden("private_key_file", "PRIVATEKEY_FILE", Kind::Text, "File that holds the private key."),
    Key::new(
        "basic_auth_credentials",
        "BASICAUTHCREDENTIALS",
        Kind::SecretMap,
        "Users and passwords; left out, nobody is asked for any.\n\
         basic_auth_credentials_file = \"…\" reads lines of user:password from a file of mode 0600 instead.",
    ),
    Key::hidden(
        "basic_auth_credentials_file",
        "BASICAUTHCREDENTIALS_FILE",
        Kind::Text,
        "File that holds the users and passwords.",
    ),
    Key::new(
        "http_log_file",
        "HTTPLOGFILE",
        Kind::Text,
        "File for the access log; empty is none of its own.",
    ),
    Key::new("headers", "HEADERS", Kind::ListMap, "Headers added to every answer."),
    Key::new(
        "cors_allowed_origins",
        "CORSALLOWEDORIGINS",
        Kind::Texts,
        "What web pages of other origins may do.",
    ),
    Key::new("cors_allowed_methods", "CORSALLOWEDMETHODS", Kind::Texts, ""),
    Key::new("cors_allowed_headers", "CORSALLOWEDHEADERS", Kind::Texts, ""),
    Key::new("cors_exposed_headers", "CORSEXPOSEDHEADERS", Kind::Texts, ""),
    Key::new("cors_allow_credentials", "CORSALLOWCREDENTIALS", Kind::Bool, ""),
    Key::new("cors_max_age", "CORSMAXAGE", Kind::Duration, ""),
];
