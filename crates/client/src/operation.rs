//! What a requester and a service agree on, as a type.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A command, and what comes back. The type that implements it is the request itself.
///
/// ```
/// use roundtrip_client::Operation;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Resize {
///     picture: String,
///     width: u32,
/// }
///
/// #[derive(Debug, Serialize, Deserialize)]
/// enum ResizeError {
///     UnknownPicture,
/// }
///
/// impl Operation for Resize {
///     const NAME: &'static str = "resize";
///     const CHANNEL: &'static str = "picture_request";
///     type Reply = String;
///     type Error = ResizeError;
/// }
/// ```
pub trait Operation: Serialize + DeserializeOwned + Send + 'static {
    /// The name of what is asked for, such as `generate_patient_summary`.
    const NAME: &'static str;
    /// The request channel it goes to.
    const CHANNEL: &'static str;
    /// What a service answers.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
    /// What a service fails with, finally, as a value that the requester can match on.
    type Error: Serialize + DeserializeOwned + Send + 'static;
}
