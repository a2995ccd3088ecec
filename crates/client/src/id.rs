//! Where the ids of instances, requests and unnamed requesters come from.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Builder, Uuid};

/// Numbers that nobody makes twice, hashed under keys that the system gives to this process by chance. To ask the
/// system each time costs more than a request.
struct Source {
    keys: RandomState,
    made: AtomicU64,
}

static SOURCE: LazyLock<Source> = LazyLock::new(|| Source { keys: RandomState::new(), made: AtomicU64::new(0) });

/// A new id, a UUIDv7.
pub(crate) fn new_uuid() -> Uuid {
    #[cfg(feature = "simulation")]
    if let (Some(high), Some(low)) = (roundtrip_transport::runtime::chance(), roundtrip_transport::runtime::chance()) {
        return Uuid::from_u64_pair(high, low);
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let number = SOURCE.made.fetch_add(1, Ordering::Relaxed);
    let mut chance = [0; 10];
    chance[..8].copy_from_slice(&SOURCE.keys.hash_one(number).to_ne_bytes());
    chance[8..].copy_from_slice(&SOURCE.keys.hash_one(!number).to_ne_bytes()[..2]);
    Builder::from_unix_timestamp_millis(since.as_millis() as u64, &chance).into_uuid()
}
