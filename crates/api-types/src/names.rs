//! JSON names of the domain's enums. As in the reference an unknown name is never an error.

/// Pin types by name; unknown or missing is the bad type.
pub(crate) mod kind {
    use cluster_core::PinKind;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    pub(crate) fn bad() -> PinKind {
        PinKind::Bad
    }

    pub(crate) fn serialize<S: Serializer>(kind: &PinKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.name())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PinKind, D::Error> {
        Ok(Option::<Cow<'de, str>>::deserialize(deserializer)?
            .map_or(PinKind::Bad, |n| PinKind::from_name(&n)))
    }
}

/// Pin modes by name; unknown or missing is recursive.
pub(crate) mod mode {
    use cluster_core::PinMode;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    pub(crate) fn serialize<S: Serializer>(mode: &PinMode, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(mode.name())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PinMode, D::Error> {
        Ok(PinMode::from_name(&Option::<Cow<'de, str>>::deserialize(deserializer)?.unwrap_or_default()))
    }
}

/// Tracker statuses by name; unknown or missing is undefined.
pub(crate) mod tracker_status {
    use cluster_core::TrackerStatus;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    pub(crate) fn undefined() -> TrackerStatus {
        TrackerStatus::Undefined
    }

    pub(crate) fn serialize<S: Serializer>(status: &TrackerStatus, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(status.name())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TrackerStatus, D::Error> {
        let name = Option::<Cow<'de, str>>::deserialize(deserializer)?.unwrap_or_default();
        Ok(TrackerStatus::ALL.into_iter().find(|s| s.name() == name).unwrap_or(TrackerStatus::Undefined))
    }
}
