//! `backlog [--requests N] [--payload BYTES] [--dir DIR]`: fills a durable channel of the real broker with N waiting
//! requests (1,000,000 of 4,096 bytes), and says how much memory the broker takes, how long it takes to have them all
//! again after SIGKILL, and how large its folder is before and after a service has answered them all.
//!
//! It measures and judges nothing but the count: machines differ.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use roundtrip_client::{Client, Context, Message, RawFailure, Request, TicketId};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CHANNEL: &str = "backlog_request";
const CONNECTIONS: usize = 4;
/// Submissions of a connection that are not answered yet.
const AT_ONCE: usize = 256;

const CONFIGURATION: &str = r#"
on_unknown = "create"
disk = "64GiB"
mailbox_capacity = 100_000_000
[[channel]]
name = "backlog_request"
capacity = 100_000_000
retention = "1s"
"#;

struct Order {
    requests: usize,
    payload: usize,
    folder: PathBuf,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "broker") {
        return roundtrip_cli::main();
    }
    let run = || -> Result<()> {
        let order = order(words)?;
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(&order))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn order(words: Vec<String>) -> Result<Order> {
    let name = format!("roundtrip-backlog-{}", std::process::id());
    let mut order = Order { requests: 1_000_000, payload: 4_096, folder: std::env::temp_dir().join(&name) };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} is followed by something"))?;
        match word.as_str() {
            "--requests" => order.requests = value.parse()?,
            "--payload" => order.payload = value.parse()?,
            "--dir" => order.folder = Path::new(&value).join(&name),
            other => return Err(format!("{other:?} is not known here").into()),
        }
    }
    Ok(order)
}

async fn run(order: &Order) -> Result<()> {
    std::fs::create_dir_all(&order.folder)?;
    let measured = measure(order).await;
    std::fs::remove_dir_all(&order.folder)?;
    measured
}

async fn measure(order: &Order) -> Result<()> {
    let Order { requests, payload, folder } = order;
    let mut broker = Broker::start(folder).await?;
    println!("empty: the broker takes {} MB", broker.memory()?);

    let began = Instant::now();
    let first = fill(&broker.address, *requests, *payload).await?;
    let took = began.elapsed();
    let rate = *requests as f64 / took.as_secs_f64();
    let (memory, on_disk) = (broker.memory()?, megabytes(folder)?);
    println!("filled: {requests} requests of {payload} bytes wait, {rate:.0}/s accepted");
    println!("filled: the broker takes {memory} MB, its folder {on_disk} MB");

    broker.child.kill().await?;
    let began = Instant::now();
    let mut broker = Broker::start(folder).await?;
    let listens = began.elapsed();
    let client = Client::connect(&broker.address).await?;
    client.status(&first).await?;
    let took = began.elapsed();
    println!("killed and started again: listens after {listens:.2?}, has every request again after {took:.2?}");
    println!("killed and started again: the broker takes {} MB", broker.memory()?);

    let began = Instant::now();
    drain(&client, *requests).await?;
    println!("drained: {:.0}/s answered", *requests as f64 / began.elapsed().as_secs_f64());
    client.close().await;
    let after = shrunk(folder, on_disk).await?;
    println!("drained: the broker takes {} MB, its folder {after} MB", broker.memory()?);
    broker.child.kill().await?;
    Ok(())
}

/// Submits requests that nobody follows, and gives the ticket of the first.
async fn fill(address: &str, requests: usize, payload: usize) -> Result<TicketId> {
    let payload = Bytes::from(vec![b'x'; payload]);
    let mut first = None;
    let mut filling = JoinSet::new();
    for number in 0..CONNECTIONS {
        let client = Client::connect(address).await?;
        let requester = client.requester(format!("filler-{number}"));
        let message = Message::new(payload.clone());
        if first.is_none() {
            first = Some(requester.submit_raw(CHANNEL, "wait", message.clone()).await?.id().clone());
        }
        let mut left = requests / CONNECTIONS - usize::from(number == 0);
        filling.spawn(async move {
            let mut open = JoinSet::new();
            while left > 0 || !open.is_empty() {
                while left > 0 && open.len() < AT_ONCE {
                    left -= 1;
                    let submit = requester.submit_raw(CHANNEL, "wait", message.clone());
                    open.spawn(async move { submit.await.map(drop) });
                }
                if let Some(accepted) = open.join_next().await {
                    accepted.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
                }
            }
            client.close().await;
            Ok::<(), String>(())
        });
    }
    while let Some(filled) = filling.join_next().await {
        filled??;
    }
    first.ok_or_else(|| "nothing was submitted".into())
}

/// Answers everything.
async fn drain(client: &Client, requests: usize) -> Result<()> {
    let (done, mut each) = tokio::sync::mpsc::unbounded_channel();
    let answer = move |_: Request, _: Context| {
        let done = done.clone();
        async move {
            done.send(()).map_err(|_| RawFailure::release())?;
            Ok::<_, RawFailure>(Message::new(Bytes::new()))
        }
    };
    let service = client.raw_service(CHANNEL, answer).concurrency(256).spawn();
    for _ in 0..requests {
        each.recv().await.ok_or("the service has ended")?;
    }
    service.stop().await?;
    Ok(())
}

/// How large the folder is once it does not shrink any more.
async fn shrunk(folder: &Path, before: u64) -> Result<u64> {
    let (mut size, mut same) = (before, 0);
    while same < 5 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = megabytes(folder)?;
        same = if now == size && now < before { same + 1 } else { 0 };
        size = now;
    }
    Ok(size)
}

/// The broker in a process of its own.
struct Broker {
    child: Child,
    address: String,
}

impl Broker {
    async fn start(folder: &Path) -> Result<Self> {
        let file = folder.join("broker.toml");
        std::fs::write(&file, CONFIGURATION)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["broker", "--listen", "127.0.0.1:0", "--json"]);
        command.arg("--config").arg(&file).arg("--data").arg(folder.join("data"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdout = child.stdout.take().ok_or("its stdout is piped")?;
        let ready = BufReader::new(stdout).lines().next_line().await?.ok_or("the broker did not start")?;
        let ready: serde_json::Value = serde_json::from_str(&ready)?;
        let address = ready["listen"].as_str().ok_or("the broker says where it listens")?.to_owned();
        Ok(Self { child, address })
    }

    /// Its resident memory, in MB.
    fn memory(&mut self) -> Result<u64> {
        let id = self.child.id().ok_or("the broker runs")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("it takes memory")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024 / 1_000_000)
    }
}

fn megabytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for file in std::fs::read_dir(folder.join("data"))? {
        bytes += file?.metadata()?.len();
    }
    Ok(bytes / 1_000_000)
}
