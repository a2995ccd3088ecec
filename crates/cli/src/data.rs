//! `roundtrip data`: what is in the folder of a broker that is stopped.

mod figures;

use std::io::{self, BufWriter};
use std::path::Path;

use roundtrip::broker::data::{DataError, DataFolder, Finding, OpenError};
use serde::Serialize;

use crate::arguments::{Data, Folder};
use crate::color::Color;
use crate::exit::{Exit, Quit};
use crate::output::{self, tell};

pub(crate) fn run(arguments: Data, color: Color) -> Result<Exit, Quit> {
    match arguments {
        Data::Check(Folder { folder, json }) => check(&folder, json),
        Data::Stats(Folder { folder, json }) => {
            let stats = open(&folder)?.stats().map_err(failed)?;
            figures::print(&stats, json, color).map(|()| Exit::Done)
        }
        Data::Export { folder } => export(&folder),
    }
}

fn check(folder: &Path, json: bool) -> Result<Exit, Quit> {
    let found = open(folder)?.check().map_err(failed)?;
    for finding in &found {
        if json {
            output::json_line(&Line::of(finding))?;
        } else {
            output::line(&finding.to_string())?;
        }
    }
    if found.is_empty() {
        tell(&format!("{} is sound", folder.display()));
        return Ok(Exit::Done);
    }
    tell(&format!("{} is damaged: {} findings", folder.display(), found.len()));
    Ok(Exit::OtherOutcome)
}

fn export(folder: &Path) -> Result<Exit, Quit> {
    let folder = open(folder)?;
    let mut stdout = BufWriter::new(io::stdout().lock());
    folder.export(&mut stdout).map_err(failed)?;
    Ok(Exit::Done)
}

fn open(folder: &Path) -> Result<DataFolder, Quit> {
    DataFolder::open(folder).map_err(|error| {
        let exit = match error {
            OpenError::NotADatabase { .. } | OpenError::Lost { .. } | OpenError::Database { .. } => Exit::OtherOutcome,
            _ => Exit::Usage,
        };
        Quit::saying(exit, error.to_string())
    })
}

fn failed(error: DataError) -> Quit {
    match error {
        DataError::Write(error) => Quit::of_output(&error),
        error => Quit::saying(Exit::OtherOutcome, error.to_string()),
    }
}

/// A finding, with `--json`.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<u64>,
    what: &'a str,
}

impl<'a> Line<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            channel: finding.channel.as_ref().map(|channel| channel.as_str()),
            request: finding.request.map(|request| request.to_string()),
            row: finding.row,
            what: &finding.what,
        }
    }
}
