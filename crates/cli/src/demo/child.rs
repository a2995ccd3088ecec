//! The demo's child processes, from the inside: each tells what it does, one line of JSON an event, on standard output.

use std::time::Duration;

use roundtrip::broker::Broker;
use roundtrip::{Client, ConnectError};
use roundtrip_patient_summary::consumer::ledger::Ledger;
use roundtrip_patient_summary::consumer::{Consumer, patient_ids};
use roundtrip_patient_summary::operation;
use roundtrip_patient_summary::service::SummaryService;
use roundtrip_patient_summary::sources::gather::Gatherer;
use serde::{Deserialize, Serialize};

use crate::arguments::{DemoBroker, DemoConsumer, DemoService};
use crate::exit::{Exit, Quit};
use crate::{lifeline, output};

/// What the demo's broker tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub(crate) enum BrokerEvent {
    /// It can be reached.
    Listens {
        /// Where.
        address: String,
    },
}

/// A broker that keeps its channel in a folder.
pub(crate) async fn broker(arguments: DemoBroker) -> Result<Exit, Quit> {
    lifeline::hold();
    let DemoBroker { listen, data } = arguments;
    let failed = |error: &dyn std::error::Error| Quit::saying(Exit::NoConnection, error.to_string());
    let builder = Broker::builder().data(data).channel(operation::channel());
    let broker = builder.start().map_err(|error| failed(&error))?;
    let address = broker.listen(listen).await.map_err(|error| failed(&error))?;
    report(&BrokerEvent::Listens { address: address.to_string() });
    std::future::pending().await
}

/// A summary service.
pub(crate) async fn service(arguments: DemoService) -> Result<Exit, Quit> {
    lifeline::hold();
    let DemoService { broker, ehr, concurrency } = arguments;
    let gatherer = Gatherer::new(&ehr).map_err(|error| Quit::usage(error.to_string()))?;
    let client = connect(&broker).await?;
    let service = SummaryService::new(gatherer).serve(&client, |event| report(&event)).concurrency(concurrency);
    service.run().await.map_err(|error| Quit::saying(Exit::Refused, error.to_string()))?;
    Ok(Exit::Done)
}

/// The API consumer.
pub(crate) async fn consumer(arguments: DemoConsumer) -> Result<Exit, Quit> {
    lifeline::hold();
    let DemoConsumer { broker, ledger, output, patients } = arguments;
    let patients = patient_ids(patients.iter().map(String::as_str)).map_err(|error| Quit::usage(error.to_string()))?;
    let failed = |error: &dyn std::error::Error| Quit::saying(Exit::OtherOutcome, error.to_string());
    let ledger = Ledger::open(ledger).map_err(|error| failed(&error))?;
    let client = connect(&broker).await?;
    let consumer = Consumer::new(&client, "api-consumer", ledger, output);
    consumer.collect(&patients, |event| report(&event)).await.map_err(|error| failed(&error))?;
    client.close().await;
    Ok(Exit::Done)
}

async fn connect(broker: &str) -> Result<Client, Quit> {
    let connected = Client::connect(broker).connect_timeout(Duration::from_secs(5)).await;
    connected.map_err(|error: ConnectError| Quit::saying(Exit::NoConnection, error.to_string()))
}

fn report(event: &impl Serialize) {
    // Without the process that started it there is nobody to tell, and this one is about to end.
    output::json_line(event).ok();
}
