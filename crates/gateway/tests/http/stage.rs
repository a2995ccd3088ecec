//! A broker, a gateway before it, and callers.

use std::future::Future;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use roundtrip_broker::{Broker, BrokerBuilder, ChannelFigures};
use roundtrip_client::{Client, Context, Message, RawFailure, Request, ServiceHandle};
use roundtrip_gateway::{Gateway, GatewayBuilder};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// How long anything may take here. Never what a test waits for.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) broker: Option<Broker>,
    pub(crate) client: Client,
    pub(crate) address: String,
    http: reqwest::Client,
    serving: Option<AbortOnDropHandle<()>>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(Broker::builder(), Gateway::builder()).await
    }

    pub(crate) async fn with(broker: BrokerBuilder, gateway: GatewayBuilder) -> Self {
        let broker = broker.start().unwrap();
        let gateway = gateway.build(Client::new(broker.connect()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = AbortOnDropHandle::new(tokio::spawn(async move { gateway.serve(listener).await }));
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().timeout(LIMIT).build().unwrap();
        let client = Client::new(broker.connect());
        Self { broker: Some(broker), client, address, http, serving: Some(serving) }
    }

    /// A call of the gateway.
    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.call(Method::POST, path)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.call(Method::GET, path).send().await.unwrap()
    }

    /// Ends the gateway, and with it every connection.
    pub(crate) async fn stop_serving(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            assert!(serving.await.unwrap_err().is_cancelled());
        }
    }

    /// Submits on a channel, and gives the path of the request.
    pub(crate) async fn submit(&self, channel: &str, payload: &'static str) -> String {
        self.submit_bytes(channel, payload.into()).await
    }

    /// As [`Stage::submit`].
    pub(crate) async fn submit_bytes(&self, channel: &str, payload: Vec<u8>) -> String {
        let path = format!("/v1/channels/{channel}/requests");
        let response = self.post(&path).body(payload).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        header(&response, "location").to_owned()
    }

    /// Takes a delivery that is there, and gives the path at which it is settled.
    pub(crate) async fn take(&self, channel: &str) -> String {
        let response = self.post(&format!("/v1/channels/{channel}/deliveries?wait=60")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        header(&response, "roundtrip-delivery").to_owned()
    }

    /// A call about a delivery.
    pub(crate) async fn tell(&self, delivery: &str, what: &str, body: impl Into<reqwest::Body>) -> Response {
        self.post(&format!("{delivery}/{what}")).body(body).send().await.unwrap()
    }

    /// A call about a delivery that counts.
    pub(crate) async fn told(&self, delivery: &str, what: &str, body: impl Into<reqwest::Body>) {
        let response = self.tell(delivery, what, body).await;
        let status = response.status();
        assert_eq!(status, StatusCode::NO_CONTENT, "{what}: {}", response.text().await.unwrap());
    }

    /// A service that is there when this returns.
    pub(crate) async fn serve<Handler, Answer>(&self, channel: &str, handler: Handler) -> ServiceHandle
    where
        Handler: Fn(Request, Context) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Message, RawFailure>> + Send + 'static,
    {
        let service = self.client.raw_service(channel, handler).spawn();
        self.until(channel, |figures| figures.services == 1).await;
        service
    }

    /// A service that answers what was sent, in capital letters and as plain text.
    pub(crate) async fn shout(&self, channel: &str) -> ServiceHandle {
        self.serve(channel, |request, _| async move {
            let text = String::from_utf8_lossy(&request.payload).to_uppercase();
            Ok(Message::new(text).content_type("text/plain"))
        })
        .await
    }

    /// Waits until a channel's figures are as they should be.
    pub(crate) async fn until(&self, channel: &str, satisfied: impl Fn(&ChannelFigures) -> bool) {
        let broker = self.broker.as_ref().unwrap();
        let is_so = |all: &[ChannelFigures]| all.iter().any(|it| it.channel.as_str() == channel && satisfied(it));
        tokio::time::timeout(LIMIT, broker.until(is_so)).await.expect("the channel does not come to these figures");
    }

    /// The channels that the broker has.
    pub(crate) fn channels(&self) -> Vec<String> {
        let channels = self.broker.as_ref().unwrap().channels();
        channels.iter().map(|figures| figures.channel.as_str().to_owned()).collect()
    }

    /// Sends bytes as they are, and gives what came until the gateway closed the connection.
    pub(crate) async fn raw(&self, bytes: &str) -> String {
        let mut stream = self.connect(bytes).await;
        read_to_end(&mut stream).await
    }

    /// A connection on which these bytes were sent.
    pub(crate) async fn connect(&self, bytes: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut read)).await.expect("the connection stays open").unwrap();
    String::from_utf8_lossy(&read).into_owned()
}

/// The text of a header that must be there.
pub(crate) fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let value = response.headers().get(name).unwrap_or_else(|| panic!("no {name} in {:?}", response.headers()));
    value.to_str().unwrap()
}

/// The problem in an answer, which says all that a problem has to.
pub(crate) async fn problem(response: Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(header(&response, "content-type"), "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    assert_eq!(problem["type"], format!("urn:roundtrip:problem:{code}"), "{problem}");
    assert!(problem["title"].is_string(), "{problem}");
    problem
}

/// As [`problem`], for a refusal of the call: it has no outcome, and says what to do.
pub(crate) async fn refusal(response: Response, status: u16, code: &str) -> Value {
    assert!(!response.headers().contains_key("roundtrip-outcome"), "{:?}", response.headers());
    let problem = problem(response, status, code).await;
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    problem
}
