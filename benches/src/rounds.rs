//! Several rounds over all cells and sides, mixed anew each time, so that what else the machine does meets all alike.

use std::hash::{BuildHasher, RandomState};

use anyhow::Context;

use crate::measurement::Measurement;
use crate::side::{Cell, Side};

/// How many rounds there are.
pub(crate) const ROUNDS: usize = 3;

/// What one side showed in one cell, round by round.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) cell: Cell,
    pub(crate) side: &'static str,
    pub(crate) rounds: Vec<Measurement>,
}

/// Measures every side in every cell, in every round. The sides of a cell run one after the other: their ratio within a
/// round holds where the machine's own speed drifts.
pub(crate) fn measure(cells: &[Cell], sides: &[Side]) -> anyhow::Result<Vec<Series>> {
    let mut all: Vec<Series> = Vec::new();
    for cell in cells {
        all.extend(sides.iter().map(|side| Series { cell: *cell, side: side.name, rounds: Vec::new() }));
    }
    for round in 1..=ROUNDS {
        for cell in shuffled(cells.len()) {
            for side in shuffled(sides.len()) {
                let series = &mut all[cell * sides.len() + side];
                let measured = (sides[side].measure)(cells[cell])
                    .with_context(|| format!("{}, {}, round {round}", series.side, series.cell))?;
                eprintln!("round {round}: {}, {}: {:.0} requests/s", series.cell, series.side, measured.rps);
                series.rounds.push(measured);
            }
        }
    }
    Ok(all)
}

/// The numbers below this one, in an order that chance chose.
pub(crate) fn shuffled(below: usize) -> Vec<usize> {
    let chance = RandomState::new();
    let mut numbers: Vec<usize> = (0..below).collect();
    numbers.sort_by_key(|number| chance.hash_one(number));
    numbers
}
