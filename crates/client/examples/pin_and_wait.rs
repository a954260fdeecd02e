//! Pins a CID and waits until every peer has it: `cargo run --example pin_and_wait -- /ip4/127.0.0.1/tcp/9094 CID [NAME]`.

use cluster_client::{Client, Host, IpfsPath, TrackerStatus, WaitFor, api_types::PinOptions, parse_cid};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(host), Some(cid)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pin_and_wait HOST CID [NAME]".into());
    };
    let client = Client::builder(vec![Host::parse(&host)?]).build().await?;
    let options = PinOptions { name: arguments.next().unwrap_or_default(), ..PinOptions::default() };
    // Returns when the pin is on the disk of the peer that was asked.
    client.pin(&IpfsPath::parse(&format!("/ipfs/{cid}"))?, &options).await?;
    let info = client.wait(&WaitFor::new(parse_cid(&cid)?, TrackerStatus::Pinned)).await?;
    for (peer, status) in info.peer_map.iter().flatten() {
        println!("{peer} {}", status.status);
    }
    Ok(())
}
