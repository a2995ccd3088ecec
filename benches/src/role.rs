//! The roles that this program plays in processes of its own, besides that of the load.
//!
//! A server ends with the program that measures it, however that ends.

use std::convert::Infallible;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use roundtrip::Broker;
use roundtrip::broker::ChannelSettings;
use rustix::process::{Signal, set_parent_process_death_signal};

/// This broker, with a folder for its data: `as-broker FOLDER`.
pub(crate) const BROKER: &str = "as-broker";

/// Redis, all of whose answers wait until what they tell of is on disk: `as-redis PORT FOLDER`.
pub(crate) const REDIS: &str = "as-redis";

/// The channel of requests.
pub(crate) const CHANNEL: &str = "bench_request";

/// Plays the role that the arguments name, if they name one.
pub(crate) fn play(arguments: &[String]) -> Option<anyhow::Result<()>> {
    let ended = match arguments {
        [role, folder] if role == BROKER => be_a_broker(Path::new(folder)),
        [role, port, folder] if role == REDIS => be_redis(port, Path::new(folder)),
        _ => return None,
    };
    Some(ended.map(|never| match never {}))
}

/// One thread for the broker, as the binary has it; the disk has its own.
fn be_a_broker(data: &Path) -> anyhow::Result<Infallible> {
    end_with_the_load()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let broker = Broker::builder().data(data).channel(ChannelSettings::new(CHANNEL)).start()?;
        println!("{}", broker.listen("127.0.0.1:0").await?);
        Ok(std::future::pending().await)
    })
}

fn be_redis(port: &str, folder: &Path) -> anyhow::Result<Infallible> {
    end_with_the_load()?;
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", port, "--dir"]).arg(folder);
    command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--loglevel", "warning"]);
    Err(command.stdout(Stdio::null()).exec()).context("starting redis-server")
}

fn end_with_the_load() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("asking to end with the program that measures")
}
