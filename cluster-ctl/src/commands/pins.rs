//! `pin add`, `pin rm`, `pin update` and `pin ls` (api §4.8).

use super::{parse_cid, parse_duration, search, settle::Afterwards};
use crate::{
    cli::{PinAddArgs, PinCommand, PinUpdateArgs},
    failure::Failure,
    session::Session,
};
use cluster_client::{
    IpfsPath, PinKindFilter, PinMode, TrackerStatus,
    api_types::{PeerText, PinOptions, Timestamp},
    parse_peer_id,
};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// Runs a pin command.
pub(super) async fn pin(session: &mut Session, command: PinCommand) -> Result<(), Failure> {
    match command {
        PinCommand::Add(args) => {
            let path = parse_path(&args.path)?;
            let afterwards = Afterwards::parse(&args.wait, TrackerStatus::Pinned)?;
            let pin = session.client.pin(&path, &add_options(&args)?).await?;
            afterwards.finish(session, &pin).await
        }
        PinCommand::Rm(args) => {
            let path = parse_path(&args.path)?;
            let afterwards = Afterwards::parse(&args.wait, TrackerStatus::Unpinned)?;
            let pin = session.client.unpin(&path).await?;
            afterwards.finish(session, &pin).await
        }
        PinCommand::Update(args) => {
            let path = parse_path(&args.to)?;
            let afterwards = Afterwards::parse(&args.wait, TrackerStatus::Pinned)?;
            let pin = session.client.pin(&path, &update_options(&args)?).await?;
            afterwards.finish(session, &pin).await
        }
        PinCommand::Ls { cid: Some(cid), .. } => {
            let pin = session.client.allocation(&parse_cid(&cid)?).await?;
            Ok(session.output.object(&pin)?)
        }
        PinCommand::Ls { cid: None, filter, search } => {
            if PinKindFilter::parse(&filter).0.is_only_bad() && filter != "bad-type" {
                return Err(Failure::client("parsing filter flag", "invalid filter name"));
            }
            let Some(search) = search::parse(&search, &filter)? else {
                let pins = session.client.allocations(&filter).await?;
                return session.print_all(pins).await;
            };
            let mut pins = session.client.search_pins(&search).await?;
            while let Some(pin) = pins.next().await {
                let pin = pin?;
                if search.finds(&pin.options.name, pin.options.metadata.as_ref(), pin.timestamp) {
                    session.output.object(&pin)?;
                }
            }
            Ok(())
        }
    }
}

/// Takes the text as a path, or else as the CID of one.
fn parse_path(text: &str) -> Result<IpfsPath, Failure> {
    IpfsPath::parse(text)
        .or_else(|_| IpfsPath::parse(&format!("/ipfs/{text}")))
        .map_err(|e| Failure::client("parsing path", e))
}

fn add_options(args: &PinAddArgs) -> Result<PinOptions, Failure> {
    let (min, max) = match args.replication {
        0 => (args.replication_min, args.replication_max),
        both => (both, both),
    };
    Ok(PinOptions {
        replication_factor_min: min,
        replication_factor_max: max,
        name: args.name.clone(),
        mode: PinMode::from_name(&args.mode),
        user_allocations: parse_peers(&args.allocations)?,
        expire_at: expire_at(&args.expire_in)?,
        metadata: parse_metadata(&args.metadata)?,
        ..PinOptions::default()
    })
}

fn update_options(args: &PinUpdateArgs) -> Result<PinOptions, Failure> {
    Ok(PinOptions {
        name: args.name.clone(),
        expire_at: expire_at(&args.expire_in)?,
        pin_update: Some((&parse_cid(&args.from)?).into()),
        ..PinOptions::default()
    })
}

fn parse_peers(text: &str) -> Result<Option<Vec<PeerText>>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let peers: Result<Vec<PeerText>, _> =
        text.split(',').map(|t| parse_peer_id(t.trim()).map(|p| PeerText::from(&p))).collect();
    peers.map(Some).map_err(|_| Failure::client("decoding allocations", "some peer IDs could not be decoded"))
}

pub(super) fn parse_metadata(pairs: &[String]) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let parsed: Option<BTreeMap<String, String>> =
        pairs.iter().map(|p| p.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()))).collect();
    let metadata = parsed
        .ok_or_else(|| Failure::client("parsing metadata", "metadata were not in the format key=value"))?;
    Ok((!metadata.is_empty()).then_some(metadata))
}

/// Turns a duration from now into a time; without one, never.
fn expire_at(expire_in: &str) -> Result<Timestamp, Failure> {
    if expire_in.is_empty() {
        return Ok(Timestamp::ZERO);
    }
    let duration = parse_duration("parsing expire-in", expire_in)?;
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(duration);
    Ok(Timestamp::from_unix(i64::try_from(at.as_secs()).unwrap_or(i64::MAX), at.subsec_nanos()))
}
