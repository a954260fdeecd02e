//! The access log: Apache's Common Log Format, one line per request (api §3.1).

mod file;

pub(crate) use file::AccessLogFile;

use cluster_api_types::Timestamp;
use http::{Method, StatusCode, Uri, Version};
use std::{
    net::IpAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// One line in the making; dropping it writes it.
#[derive(Debug)]
pub(crate) struct AccessLog {
    remote: IpAddr,
    began: i64,
    method: Method,
    uri: Uri,
    version: Version,
    pub(crate) status: StatusCode,
    pub(crate) bytes: u64,
    file: Option<Arc<AccessLogFile>>,
}

impl AccessLog {
    /// Begins a line, for the log's file if it has one; `None`, at the cost of one comparison, when nobody reads it.
    pub(crate) fn start(
        file: Option<&Arc<AccessLogFile>>,
        remote: IpAddr,
        method: &Method,
        uri: &Uri,
        version: Version,
    ) -> Option<Box<Self>> {
        if file.is_none() && !tracing::enabled!(target: "restapilog", tracing::Level::INFO) {
            return None;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(Box::new(Self {
            remote,
            began: i64::try_from(since.as_secs()).unwrap_or(0),
            method: method.clone(),
            uri: uri.clone(),
            version,
            status: unanswered(),
            bytes: 0,
            file: file.cloned(),
        }))
    }

    fn line(&self) -> String {
        let Self { remote, method, uri, version, bytes, .. } = self;
        let status = self.status.as_u16();
        // HTTP/2 sends scheme and host with the path; readers of such logs expect the path.
        let target = match uri.path_and_query() {
            Some(path) if *version == Version::HTTP_2 => path.as_str(),
            _ => &uri.to_string(),
        };
        // The user stays out of it, as in the reference.
        format!("{remote} - - [{}] \"{method} {target} {version:?}\" {status} {bytes}", time(self.began))
    }
}

/// What stands for the status of a request whose client went before it was answered.
pub(crate) fn unanswered() -> StatusCode {
    const GONE: u16 = 499;
    StatusCode::from_u16(GONE).unwrap_or(StatusCode::REQUEST_TIMEOUT)
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        match &self.file {
            Some(file) => file.push(&self.line()),
            None => tracing::info!(target: "restapilog", "{}", self.line()),
        }
    }
}

/// Writes `31/Jan/2026:10:20:30 +0000`.
fn time(unix_seconds: i64) -> String {
    let text = Timestamp::from_unix(unix_seconds, 0).date_and_time();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let month: usize = part(5..7).parse().unwrap_or(1);
    let month = MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or_default();
    format!("{}/{month}/{}:{} +0000", part(8..10), part(0..4), part(11..19))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_in_the_common_format() {
        let mut log = AccessLog {
            remote: [127, 0, 0, 1].into(),
            began: 1_769_854_830,
            method: Method::POST,
            uri: Uri::from_static("/pins/ipfs/bafkqaaa?name=x"),
            version: Version::HTTP_11,
            status: StatusCode::OK,
            bytes: 7,
            file: None,
        };
        log.bytes += 5;
        assert_eq!(
            log.line(),
            "127.0.0.1 - - [31/Jan/2026:10:20:30 +0000] \"POST /pins/ipfs/bafkqaaa?name=x HTTP/1.1\" 200 12"
        );
        log.uri = Uri::from_static("https://127.0.0.1:9094/id?x=y");
        log.version = Version::HTTP_2;
        assert!(log.line().contains("\"POST /id?x=y HTTP/2.0\" 200 12"), "{}", log.line());
    }
}
