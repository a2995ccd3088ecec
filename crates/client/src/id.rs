//! Where the ids of instances, requests and unnamed requesters come from.

use uuid::Uuid;

/// A new id, a UUIDv7.
pub(crate) fn new_uuid() -> Uuid {
    #[cfg(feature = "simulation")]
    if let (Some(high), Some(low)) = (roundtrip_transport::runtime::chance(), roundtrip_transport::runtime::chance()) {
        return Uuid::from_u64_pair(high, low);
    }
    Uuid::now_v7()
}
