//! Raw keys of `api` (api §6.6, §6.7).

use super::{SecretText, raw_keys};
use std::collections::BTreeMap;

raw_keys! {
    RawHttpApi {
        http_listen_multiaddress: Vec<String>,
        ssl_cert_file: String,
        ssl_key_file: String,
        read_timeout: String,
        read_header_timeout: String,
        write_timeout: String,
        idle_timeout: String,
        max_header_bytes: i64,
        libp2p_listen_multiaddress: Vec<String>,
        id: String,
        private_key: SecretText,
        private_key_file: String,
        basic_auth_credentials: BTreeMap<String, SecretText>,
        basic_auth_credentials_file: String,
        http_log_file: String,
        headers: BTreeMap<String, Vec<String>>,
        cors_allowed_origins: Vec<String>,
        cors_allowed_methods: Vec<String>,
        cors_allowed_headers: Vec<String>,
        cors_exposed_headers: Vec<String>,
        cors_allow_credentials: bool,
        cors_max_age: String,
    }
    RawProxy {
        listen_multiaddress: Vec<String>,
        node_multiaddress: String,
        node_https: bool,
        log_file: String,
        read_timeout: String,
        read_header_timeout: String,
        write_timeout: String,
        idle_timeout: String,
        max_header_bytes: i64,
        extract_headers_extra: Vec<String>,
        extract_headers_path: String,
        extract_headers_ttl: String,
    }
}
