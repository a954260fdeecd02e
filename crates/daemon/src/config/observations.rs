//! The `observations` group (api §6.9).

use super::{
    address,
    checker::{Checker, Reach, text_or},
    raw::{RawMetrics, RawTracing},
};
use cluster_core::{Multiaddr, go_duration::print};
use multiaddr::Protocol;
use std::{net::Ipv4Addr, time::Duration};

/// Settings of the numbers for Prometheus.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsConfig {
    /// Serve them.
    pub enable_stats: bool,
    /// Where.
    pub prometheus_endpoint: Multiaddr,
    /// Between two updates.
    pub reporting_interval: Duration,
}

/// Settings of traces.
#[derive(Debug, Clone, PartialEq)]
pub struct TracingConfig {
    /// Send them.
    pub enable_tracing: bool,
    /// Where to.
    pub jaeger_agent_endpoint: Multiaddr,
    /// Share of the requests, from 0 to 1.
    pub sampling_prob: f64,
    /// Name they are filed under.
    pub service_name: String,
}

impl MetricsConfig {
    pub(crate) fn parse(raw: &RawMetrics, check: &mut Checker<'_>) -> Self {
        let (endpoint, every) = (raw.prometheus_endpoint.as_ref(), raw.reporting_interval.as_ref());
        let default = address::tcp(Ipv4Addr::LOCALHOST, 8888);
        Self {
            enable_stats: raw.enable_stats.unwrap_or(false),
            prometheus_endpoint: check.multiaddr("prometheus_endpoint", endpoint, default, Reach::Tcp),
            reporting_interval: check.positive("reporting_interval", every, Duration::from_secs(30)),
        }
    }

    pub(crate) fn to_raw(&self) -> RawMetrics {
        RawMetrics {
            enable_stats: Some(self.enable_stats),
            prometheus_endpoint: Some(self.prometheus_endpoint.to_string()),
            reporting_interval: Some(print(self.reporting_interval)),
        }
    }
}

impl TracingConfig {
    pub(crate) fn parse(raw: RawTracing, check: &mut Checker<'_>) -> Self {
        let default = Multiaddr::empty().with(Protocol::Ip4(Ipv4Addr::UNSPECIFIED)).with(Protocol::Udp(6831));
        let mut sampling_prob = raw.sampling_prob.unwrap_or(DEFAULT_SHARE);
        if !(0.0..=1.0).contains(&sampling_prob) {
            check.reject("sampling_prob", sampling_prob.to_string(), "a number between 0 and 1");
            sampling_prob = DEFAULT_SHARE;
        }
        let endpoint = raw.jaeger_agent_endpoint.as_ref();
        Self {
            enable_tracing: raw.enable_tracing.unwrap_or(false),
            jaeger_agent_endpoint: check.multiaddr(
                "jaeger_agent_endpoint",
                endpoint,
                default,
                Reach::Collector,
            ),
            sampling_prob,
            service_name: text_or(raw.service_name, "cluster-daemon"),
        }
    }

    pub(crate) fn to_raw(&self) -> RawTracing {
        RawTracing {
            enable_tracing: Some(self.enable_tracing),
            jaeger_agent_endpoint: Some(self.jaeger_agent_endpoint.to_string()),
            sampling_prob: Some(self.sampling_prob),
            service_name: Some(self.service_name.clone()),
        }
    }
}

/// Share of the requests that are traced.
const DEFAULT_SHARE: f64 = 0.3;
