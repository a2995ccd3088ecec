//! What a run found: a table for people, JSON for programs.

use std::fmt;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::measurement::Measurement;
use crate::rounds::{ROUNDS, Series};
use crate::spread::Spread;

/// What a workload found.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) workload: &'static str,
    pub(crate) title: &'static str,
    /// The series of a cell stand together.
    pub(crate) series: Vec<Series>,
    /// The sides that the others are held against.
    pub(crate) against: &'static [&'static str],
    pub(crate) versions: Vec<(&'static str, String)>,
    /// What could not be measured, and why.
    pub(crate) missing: Vec<&'static str>,
}

/// What all workloads found.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    tables: Vec<Table>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, tables: Vec::new() }
    }

    pub(crate) fn add(&mut self, table: Table) {
        self.tables.push(table);
    }

    pub(crate) fn to_json(&self) -> Value {
        let versions: serde_json::Map<String, Value> = self.versions().map(|(of, is)| (of.into(), is.into())).collect();
        let results: Vec<Value> = self.tables.iter().flat_map(Table::results).collect();
        let missing: Vec<_> = self.tables.iter().flat_map(|table| &table.missing).collect();
        json!({ "machine": self.machine.to_json(), "versions": versions, "missing": missing, "results": results })
    }

    fn versions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tables.iter().flat_map(|table| &table.versions).map(|(of, is)| (*of, is.as_str()))
    }
}

impl Table {
    fn results(&self) -> impl Iterator<Item = Value> {
        self.series.iter().map(|series| {
            let ratios: serde_json::Map<String, Value> = self
                .ratios(series)
                .filter_map(|(side, ratio)| Some((side.to_owned(), spread_to_json(ratio?, 3))))
                .collect();
            let of = |figure: Figure, digits| figure.of(series).map(|spread| spread_to_json(spread, digits));
            json!({
                "workload": self.workload,
                "payload": series.cell.payload,
                "outstanding": series.cell.outstanding,
                "side": series.side,
                "rps": of(Figure::Rps, 0),
                "p50_us": of(Figure::P50, 1),
                "p99_us": of(Figure::P99, 1),
                "cpu_us": of(Figure::Cpu, 2),
                "ratios": ratios,
                "checked": series.rounds.iter().map(|round| round.checked).sum::<u64>(),
            })
        })
    }

    /// How many requests a second the series has for each one of the sides that it is held against, round by round.
    fn ratios<'a>(&'a self, series: &'a Series) -> impl Iterator<Item = (&'static str, Option<Spread>)> + 'a {
        self.against.iter().map(|side| {
            let other = self.series.iter().find(|other| other.side == *side && other.cell == series.cell);
            let pairs = other.into_iter().flat_map(|other| series.rounds.iter().zip(&other.rounds));
            (*side, Spread::of(pairs.map(|(ours, theirs)| ours.rps / theirs.rps)))
        })
    }
}

/// What is told of a series.
#[derive(Debug, Clone, Copy)]
enum Figure {
    Rps,
    P50,
    P99,
    Cpu,
}

impl Figure {
    fn of(self, series: &Series) -> Option<Spread> {
        let figure = |round: &Measurement| match self {
            Self::Rps => round.rps,
            Self::P50 => round.p50_us,
            Self::P99 => round.p99_us,
            Self::Cpu => round.cpu_us,
        };
        Spread::of(series.rounds.iter().map(figure))
    }
}

fn spread_to_json(spread: Spread, digits: i32) -> Value {
    let scale = 10_f64.powi(digits);
    let [median, min, max] = [spread.median, spread.min, spread.max].map(|figure| (figure * scale).round() / scale);
    json!({ "median": median, "min": min, "max": max })
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.machine)?;
        for (of, is) in self.versions() {
            writeln!(out, "version: {of} {is}")?;
        }
        self.tables.iter().try_for_each(|table| write!(out, "{table}"))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{}, {}", self.workload, self.title)?;
        writeln!(out, "median (min to max) of {ROUNDS} rounds; the ratios are of requests/s, within a round")?;
        let mut cell = None;
        for series in &self.series {
            if cell != Some(series.cell) {
                cell = Some(series.cell);
                write!(out, "\n{}\n{:12} {:>25}", series.cell, "side", "requests/s")?;
                write!(out, " {:>22} {:>22} {:>21}", "p50, ms", "p99, ms", "server CPU, us")?;
                self.against.iter().try_for_each(|side| write!(out, " {:>20}", format!("x {side}")))?;
                writeln!(out)?;
            }
            write!(out, "{:12}", series.side)?;
            for (figure, scale, width, digits) in [
                (Figure::Rps, 1.0, 25, 0),
                (Figure::P50, 1e-3, 22, 2),
                (Figure::P99, 1e-3, 22, 2),
                (Figure::Cpu, 1.0, 21, 1),
            ] {
                write!(out, " {:>width$}", printed(figure.of(series), scale, digits))?;
            }
            self.ratios(series).try_for_each(|(_, ratio)| write!(out, " {:>20}", printed(ratio, 1.0, 2)))?;
            writeln!(out)?;
        }
        self.missing.iter().try_for_each(|line| writeln!(out, "\n{line}"))
    }
}

fn printed(spread: Option<Spread>, scale: f64, digits: usize) -> String {
    let Some(Spread { median, min, max }) = spread else { return "-".to_owned() };
    let [median, min, max] = [median, min, max].map(|figure| figure * scale);
    format!("{median:.digits$} ({min:.digits$} to {max:.digits$})")
}
