//! What there is to type after `roundtrip data`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Say whether everything is as it was written: each page, each checksum, each reference. What is not is printed, by
    /// channel, request and row, and nothing of what stands there.
    #[command(after_help = "Example:\n  roundtrip data check ./data && echo sound\n\
        Exit status: 0 it is sound, 1 it is damaged, 2 there is no such folder or a broker has it.")]
    Check(Folder),
    /// Say how much there is: the files, and for each channel what waits, is scheduled, has ended or is dead.
    #[command(after_help = "Example:\n  roundtrip data stats ./data --json")]
    Stats(Folder),
    /// Print all that is kept, one object a line for each request and each dead letter. It is as confidential as what was
    /// asked and answered.
    #[command(after_help = "Example, the messages of all dead letters:\n  roundtrip data export ./data | \
        jq -r 'select(.kind == \"dead_letter\").payload'\n\
        A payload is `payload` where it is text, else `payload_base64`; times are in UTC. What is damaged is told as far \
        as it can be read.")]
    Export {
        /// The folder of a broker that is stopped.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Folder {
    /// The folder of a broker that is stopped.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub(crate) json: bool,
}
