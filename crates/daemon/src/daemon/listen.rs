//! From the configuration to the settings of the REST server.

use super::DaemonError;
use crate::config::{Config, HttpApiConfig};
use cluster_api::{
    ByteStream, ConnectionLimits, CorsRules, Credentials, HttpStreams, RestConfig, RestServer, TlsFiles,
};
use cluster_runtime::Tasks;
use cluster_swarm::{BoxedStream, HttpHost, HttpHostConfig};
use std::{path::Path, sync::Arc};
use tokio::sync::{Mutex, mpsc};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// Streams of libp2p that wait for the server; more are dropped.
const WAITING_STREAMS: usize = 64;

/// Lets the server answer over libp2p too, by a host of its own, if the configuration names one (api §3.9). The host
/// carries answers, so `tasks` are those that stop after the server.
pub(super) async fn with_libp2p(
    server: RestServer,
    rest: &HttpApiConfig,
    tasks: &Tasks,
) -> Result<RestServer, DaemonError> {
    let Some(identity) = rest.identity.as_ref().filter(|_| !rest.libp2p_listen_multiaddress.is_empty())
    else {
        return Ok(server);
    };
    let (sender, incoming) = mpsc::channel::<Box<dyn ByteStream>>(WAITING_STREAMS);
    let take = move |stream: BoxedStream| sender.try_send(Box::new(stream.compat())).is_ok();
    let listen = rest.libp2p_listen_multiaddress.clone();
    let config = HttpHostConfig { keypair: identity.keypair().clone(), secret: None, listen };
    let host = HttpHost::serve(config, Arc::new(take), tasks).await?;
    let addresses: Vec<String> = host.addresses().iter().map(ToString::to_string).collect();
    Ok(server.with_streams(HttpStreams { name: addresses.join(", "), incoming: Mutex::new(incoming) }))
}

/// Makes the settings and limits; `None` when there is no REST section. Files are relative to `base`.
pub(super) fn rest_config(
    config: &Config,
    base: &Path,
) -> Result<Option<(RestConfig, ConnectionLimits)>, DaemonError> {
    let Some(rest) = &config.restapi else { return Ok(None) };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, config::ConfigFormat};
    use std::time::Duration;

    #[test]
    fn the_api_is_told_what_is_configured() {
        let text = "[consensus.crdt]\ntrusted_peers = [\"*\"]\n[api.restapi]\nread_timeout = \"7s\"\n\
                    write_timeout = \"8s\"\nidle_timeout = \"9s\"\n";
        let file = Path::new("/nowhere/service.toml");
        let (config, _) = Config::from_text(text, file, ConfigFormat::Toml, &Environment::default()).unwrap();
        let (_, limits) = rest_config(&config, Path::new("/nowhere")).unwrap().unwrap();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(
            [limits.read_timeout, limits.write_timeout, limits.idle_timeout],
            [seconds(7), seconds(8), seconds(9)]
        );
    }
}
