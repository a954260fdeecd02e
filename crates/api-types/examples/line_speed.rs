//! Prints how long a line of `GET /pins` and of `GET /allocations` takes, conversion from the domain included:
//! `cargo run --release -p cluster-api-types --example line_speed`.

use cluster_api_types::{GlobalPinInfo, Pin, TextCache, json};
use cluster_core::{
    Cid, Pin as CorePin, TrackerStatus, UnixMillis, UnixSeconds,
    ports::cluster_api::{GlobalPinStatus, PinStatusOnPeer},
};
use std::{error::Error, hint::black_box, time::Instant};

const LINES: u32 = 1_000_000;
const PEER: &str = "12D3KooWRmuMWTCRDPJgU6Lhgovh16Mc6pUAeynoz9uii3NSraDu";
const IPFS: &str = "12D3KooWEzimCSQfZVrDWeSuz9ybdt3L8G4ioYfsXeRRhN3cwsQW";

fn main() -> Result<(), Box<dyn Error>> {
    for cid in [
        "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
        "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
    ] {
        let mut pin = CorePin::new(cid.parse::<Cid>()?);
        pin.allocations = vec![PEER.parse()?];
        pin.options.name = "a name of usual length".into();
        pin.timestamp = Some(UnixSeconds(1_795_417_450));
        let status = GlobalPinStatus {
            pin: pin.clone(),
            created: UnixMillis(1_795_417_450_000),
            peers: vec![PinStatusOnPeer {
                peer: PEER.parse()?,
                peername: "alpha".into(),
                ipfs_peer_id: Some(IPFS.parse()?),
                ipfs_peer_addresses: vec![format!("/ip4/203.0.113.7/tcp/4001/p2p/{IPFS}").parse()?],
                status: TrackerStatus::Pinned,
                timestamp: UnixMillis(1_795_417_450_250),
                error: String::new(),
                attempt_count: 0,
                priority_pin: false,
            }],
        };
        let mut cache = TextCache::default();
        measure(&format!("status, from the domain, {cid}"), |out| {
            json::to_line(&GlobalPinInfo::from_core(black_box(&status), &mut cache), out)
        })?;
        let wire = GlobalPinInfo::from(&status);
        measure("status, the writing alone", |out| json::to_line(black_box(&wire), out))?;
        measure(&format!("pin, from the domain, {cid}"), |out| {
            json::to_line(&Pin::from_core(black_box(&pin), &mut cache), out)
        })?;
        let wire = Pin::from(&pin);
        measure("pin, the writing alone", |out| json::to_line(black_box(&wire), out))?;
        let mut line = Vec::new();
        json::to_line(&wire, &mut line)?;
        measure("pin, reading and conversion to the domain", |_| {
            let pin: Pin = json::from_slice(black_box(&line))?;
            black_box(CorePin::try_from(pin).is_ok());
            Ok(())
        })?;
    }
    Ok(())
}

fn measure(
    what: &str,
    mut write: impl FnMut(&mut Vec<u8>) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    let mut out = Vec::with_capacity(1 << 16);
    let start = Instant::now();
    for _ in 0..LINES {
        if out.len() > 60_000 {
            out.clear();
        }
        write(&mut out)?;
    }
    println!("{:>6} ns  {what}", start.elapsed().as_nanos() / u128::from(LINES));
    Ok(())
}
