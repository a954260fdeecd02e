//! From the configuration to the settings of the REST server.

use super::DaemonError;
use crate::config::Config;
use cluster_api::{ConnectionLimits, CorsRules, Credentials, RestConfig};

/// Makes the settings and limits; `None` when there is no REST section.
pub(super) fn rest_config(config: &Config) -> Result<Option<(RestConfig, ConnectionLimits)>, DaemonError> {
    let Some(rest) = &config.restapi else { return Ok(None) };
    let unsupported = [
        ("ssl_cert_file", rest.tls.is_some()),
        ("libp2p_listen_multiaddress", !rest.libp2p_listen_multiaddress.is_empty()),
        ("http_log_file", rest.http_log_file.is_some()),
    ];
    if let Some((key, _)) = unsupported.into_iter().find(|(_, is_set)| *is_set) {
        return Err(DaemonError::Setting { key });
    }
    let users = rest.basic_auth_credentials.as_ref().map(|users| {
        Credentials::new(users.iter().map(|(user, password)| (user.clone(), password.expose().to_owned())))
    });
    let limits = ConnectionLimits {
        read_timeout: rest.limits.read_timeout,
        write_timeout: rest.limits.write_timeout,
        idle_timeout: rest.limits.idle_timeout,
        ..ConnectionLimits::default()
    };
    let settings = RestConfig {
        listen: rest.http_listen_multiaddress.clone(),
        read_header_timeout: rest.limits.read_header_timeout,
        max_header_bytes: rest.limits.max_header_bytes,
        credentials: users,
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
