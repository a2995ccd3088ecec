//! What to say of a request that nobody serves: most often its channel's name is misspelt.

use roundtrip::{ChannelFigures, ChannelName};

use crate::nearest::distance;

/// At most so many channels are named.
const NAMED: usize = 5;

/// The sentence; none if there is a service by now. `created` says that this request made the channel.
pub(crate) fn no_service(channel: &ChannelName, created: bool, channels: &[ChannelFigures]) -> Option<String> {
    let mut served: Vec<&str> =
        channels.iter().filter(|figures| figures.services > 0).map(|figures| figures.channel.as_str()).collect();
    if served.contains(&channel.as_str()) {
        return None;
    }
    served.sort_by_cached_key(|name| distance(name, channel.as_str()));
    let made = if created { " (this request created it)" } else { "" };
    let others = match served.len() {
        0 => "No channel has a service".to_owned(),
        1..=NAMED => format!("Channels with services: {}", served.join(", ")),
        more => format!("Channels with services: {} and {} more", served[..NAMED].join(", "), more - NAMED),
    };
    Some(format!("waiting: no service on \"{channel}\"{made}. {others}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(name: &str, services: u32) -> ChannelFigures {
        ChannelFigures {
            channel: name.parse().unwrap(),
            waiting: 0,
            scheduled: 0,
            in_flight: 0,
            services,
            retained: 0,
            dead: 0,
            oldest_ms: 0,
            paused_ms: 0,
            stale: 0,
        }
    }

    fn said(channel: &str, created: bool, channels: &[ChannelFigures]) -> Option<String> {
        no_service(&channel.parse().unwrap(), created, channels)
    }

    #[test]
    fn a_misspelt_channel_is_told_with_the_one_that_was_meant() {
        let channels = [figures("paitent_summary_request", 0), figures("patient_summary_request", 2)];
        assert_eq!(
            said("paitent_summary_request", true, &channels).unwrap(),
            "waiting: no service on \"paitent_summary_request\" (this request created it). \
             Channels with services: patient_summary_request"
        );
    }

    #[test]
    fn the_nearest_channels_come_first_and_the_rest_is_counted() {
        let names = ["aaa", "bbb", "ccc", "resize", "ddd", "resise_request", "eee"];
        let channels: Vec<_> = names.map(|name| figures(name, 1)).into();
        let sentence = said("resize_request", false, &channels).unwrap();
        assert!(sentence.contains("services: resise_request, resize, "), "{sentence}");
        assert!(sentence.ends_with(" and 2 more"), "{sentence}");
    }

    #[test]
    fn a_channel_that_has_a_service_by_now_needs_no_hint() {
        assert_eq!(said("resize", false, &[figures("resize", 1)]), None);
    }

    #[test]
    fn a_broker_without_services_says_so() {
        assert_eq!(said("a", false, &[]).unwrap(), "waiting: no service on \"a\". No channel has a service");
    }
}
