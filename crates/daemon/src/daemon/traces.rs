//! Traces of requests, sent to a collector over OTLP (api §11.2).

use crate::config::TracingConfig;
use cluster_core::{Multiaddr, PeerId};
use multiaddr::Protocol;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter as Export},
};
use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Port of collectors that take OTLP over HTTP.
const OTLP_PORT: u16 = 4318;

/// Longest that what was traced last may take to be sent at the end.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// The traces of this process. Dropping it sends what is left.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to collect traces, if they are wanted.
    pub(super) fn start(config: &TracingConfig, peername: &str, id: &PeerId) -> Option<Self> {
        if !config.enable_tracing {
            return None;
        }
        let url = collector(&config.jaeger_agent_endpoint);
        let exporter = match exporter(&url) {
            Ok(inner) => Told { inner, fails: AtomicBool::new(false) },
            Err(error) => {
                tracing::warn!(target: "cluster", %error, "no traces");
                return None;
            }
        };
        let resource = Resource::builder()
            .with_service_name(format!("{}-{peername}", config.service_name))
            .with_attribute(KeyValue::new("cluster_id", id.to_string()))
            .build();
        let share = Sampler::TraceIdRatioBased(config.sampling_prob);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(share)))
            .with_resource(resource)
            .build();
        global::set_tracer_provider(provider.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        tracing::info!(
            target: "cluster",
            share = config.sampling_prob,
            "traces of requests go to {url}, in OpenTelemetry's protocol, which Jaeger takes"
        );
        Some(Self { provider })
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH_LIMIT) {
            tracing::warn!(target: "cluster", %error, "the last traces were not sent");
        }
    }
}

/// Tells once that traces do not arrive, and once that they do again.
#[derive(Debug)]
struct Told {
    inner: SpanExporter,
    fails: AtomicBool,
}

impl Export for Told {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        let result = self.inner.export(spans).await;
        match (&result, self.fails.swap(result.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!(target: "cluster", %error, "traces do not arrive and are dropped until the collector answers");
            }
            (Ok(()), true) => tracing::info!(target: "cluster", "traces arrive again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(limit)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

fn exporter(url: &str) -> Result<SpanExporter, ExporterBuildError> {
    SpanExporter::builder().with_http().with_endpoint(url).build()
}

/// Says where spans go. The protocol that agents of Jaeger took by UDP is no more: beside one stands a collector that takes OTLP.
fn collector(endpoint: &Multiaddr) -> String {
    let (mut host, mut port) = (Ipv4Addr::LOCALHOST.to_string(), OTLP_PORT);
    for part in endpoint {
        match part {
            Protocol::Ip4(ip) if !ip.is_unspecified() => host = ip.to_string(),
            Protocol::Ip6(ip) if !ip.is_unspecified() => host = format!("[{ip}]"),
            Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => host = name.into_owned(),
            Protocol::Tcp(number) => port = number,
            _ => {}
        }
    }
    format!("http://{host}:{port}/v1/traces")
}

#[cfg(test)]
mod tests {
    use super::collector;

    #[test]
    fn the_collector_stands_where_the_agent_stood() {
        for (endpoint, url) in [
            ("/ip4/0.0.0.0/udp/6831", "http://127.0.0.1:4318/v1/traces"),
            ("/dns4/jaeger/udp/6831", "http://jaeger:4318/v1/traces"),
            ("/ip6/2001:db8::1/tcp/80", "http://[2001:db8::1]:80/v1/traces"),
        ] {
            assert_eq!(collector(&endpoint.parse().unwrap()), url);
        }
    }
}
