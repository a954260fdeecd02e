//! How fresh an answer about the pinset has to be.

use crate::{
    failure::{bad_request, of_api},
    pin_query::Query,
    routes::Reply,
};
use cluster_core::ports::{ClusterApi, cluster_api::ApiError};
use http::{Method, request::Parts};

/// Says whether an answer comes from the pinset.
fn reads_the_pinset(path: &str) -> bool {
    ["/allocations", "/pins", "/totals", "/events"].iter().any(|prefix| path.starts_with(prefix))
}

/// Waits until the pinset may be read: what this peer has (`consistency=local`, the default), or every change that was
/// acknowledged anywhere before (`consistency=strong`).
pub(crate) async fn prepare(api: &dyn ClusterApi, head: &Parts) -> Result<(), Box<Reply>> {
    if head.method != Method::GET || !reads_the_pinset(head.uri.path()) {
        return Ok(());
    }
    let refused = |error: &ApiError| Box::new(of_api(error));
    let ready = || if api.is_readable() { Ok(()) } else { Err(refused(&ApiError::NotReady)) };
    ready()?;
    let Some(query) = head.uri.query().filter(|query| query.contains("consistency")) else { return Ok(()) };
    match Query::parse(Some(query)).get("consistency") {
        None | Some("" | "local") => Ok(()),
        Some("strong") => {
            api.read_barrier().await.map_err(|error| refused(&error))?;
            // A snapshot may have come in between.
            ready()
        }
        Some(other) => {
            Err(Box::new(bad_request(&format!("consistency is \"local\" or \"strong\", not {other:?}"))))
        }
    }
}
