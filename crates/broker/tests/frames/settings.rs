//! Settings that make no sense are refused where the broker starts, in words that name them.

use std::time::Duration;

use roundtrip_broker::{Broker, ChannelSettings};

fn refusal(settings: ChannelSettings) -> String {
    match Broker::builder().channel(settings).start() {
        Ok(_) => panic!("these settings make no sense"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_setting_that_makes_no_sense_is_named_with_its_channel() {
    let orders = || ChannelSettings::new("orders");
    let (none, second, minute) = (Duration::ZERO, Duration::from_secs(1), Duration::from_secs(60));
    for (settings, setting, found) in [
        (orders().max_attempts(0), "max_attempts", "0"),
        (orders().max_in_flight(0), "max_in_flight", "0"),
        (orders().rate(0.0, 1), "rate", "0"),
        (orders().rate(-1.5, 1), "rate", "-1.5"),
        (orders().rate(f64::NAN, 1), "rate", "NaN"),
        (orders().rate(1.0, 0), "rate", "0"),
        (orders().lease(none), "lease", "0"),
        (orders().max_lease(none), "max_lease", "0"),
        (orders().attempt_timeout(none), "attempt_timeout", "0"),
        (orders().default_deadline(none), "default_deadline", "0"),
        (orders().backoff(minute, second), "backoff", "60"),
        (orders().operations(Vec::<String>::new()), "operations", "none"),
        (orders().content_types(Vec::<String>::new()), "content_types", "none"),
    ] {
        let message = refusal(settings);
        assert!(message.contains("orders") && message.contains(setting) && message.contains(found), "{message}");
    }
}

#[tokio::test]
async fn the_defaults_are_held_against_the_same_rules() {
    let defaults = ChannelSettings::for_undeclared().max_attempts(0);
    let error = Broker::builder().defaults(defaults).start().err().unwrap().to_string();
    assert!(error.contains("defaults") && error.contains("max_attempts"), "{error}");
}
