//! Pins and their statuses.

use super::{Call, Client};
use crate::{Cid, ClientError, IpfsPath, Lines, Scope};
use cluster_api_types::{GlobalPinInfo, Pin, PinOptions};
use http::Method;

impl Client {
    /// Pins what a path leads to (`POST /pins/…`). An OK means stored; see [`Client::wait`] for "pinned".
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn pin(&self, path: &IpfsPath, options: &PinOptions) -> Result<Pin, ClientError> {
        let query = options.to_query();
        let call = Call::new(Method::POST, &format!("/pins{}", path.as_str()));
        self.object(call.query(query.iter().map(|(k, v)| (k.as_str(), v.as_str())))).await
    }

    /// Removes a pin and returns it as it was (`DELETE /pins/…`).
    ///
    /// # Errors
    /// [`ClientError`]; code 404 when there is no such pin.
    pub async fn unpin(&self, path: &IpfsPath) -> Result<Pin, ClientError> {
        self.object(Call::new(Method::DELETE, &format!("/pins{}", path.as_str()))).await
    }

    /// Reads one entry of the pinset (`GET /allocations/{cid}`).
    ///
    /// # Errors
    /// [`ClientError`]; code 404 when there is no such pin.
    pub async fn allocation(&self, cid: &Cid) -> Result<Pin, ClientError> {
        self.object(Call::new(Method::GET, &format!("/allocations/{cid}"))).await
    }

    /// Lists the pinset (`GET /allocations`); `filter` is a comma list of pin types, empty for all.
    ///
    /// # Errors
    /// [`ClientError`]; code 400 when the server knows none of the types.
    pub async fn allocations(&self, filter: &str) -> Result<Lines<Pin>, ClientError> {
        self.stream(Call::new(Method::GET, "/allocations").query(given("filter", filter))).await
    }

    /// Asks for the status of one CID (`GET /pins/{cid}`); one outside the pinset is `unpinned`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status(&self, cid: &Cid, scope: Scope) -> Result<GlobalPinInfo, ClientError> {
        self.object(Call::new(Method::GET, &format!("/pins/{cid}")).query(local(scope))).await
    }

    /// Asks for the statuses of several CIDs, in any order (`GET /pins?cids=`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn status_of(&self, cids: &[Cid], scope: Scope) -> Result<Lines<GlobalPinInfo>, ClientError> {
        let list = cids.iter().map(Cid::to_string).collect::<Vec<_>>().join(",");
        let query = given("cids", &list).chain(local(scope));
        self.stream(Call::new(Method::GET, "/pins").query(query)).await
    }

    /// Lists the statuses of all pins (`GET /pins`); `filter` is a comma list of statuses, empty for all.
    ///
    /// # Errors
    /// [`ClientError`]; code 400 when the server knows none of the statuses.
    pub async fn status_all(&self, filter: &str, scope: Scope) -> Result<Lines<GlobalPinInfo>, ClientError> {
        let query = given("filter", filter).chain(local(scope));
        self.stream(Call::new(Method::GET, "/pins").query(query)).await
    }

    /// Retries one CID where it failed (`POST /pins/{cid}/recover`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn recover(&self, cid: &Cid, scope: Scope) -> Result<GlobalPinInfo, ClientError> {
        self.object(Call::new(Method::POST, &format!("/pins/{cid}/recover")).query(local(scope))).await
    }

    /// Retries every CID that failed and lists those queued again (`POST /pins/recover`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn recover_all(&self, scope: Scope) -> Result<Lines<GlobalPinInfo>, ClientError> {
        self.stream(Call::new(Method::POST, "/pins/recover").query(local(scope))).await
    }
}

/// The parameter, unless its value is empty.
fn given<'a>(key: &'a str, value: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    (!value.is_empty()).then_some((key, value)).into_iter()
}

/// Servers honour the parameter only when its value is exactly `true` (api §3.2).
pub(super) fn local<'a>(scope: Scope) -> impl Iterator<Item = (&'a str, &'a str)> {
    (scope == Scope::Local).then_some(("local", "true")).into_iter()
}
