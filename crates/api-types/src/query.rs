//! Pin options as query parameters (api §3.7): the writing side.

use crate::PinOptions;

impl PinOptions {
    /// Returns the parameters in the order in which they are sent, not yet percent-encoded. What equals the
    /// default is left out.
    pub fn to_query(&self) -> Vec<(String, String)> {
        let mut query: Vec<(String, String)> = Vec::new();
        let mut put = |key: &str, value: String| query.push((key.to_owned(), value));
        if self.replication_factor_min != 0 {
            put("replication-min", self.replication_factor_min.to_string());
        }
        if self.replication_factor_max != 0 {
            put("replication-max", self.replication_factor_max.to_string());
        }
        if !self.name.is_empty() {
            put("name", self.name.clone());
        }
        put("mode", self.mode.name().to_owned());
        if self.shard_size != 0 {
            put("shard-size", self.shard_size.to_string());
        }
        if let Some(peers) = self.user_allocations.as_ref().filter(|p| !p.is_empty()) {
            put("user-allocations", join(peers));
        }
        if !self.expire_at.is_zero() {
            put("expire-at", self.expire_at.to_string());
        }
        for (key, value) in self.metadata.iter().flatten().filter(|(key, _)| !key.is_empty()) {
            put(&format!("meta-{key}"), value.clone());
        }
        if let Some(cid) = self.pin_update.as_ref().filter(|c| c.is_defined()) {
            put("pin-update", cid.to_string());
        }
        if let Some(addresses) = self.origins.as_ref().filter(|a| !a.is_empty()) {
            put("origins", join(addresses));
        }
        query
    }
}

fn join<T: std::ops::Deref<Target = str>>(texts: &[T]) -> String {
    texts.iter().map(|t| &**t).collect::<Vec<_>>().join(",")
}
