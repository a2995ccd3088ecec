//! Calls of the gateway, and what is answered to them.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

use super::told::Told;

/// How soon a caller without an answer calls again.
const AGAIN: Duration = Duration::from_millis(10);

/// The longest wait that a call may ask for, in seconds.
pub(super) const LONGEST_WAIT: u64 = 60;

/// Somebody who calls.
#[derive(Clone)]
pub(super) struct Calls {
    http: Client,
    to: SocketAddr,
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Calls {
    pub(super) fn of(to: SocketAddr) -> Self {
        let http = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { http, to }
    }

    pub(super) fn get(&self, path: impl Display) -> RequestBuilder {
        self.call(Method::GET, path)
    }

    pub(super) fn post(&self, path: impl Display) -> RequestBuilder {
        self.call(Method::POST, path)
    }

    pub(super) fn call(&self, method: Method, path: impl Display) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.to))
    }

    /// Calls until it is answered: for what can be said again.
    pub(super) async fn ask(&self, call: RequestBuilder) -> Answer {
        loop {
            match Answer::of(call.try_clone().unwrap()).await {
                Ok(answer) => return answer,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Calls once: for what would be another each time.
    pub(super) async fn ask_once(&self, call: RequestBuilder) -> Answer {
        Answer::of(call).await.unwrap()
    }

    /// Calls until an answer begins.
    pub(super) async fn begin(&self, call: RequestBuilder) -> Response {
        loop {
            match call.try_clone().unwrap().send().await {
                Ok(response) => return response,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

impl Answer {
    async fn of(call: RequestBuilder) -> reqwest::Result<Self> {
        let response = call.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.bytes().await? })
    }

    /// The text of a header, if it is there.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// What a header says that must be there.
    pub(super) fn said<T: std::str::FromStr>(&self, name: &str) -> T {
        let read = self.header(name).and_then(|text| text.parse().ok());
        read.unwrap_or_else(|| panic!("{name} says nothing of use: {self:?}"))
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("this is no JSON: {self:?}"))
    }

    /// Why the call was refused.
    pub(super) fn problem(&self) -> Told {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        Told::of(&self.json(), self.header("retry-after"))
    }

    /// Nothing, if the call did what it was to do; or why it was refused.
    pub(super) fn done(&self) -> Result<(), Told> {
        match self.status {
            204 => Ok(()),
            _ => Err(self.problem()),
        }
    }
}
