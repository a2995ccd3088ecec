//! What a run found: a table for people, JSON for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::arguments::Workload;
use crate::machine::Machine;
use crate::measurement::Measurement;
use crate::rounds::{ROUNDS, Series};
use crate::sheet::Sheet;
use crate::side::Cell;
use crate::spread::Spread;
use crate::target::{self, Judged};

/// What a workload found.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) workload: Workload,
    pub(crate) title: &'static str,
    /// The series of a cell stand together.
    pub(crate) series: Vec<Series>,
    /// The sides that the others are held against.
    pub(crate) against: &'static [&'static str],
    /// By what.
    pub(crate) compared: Figure,
    pub(crate) versions: Vec<(&'static str, String)>,
    /// What could not be measured, and why.
    pub(crate) missing: Vec<&'static str>,
}

/// What all workloads found.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    tables: Vec<Table>,
    sheets: Vec<Sheet>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, tables: Vec::new(), sheets: Vec::new() }
    }

    pub(crate) fn add(&mut self, table: Table) {
        self.tables.push(table);
    }

    pub(crate) fn add_sheet(&mut self, sheet: Sheet) {
        self.sheets.push(sheet);
    }

    pub(crate) fn to_json(&self) -> Value {
        let tables = self.tables.iter().flat_map(Table::results);
        let results: Vec<Value> = tables.chain(self.sheets.iter().flat_map(Sheet::results)).collect();
        let missing = self.tables.iter().map(|table| &table.missing);
        let missing: BTreeSet<_> = missing.chain(self.sheets.iter().map(|sheet| &sheet.missing)).flatten().collect();
        let targets: Vec<Value> = target::judge(self).iter().map(Judged::to_json).collect();
        json!({
            "machine": self.machine.to_json(),
            "versions": self.versions(),
            "missing": missing,
            "results": results,
            "targets": targets,
        })
    }

    /// What the workloads of round trips found that ran.
    pub(crate) fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// What a workload of round trips found, if it ran.
    pub(crate) fn table(&self, workload: Workload) -> Option<&Table> {
        self.tables.iter().find(|table| table.workload == workload)
    }

    /// What another workload found, if it ran.
    pub(crate) fn sheet(&self, workload: Workload) -> Option<&Sheet> {
        self.sheets.iter().find(|sheet| sheet.workload == workload)
    }

    /// Each once, however many workloads it was measured in.
    fn versions(&self) -> BTreeMap<&str, &str> {
        let versions = self.tables.iter().map(|table| &table.versions);
        let versions = versions.chain(self.sheets.iter().map(|sheet| &sheet.versions));
        versions.flatten().map(|(of, is)| (*of, is.as_str())).collect()
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
                "workload": self.workload.to_string(),
                "payload": series.cell.payload,
                "requesters": series.cell.requesters,
                "outstanding": series.cell.outstanding,
                "services": series.cell.services,
                "side": series.side,
                "rps": of(Figure::Rps, 0),
                "p50_us": of(Figure::P50, 1),
                "p99_us": of(Figure::P99, 1),
                "cpu_us": of(Figure::Cpu, 2),
                "load_us": of(Figure::Load, 2),
                "ratios": ratios,
                "checked": series.rounds.iter().map(|round| round.checked).sum::<u64>(),
            })
        })
    }

    /// Its cells, each once.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let mut cells: Vec<Cell> = self.series.iter().map(|series| series.cell).collect();
        cells.dedup();
        cells
    }

    /// What one side showed in one cell.
    pub(crate) fn series(&self, cell: Cell, side: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.cell == cell && series.side == side)
    }

    /// What the series is to each of the sides that it is held against, round by round.
    fn ratios<'a>(&'a self, series: &'a Series) -> impl Iterator<Item = (&'static str, Option<Spread>)> + 'a {
        self.against.iter().map(|side| {
            let other = self.series.iter().find(|other| other.side == *side && other.cell == series.cell);
            let pairs = other.into_iter().flat_map(|other| series.rounds.iter().zip(&other.rounds));
            (
                *side,
                Spread::of(pairs.map(|(ours, theirs)| self.compared.of_round(ours) / self.compared.of_round(theirs))),
            )
        })
    }
}

/// What is told of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Rps,
    P50,
    P99,
    Cpu,
    Load,
}

impl Figure {
    /// Over all rounds.
    pub(crate) fn of(self, series: &Series) -> Option<Spread> {
        Spread::of(series.rounds.iter().map(|round| self.of_round(round)))
    }

    /// What it is to that of another side, round by round.
    pub(crate) fn ratio(self, ours: &Series, theirs: &Series) -> Option<Spread> {
        let rounds = ours.rounds.iter().zip(&theirs.rounds);
        Spread::of(rounds.map(|(ours, theirs)| self.of_round(ours) / self.of_round(theirs)))
    }

    fn of_round(self, round: &Measurement) -> f64 {
        match self {
            Self::Rps => round.rps,
            Self::P50 => round.p50_us,
            Self::P99 => round.p99_us,
            Self::Cpu => round.cpu_us,
            Self::Load => round.load_us,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Rps => "requests/s",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Cpu => "server CPU",
            Self::Load => "load CPU",
        })
    }
}

pub(crate) fn spread_to_json(spread: Spread, digits: i32) -> Value {
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
        self.tables.iter().try_for_each(|table| write!(out, "{table}"))?;
        self.sheets.iter().try_for_each(|sheet| write!(out, "{sheet}"))?;
        writeln!(out)?;
        target::judge(self).iter().try_for_each(|judged| writeln!(out, "{judged}"))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n{}, {}", self.workload, self.title)?;
        writeln!(out, "median (min to max) of {ROUNDS} rounds; the ratios are of {}, within a round", self.compared)?;
        let mut cell = None;
        for series in &self.series {
            if cell != Some(series.cell) {
                cell = Some(series.cell);
                write!(out, "\n{}\n{:23} {:>31}", series.cell, "side", "requests/s")?;
                for (title, ..) in COLUMNS {
                    write!(out, " {title:>26}")?;
                }
                self.against.iter().try_for_each(|side| write!(out, " {:>20}", format!("x {side}")))?;
                writeln!(out)?;
            }
            write!(out, "{:23} {:>31}", series.side, printed(Figure::Rps.of(series), 0))?;
            for (_, figure, digits) in COLUMNS {
                write!(out, " {:>26}", printed(figure.of(series), digits))?;
            }
            self.ratios(series).try_for_each(|(_, ratio)| write!(out, " {:>20}", printed(ratio, 2)))?;
            writeln!(out)?;
        }
        self.missing.iter().try_for_each(|line| writeln!(out, "\n{line}"))
    }
}

/// The columns of a table behind that of requests/s: title, figure, digits.
const COLUMNS: [(&str, Figure, usize); 4] = [
    ("p50, us", Figure::P50, 1),
    ("p99, us", Figure::P99, 1),
    ("server CPU, us", Figure::Cpu, 2),
    ("load CPU, us", Figure::Load, 2),
];

pub(crate) fn printed(spread: Option<Spread>, digits: usize) -> String {
    let Some(Spread { median, min, max }) = spread else { return "-".to_owned() };
    format!("{median:.digits$} ({min:.digits$} to {max:.digits$})")
}
