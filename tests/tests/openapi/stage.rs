//! A broker with a gateway before it, with requests in every state and deliveries in every condition that there are, and
//! mailboxes.

use std::future::pending;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use roundtrip_broker::{Broker, ChannelSettings};
use roundtrip_client::{Client, Failure, Message, ServiceHandle};
use roundtrip_gateway::Gateway;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// How long anything may take here. Never what a test waits for.
const LIMIT: Duration = Duration::from_secs(60);

/// How many there are of each state and condition: calls of the run change some.
const OF_EACH: usize = 9;

/// How many requests there are to take, and how many deliveries to settle beside those: each is settled once.
const FRESH: usize = 150;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

pub(crate) struct Stage {
    pub(crate) address: String,
    /// Lists with one for each state.
    pub(crate) tickets: Vec<Vec<String>>,
    /// Tokens: lists with one for each condition.
    pub(crate) deliveries: Vec<Vec<String>>,
    /// Tokens of deliveries that go on.
    pub(crate) fresh: Vec<String>,
    /// The name of who holds a mailbox.
    pub(crate) holder: String,
    http: reqwest::Client,
    _broker: Broker,
    _services: Vec<ServiceHandle>,
    _serving: AbortOnDropHandle<()>,
}

impl Stage {
    pub(crate) async fn with_requests_in_every_state() -> Self {
        let mut stage = Self::new().await;
        let made = async {
            for _ in 0..OF_EACH {
                stage.tickets.push(Vec::new());
                stage.fill().await;
            }
            stage.hand_out().await;
            stage.hold().await;
        };
        tokio::time::timeout(LIMIT, made).await.expect("a request does not come into its state");
        stage
    }

    async fn new() -> Self {
        let broker = Broker::builder()
            .channel(ChannelSettings::new("flaky_request").backoff(LONG, LONG))
            .channel(ChannelSettings::new("lost_request").backoff(LONG, LONG))
            .channel(ChannelSettings::new("sums_request").operations(["sum"]))
            .channel(ChannelSettings::new("json_request").content_types(["application/json"]))
            .channel(ChannelSettings::new("full_request").capacity(1))
            .start()
            .unwrap();
        // No call of the run waits longer, whatever it asks for.
        let gateway = Gateway::builder().longest_wait(Duration::from_millis(100));
        let gateway = gateway.build(Client::new(broker.connect()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = AbortOnDropHandle::new(tokio::spawn(async move { gateway.serve(listener).await }));
        let http = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().unwrap();
        let services = services(&Client::new(broker.connect()));
        Self {
            address,
            tickets: Vec::new(),
            deliveries: Vec::new(),
            fresh: Vec::new(),
            holder: String::new(),
            http,
            _broker: broker,
            _services: services,
            _serving: serving,
        }
    }

    /// One more request in each state.
    async fn fill(&mut self) {
        self.submit("quiet_request", &[]).await.is("waiting").await;
        self.submit("nobody_request", &[("roundtrip-delay", "3600")]).await.is("scheduled").await;
        self.submit("held_request", &[]).await.is("in_flight").await;
        self.submit("flaky_request", &[]).await.is("backing_off").await;
        self.submit("shout_request", &[]).await.has("replied").await;
        self.submit("shout_request", &[("roundtrip-requester", "night-shift")]).await.has("replied").await;
        self.submit("shout_request", &[("idempotency-key", "smith-2026")]).await.has("replied").await;
        self.submit("shout_request", &[("roundtrip-requester", "old-shift")]).await.has("replied").await;
        self.submit("shout_request", &[("roundtrip-requester", "late-shift")]).await.has("replied").await;
        self.submit("failing_request", &[("roundtrip-requester", "night-shift")]).await.has("failed").await;
        self.submit("poison_request", &[("roundtrip-requester", "night-shift")]).await.has("dead").await;
        self.submit("nobody_request", &[("roundtrip-deadline", "0.001")]).await.has("expired").await;
        let cancelled = self.submit("nobody_request", &[]).await;
        cancelled.call(|http, url| http.delete(url)).await;
        cancelled.has("cancelled").await;
        let acknowledged = self.submit("shout_request", &[]).await;
        acknowledged.has("replied").await;
        acknowledged.call(|http, url| http.post(format!("{url}/acknowledge"))).await;
    }

    /// Requests to take, and deliveries in each condition.
    async fn hand_out(&mut self) {
        for _ in 0..FRESH {
            self.sent("work_request", &[]).await;
            let fresh = self.taken("desk_request", &[]).await;
            self.fresh.push(fresh.token);
        }
        let mut expiring = Vec::new();
        for _ in 0..OF_EACH {
            let goes_on = self.taken("desk_request", &[]).await;
            let lost = self.taken("lost_request", &[]).await;
            let cancelled = self.taken("desk_request", &[]).await;
            cancelled.submitted.call(|http, url| http.delete(url)).await;
            let settled = self.taken("desk_request", &[]).await;
            assert_eq!(self.tell(&settled.token, "reply").await.status(), 204);
            let expired = self.taken("desk_request", &[("roundtrip-deadline", "1")]).await;
            let all = [&goes_on, &lost, &cancelled, &settled, &expired];
            self.deliveries.push(all.map(|it| it.token.clone()).into());
            expiring.push((lost, expired));
        }
        for (lost, expired) in expiring {
            while self.tell(&lost.token, "renew").await.status() != 409 {}
            expired.submitted.has("expired").await;
        }
    }

    /// A mailbox that somebody holds.
    async fn hold(&mut self) {
        let mailbox =
            format!("http://{}/v1/mailboxes/shout_reply/old-shift/replies?open=take&lease=3600", self.address);
        let held = self.http.get(mailbox).send().await.unwrap();
        self.holder = held.headers()["roundtrip-holder"].to_str().unwrap().to_owned();
    }

    /// The delivery of a request that is submitted for it alone.
    async fn taken(&self, channel: &str, headers: &[(&str, &str)]) -> Taken {
        let lease = if channel == "lost_request" { "0.001" } else { "3600" };
        let take = format!("http://{}/v1/channels/{channel}/deliveries?wait=1&lease={lease}", self.address);
        // One with a deadline may have expired before it is taken.
        loop {
            let submitted = self.sent(channel, headers).await;
            let taken = self.http.post(&take).send().await.unwrap();
            let Some(path) = taken.headers().get("roundtrip-delivery") else { continue };
            let token = path.to_str().unwrap().trim_start_matches("/v1/deliveries/").to_owned();
            return Taken { submitted, token };
        }
    }

    async fn tell(&self, token: &str, what: &str) -> Response {
        self.http.post(format!("http://{}/v1/deliveries/{token}/{what}", self.address)).send().await.unwrap()
    }

    /// A request that belongs to a list of tickets.
    async fn submit(&mut self, channel: &str, headers: &[(&str, &str)]) -> Submitted {
        let submitted = self.sent(channel, headers).await;
        self.tickets.last_mut().unwrap().push(submitted.ticket.clone());
        submitted
    }

    async fn sent(&self, channel: &str, headers: &[(&str, &str)]) -> Submitted {
        let call = self.http.post(format!("http://{}/v1/channels/{channel}/requests", self.address));
        let call = headers.iter().fold(call.body("hello"), |call, (name, value)| call.header(*name, *value));
        let accepted: Value = call.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
        let ticket = accepted["ticket"].as_str().unwrap().to_owned();
        let url = format!("http://{}/v1/requests/{ticket}", self.address);
        Submitted { ticket, url, http: self.http.clone() }
    }
}

struct Taken {
    submitted: Submitted,
    token: String,
}

struct Submitted {
    ticket: String,
    url: String,
    http: reqwest::Client,
}

impl Submitted {
    /// Waits until it is in this state.
    async fn is(&self, state: &str) {
        while self.call(|http, url| http.get(url)).await.json::<Value>().await.unwrap()["state"] != state {}
    }

    /// Waits until it has this outcome.
    async fn has(&self, outcome: &str) {
        let reply = async || self.call(|http, url| http.get(format!("{url}/reply?wait=60"))).await;
        while reply().await.headers().get("roundtrip-outcome").is_none_or(|it| it != outcome) {}
    }

    async fn call(&self, make: impl FnOnce(&reqwest::Client, &str) -> RequestBuilder) -> Response {
        make(&self.http, &self.url).send().await.unwrap()
    }
}

/// A service for each way that a request may go.
fn services(client: &Client) -> Vec<ServiceHandle> {
    let shout = client.raw_service("shout_request", |request, _| async move {
        let text = String::from_utf8_lossy(&request.payload).to_uppercase();
        // One reply without a content type is among them too.
        Ok(if text.is_empty() { Message::new(text) } else { Message::new(text).content_type("text/plain") })
    });
    let held = client.raw_service("held_request", |_, context| async move {
        context.note(0.5, "drafting", "page 3 of 6");
        pending().await
    });
    let flaky = client.raw_service("flaky_request", |_, _| async { Err(Failure::retry("busy")) });
    let failing = client.raw_service("failing_request", |request, _| async move {
        let error = if request.payload.is_empty() { r#"{"why": "empty"}"# } else { r#"{"status": 404}"# };
        Err(Failure::fail(Message::new(error).content_type("application/json")))
    });
    let poison = client.raw_service("poison_request", |_, _| async { Err(Failure::reject("poison")) });
    vec![shout.spawn(), held.concurrency(1000).spawn(), flaky.spawn(), failing.spawn(), poison.spawn()]
}
