//! From the configuration to the settings of the REST server.

use super::DaemonError;
use crate::config::Config;
use cluster_api::{ConnectionLimits, CorsRules, Credentials, RestConfig, TlsFiles};
use std::path::Path;

/// Makes the settings and limits; `None` when there is no REST section. Files are relative to `base`.
pub(super) fn rest_config(
    config: &Config,
    base: &Path,
) -> Result<Option<(RestConfig, ConnectionLimits)>, DaemonError> {
    let Some(rest) = &config.restapi else { return Ok(None) };
    if !rest.libp2p_listen_multiaddress.is_empty() {
        return Err(DaemonError::Setting { key: "libp2p_listen_multiaddress" });
    }
    let users = rest.basic_auth_credentials.as_ref().map(|users| {
        Credentials::new(users.iter().map(|(user, password)| (user.clone(), password.expose().to_owned())))
    });
    let limits = ConnectionLimits {
        read_timeout: rest.limits.read_timeout,
        write_timeout: rest.limits.write_timeout,
        // Where one is off, the limit for whole requests counts, as in the reference.
        idle_timeout: rest.limits.idle_timeout.or(rest.limits.read_timeout),
        ..ConnectionLimits::default()
    };
    let settings = RestConfig {
        listen: rest.http_listen_multiaddress.clone(),
        tls: rest
            .tls
            .as_ref()
            .map(|files| TlsFiles { cert: base.join(&files.cert), key: base.join(&files.key) }),
        read_header_timeout: [rest.limits.read_header_timeout, rest.limits.read_timeout]
            .into_iter()
            .flatten()
            .min(),
        max_header_bytes: rest.limits.max_header_bytes,
        credentials: users,
        log_file: rest.http_log_file.as_ref().map(|file| base.join(file)),
        headers: rest.headers.clone(),
        cors: CorsRules {
            allowed_origins: rest.cors.allowed_origins.clone(),
            allowed_methods: rest.cors.allowed_methods.clone(),
            allowed_headers: rest.cors.allowed_headers.clone(),
            exposed_headers: rest.cors.exposed_headers.clone(),
            allow_credentials: rest.cors.allow_credentials,
            max_age: rest.cors.max_age,
        },
    };
    Ok(Some((settings, limits)))
}
