//! `status` and `recover`.

use super::parse_cid;
use crate::{failure::Failure, session::Session};
use cluster_client::{Cid, Scope, StatusFilter};

/// `status`
pub(super) async fn status(
    session: &mut Session,
    cids: &[String],
    scope: Scope,
    filter: &str,
) -> Result<(), Failure> {
    let cids = cids.iter().map(|text| parse_cid(text)).collect::<Result<Vec<Cid>, Failure>>()?;
    let statuses = match cids.as_slice() {
        [cid] => {
            let status = session.client.status(cid, scope).await?;
            return Ok(session.output.object(&status)?);
        }
        [] => {
            if !filter.is_empty() && StatusFilter::parse(filter).0.is_all() {
                return Err(Failure::client("parsing filter flag", "invalid filter name"));
            }
            session.client.status_all(filter, scope).await?
        }
        cids => session.client.status_of(cids, scope).await?,
    };
    session.print_all(statuses).await
}

/// `recover`
pub(super) async fn recover(session: &mut Session, cid: Option<&str>, scope: Scope) -> Result<(), Failure> {
    match cid {
        Some(text) => {
            let status = session.client.recover(&parse_cid(text)?, scope).await?;
            Ok(session.output.object(&status)?)
        }
        None => {
            let statuses = session.client.recover_all(scope).await?;
            session.print_all(statuses).await
        }
    }
}
