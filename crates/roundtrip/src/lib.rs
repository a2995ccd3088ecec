//! A message broker for asynchronous request-reply that runs inside your process.
