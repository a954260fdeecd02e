//! Lists the pins that a peer could not pin, with the reason, in constant memory:
//! `cargo run --example failed_pins -- /ip4/127.0.0.1/tcp/9094`.

use cluster_client::{Client, Host, Scope};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let host = std::env::args().nth(1).ok_or("usage: failed_pins HOST")?;
    let client = Client::builder(vec![Host::parse(&host)?]).build().await?;
    let mut failed = client.status_all("error", Scope::Cluster).await?;
    while let Some(pin) = failed.next().await {
        let pin = pin?;
        for status in
            pin.peer_map.iter().flat_map(|map| map.values()).filter(|status| !status.error.is_empty())
        {
            println!("{} on {}: {}", pin.cid, status.peername, status.error);
        }
    }
    Ok(())
}
