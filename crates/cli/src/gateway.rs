//! `roundtrip gateway`: the face over HTTP of a broker that runs elsewhere.

use tokio_util::sync::CancellationToken;

use crate::exit::{Exit, Quit};
use crate::output::tell;
use crate::signal::StopSignals;
use crate::{arguments, connect, descriptors, http, loopback, ready};

pub(crate) async fn run(arguments: arguments::Gateway) -> Result<Exit, Quit> {
    let arguments::Gateway { listen, callers, insecure, json, broker } = arguments;
    loopback::insist(listen, insecure)?;
    let mut stop = StopSignals::listen()?;
    descriptors::take_all();
    let listener = http::bind(listen)?;
    let client = tokio::select! {
        client = connect::patiently(&broker) => client?,
        () = stop.next() => return Ok(Exit::Interrupted),
    };
    let address = http::address(&listener)?;
    let gateway = http::builder(callers).build(client.clone());
    ready::tell(&ready::Ready { listen: address, http: None }, json)?;

    let stopping = CancellationToken::new();
    let listener = http::listener(listener)?;
    let mut serving = std::pin::pin!(gateway.serve_until(listener, stopping.clone().cancelled_owned()));
    let exit = loop {
        tokio::select! {
            () = &mut serving => break Exit::Done,
            () = stop.next() => match stopping.is_cancelled() {
                true => break Exit::Interrupted,
                false => {
                    tell("answering the calls that are under way; stop again to stop at once");
                    stopping.cancel();
                }
            },
        }
    };
    client.close().await;
    Ok(exit)
}
