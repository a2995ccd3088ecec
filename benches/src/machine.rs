//! The machine that everything ran on, as far as it tells.

use std::{fmt, fs, thread};

use serde_json::{Value, json};

/// The machine.
#[derive(Debug)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory: String,
    kernel: String,
    /// How many threads wanted to run in the last minute, before anything was measured.
    load: String,
}

impl Machine {
    /// This one. What it does not tell is `unknown`.
    pub(crate) fn here() -> Self {
        Self {
            cpu: told("/proc/cpuinfo", |text| text.lines().find_map(|line| value(line, "model name"))),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory: told("/proc/meminfo", |text| text.lines().find_map(|line| value(line, "MemTotal"))),
            kernel: told("/proc/sys/kernel/osrelease", |text| text.lines().next()),
            load: told("/proc/loadavg", |text| text.split_whitespace().next()),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let Self { cpu, cores, memory, kernel, load } = self;
        json!({ "cpu": cpu, "cores": cores, "memory": memory, "kernel": kernel, "load": load })
    }
}

fn told(file: &str, find: impl Fn(&str) -> Option<&str>) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    find(&text).unwrap_or("unknown").to_owned()
}

fn value<'line>(line: &'line str, key: &str) -> Option<&'line str> {
    line.strip_prefix(key)?.trim_start().strip_prefix(':').map(str::trim)
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory, kernel, load } = self;
        write!(out, "machine: {cpu}, {cores} cores, {memory}, Linux {kernel}; load before the run: {load}")
    }
}
