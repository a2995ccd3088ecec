//! The Roundtrip client: requesters and services.
