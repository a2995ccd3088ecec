//! `roundtrip broker`: a broker of its own process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use roundtrip::Client;
use roundtrip::broker::Broker;

use crate::color::Color;
use crate::configuration::{Configuration, Flags};
use crate::duration;
use crate::exit::{Exit, Quit};
use crate::http::Face;
use crate::output::{self, tell};
use crate::signal::{StopSignals, survive_file_limits};
use crate::{arguments, channels, descriptors, loopback, ready, recovery};

pub(crate) async fn run(arguments: arguments::Broker, color: Color) -> Result<Exit, Quit> {
    let arguments::Broker { config, check, print_config, listen, data, disk, http, callers, insecure, json } =
        arguments;
    if let Some(file) = config.as_deref().filter(|_| check) {
        return good(file, data.is_some());
    }
    let names_callers = !callers.hosts.is_empty() || !callers.origins.is_empty();
    let configuration = Configuration::in_force(config.as_deref(), Flags { listen, data, disk, http, callers })?;
    if print_config {
        return output::payload(configuration.to_text().as_bytes()).map(|()| Exit::Done);
    }
    let (listen, http) = (configuration.listen(), configuration.http());
    if names_callers && http.is_none() {
        return Err(Quit::usage(
            "--host and --cors-origin say who may ask over HTTP, and the broker does not listen for that: add --http ADDR, \
             or http to the file",
        ));
    }
    for reachable in [Some(listen), http].into_iter().flatten() {
        loopback::insist(reachable, insecure)?;
    }
    let mut stop = StopSignals::listen()?;
    survive_file_limits();
    descriptors::take_all();
    configuration.check_data()?;
    let broker = start(&configuration)?;
    let listening = broker.listen(listen).await.map_err(|error| Quit::saying(Exit::NoConnection, error.to_string()))?;
    let is_recovering = Arc::new(AtomicBool::new(broker.recovery().is_some()));
    let told = Arc::clone(&is_recovering);
    let face = http.map(|http| Face::start(http, configuration.callers(), broker.connect(), told)).transpose()?;
    ready::tell(&ready::Ready { listen: listening, http: face.as_ref().map(Face::address) }, json)?;

    let recovering = async {
        recovery::show(&broker, color).await;
        is_recovering.store(false, Ordering::Relaxed);
        std::future::pending().await
    };
    let why = tokio::select! {
        why = recovering => why,
        () = stop.next() => "draining",
        () = broker.drain_requested() => "draining, as a client asked",
    };
    let patience = duration::exactly(configuration.drain_timeout());
    tell(&format!("{why}: new requests are refused, open ones have {patience}; stop again to stop at once"));
    let observer = Client::new(broker.connect());
    // Held outside of the select: the broker must still be there when it is asked what a second signal ends.
    let mut draining = std::pin::pin!(broker.shutdown());
    let left = tokio::select! {
        report = &mut draining => {
            if let Some(face) = face {
                face.stop().await;
            }
            Left { kept: report.kept, failed: report.failed }
        }
        () = stop.next() => Left::now(&observer, &configuration).await,
    };
    Ok(left.tell())
}

/// What a broker leaves behind: requests without an outcome.
#[derive(Debug, Default)]
struct Left {
    /// On durable channels, for the next start.
    kept: usize,
    /// In memory, which ends with the broker.
    failed: usize,
}

impl Left {
    /// What is left now. Asked while the broker still drains.
    async fn now(observer: &Client, configuration: &Configuration) -> Self {
        let figures = tokio::time::timeout(Duration::from_millis(200), observer.channels()).await;
        let channels = figures.ok().and_then(Result::ok).unwrap_or_default();
        let (durable, in_memory): (Vec<_>, Vec<_>) =
            channels.into_iter().partition(|figures| configuration.is_durable(&figures.channel));
        let open = |channels: &[_]| channels::open_requests(channels) as usize;
        Self { kept: open(&durable), failed: open(&in_memory) }
    }

    fn tell(&self) -> Exit {
        let kept = (self.kept > 0).then(|| format!("kept {} for the next start", self.kept));
        let failed = (self.failed > 0).then(|| format!("accepted requests that failed with it: {}", self.failed));
        let said: Vec<String> = kept.into_iter().chain(failed).collect();
        if !said.is_empty() {
            tell(&format!("stopped; {}", said.join("; ")));
        }
        if self.failed == 0 { Exit::Done } else { Exit::RequestsFailed }
    }
}

/// Says that the file can be started with; what is wrong with it was said before.
fn good(file: &Path, has_data: bool) -> Result<Exit, Quit> {
    let configuration = Configuration::of_file(file)?;
    if !has_data {
        configuration.check_data()?;
    }
    // What the builder alone knows to be wrong is told before it listens anywhere.
    let configuration = configuration.in_memory();
    start(&configuration)?;
    let channels = match configuration.channels() {
        1 => "1 channel".to_owned(),
        more => format!("{more} channels"),
    };
    output::line(&format!("{} is good: {channels}", file.display())).map(|()| Exit::Done)
}

fn start(configuration: &Configuration) -> Result<Broker, Quit> {
    let broker = configuration.builder().remote_drain(true).start();
    broker.map_err(|error| Quit::usage(error.to_string()))
}
