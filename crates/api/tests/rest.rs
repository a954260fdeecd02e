//! The REST server as clients see it: a server in this process over a scripted port, and raw bytes on TCP.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "rest/auth.rs"]
mod auth;
#[path = "rest/browse.rs"]
mod browse;
#[path = "rest/bulk.rs"]
mod bulk;
#[path = "rest/conditions.rs"]
mod conditions;
#[path = "rest/connections.rs"]
mod connections;
#[path = "rest/cors.rs"]
mod cors;
#[path = "rest/endpoints.rs"]
mod endpoints;
#[path = "rest/fake_api.rs"]
mod fake_api;
#[path = "rest/health.rs"]
mod health;
#[path = "rest/http2.rs"]
mod http2;
#[path = "rest/membership.rs"]
mod membership;
#[path = "rest/pin_options.rs"]
mod pin_options;
#[path = "rest/raw_client.rs"]
mod raw_client;
#[path = "rest/routing.rs"]
mod routing;
#[path = "rest/server.rs"]
mod server;
#[path = "rest/stopping.rs"]
mod stopping;
#[path = "rest/streams.rs"]
mod streams;
#[path = "rest/tls.rs"]
mod tls;
