//! Typed client of the REST API, with failover over several hosts and streams in constant memory.
//!
//! ```no_run
//! use cluster_client::{Client, Host, Scope, StatusFilter};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let hosts = vec![Host::parse("/ip4/127.0.0.1/tcp/9094")?, Host::parse("/unix/run/cluster.sock")?];
//! let client = Client::builder(hosts).build().await?;
//! println!("{}", client.id().await?.id);
//!
//! let mut statuses = client.status_all("pinned,error", Scope::Cluster).await?;
//! while let Some(info) = statuses.next().await {
//!     println!("{}", info?.cid);
//! }
//! # Ok(())
//! # }
//! ```

mod builder;
mod client;
mod connector;
mod credentials;
mod error;
mod host;
mod lines;
mod percent;
mod reqwest_connector;
mod tls_problem;
mod wait;

pub use builder::{BuildError, ClientBuilder};
pub use client::{Client, Order, Page, Search};
pub use cluster_api_types as api_types;
pub use cluster_api_types::core::{
    Cid, Multiaddr, PeerId, PinKindFilter, PinMode, StatusFilter, TrackerStatus, go_duration, parse_cid,
    ports::cluster_api::{IpfsPath, Scope},
};
pub use cluster_api_types::{PeerAddress, PeerAddressError, parse_peer_id};
pub use connector::{BodyFrames, BoxFuture, Connector, TransportError};
pub use credentials::Credentials;
pub use error::{AnswerProblem, ClientError};
pub use host::{Family, Host, HostError};
pub use lines::Lines;
pub use reqwest_connector::ReqwestConnector;
pub use tls_problem::{CertificateCheck, TlsProblem};
pub use wait::{Look, WaitError, WaitFor};
