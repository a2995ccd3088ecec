//! Charts for the docs: a bar for each side, as wide as its median, with a line from the lowest round to the highest.
//!
//! Plain SVG, whose colours follow what the reader's system prefers, light or dark.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::report::{Figure, Report, Table};
use crate::side::Cell;
use crate::spread::Spread;

/// The sizes of a chart, in pixels.
const NAMES: f64 = 190.0;
const BARS: f64 = 430.0;
const FIGURES: f64 = 100.0;
const ROW: f64 = 26.0;
const TITLE: f64 = 36.0;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.bar{fill:#8c959f}\
.ours{fill:#0969da}.range{stroke:#1f2328;stroke-width:1.5}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.bar{fill:#6e7681}.ours{fill:#4493f8}.range{stroke:#e6edf3}}";

/// Writes a chart for each cell of each workload of round trips that ran, and says which.
pub(crate) fn write(report: &Report, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for table in report.tables() {
        for cell in table.cells() {
            let file = folder.join(file_name(table, cell));
            fs::write(&file, chart(table, cell)).with_context(|| format!("writing {}", file.display()))?;
            eprintln!("chart: {}", file.display());
        }
    }
    Ok(())
}

fn file_name(table: &Table, cell: Cell) -> String {
    let Cell { payload, requesters, outstanding, .. } = cell;
    format!("{}-{payload}-{requesters}x{outstanding}.svg", table.workload).to_lowercase()
}

fn chart(table: &Table, cell: Cell) -> String {
    let figure = table.compared;
    let of_cell = table.series.iter().filter(|series| series.cell == cell);
    let bars: Vec<(&str, Spread)> = of_cell.filter_map(|one| Some((one.side, figure.of(one)?))).collect();
    draw(&format!("{}: {cell}; {}", table.workload, unit(figure)), &bars)
}

fn unit(figure: Figure) -> String {
    match figure {
        Figure::Rps => "requests/s, more is better".to_owned(),
        other => format!("{other} in microseconds, less is better"),
    }
}

fn draw(title: &str, bars: &[(&str, Spread)]) -> String {
    let most = bars.iter().map(|(_, spread)| spread.max).fold(f64::MIN_POSITIVE, f64::max);
    let (width, height) = (NAMES + BARS + FIGURES, TITLE + ROW * bars.len() as f64 + 10.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<text class=\"title\" x=\"8\" y=\"22\">{title}</text>\n"
    );
    for (row, (side, Spread { median, min, max })) in bars.iter().enumerate() {
        let top = TITLE + ROW * row as f64;
        let (text, middle) = (top + 17.0, top + ROW / 2.0);
        let [median_at, min_at, max_at] = [median, min, max].map(|figure| figure / most * BARS);
        let class = if side.starts_with("roundtrip") { "ours" } else { "bar" };
        let (from, to, figures) = (NAMES + min_at, NAMES + max_at, NAMES + max_at + 8.0);
        let label = label(*median);
        let row = format!(
            "<text x=\"{names}\" y=\"{text}\" text-anchor=\"end\">{side}</text>\
             <rect class=\"{class}\" x=\"{NAMES}\" y=\"{bar}\" width=\"{median_at:.1}\" height=\"{tall}\"/>\
             <line class=\"range\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>\
             <text x=\"{figures:.1}\" y=\"{text}\">{label}</text>",
            names = NAMES - 8.0,
            bar = top + 4.0,
            tall = ROW - 8.0,
        );
        writeln!(svg, "{row}").ok(); // Appending to memory does not fail.
    }
    svg.push_str("</svg>\n");
    svg
}

/// A figure in few digits, such as `1234 k`.
fn label(figure: f64) -> String {
    match figure {
        100_000.0.. => format!("{:.0} k", figure / 1e3),
        1_000.0.. => format!("{:.1} k", figure / 1e3),
        _ => format!("{figure:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_round_fills_the_width_and_ours_stands_out() {
        let bars = [
            ("roundtrip", Spread { median: 50.0, min: 40.0, max: 60.0 }),
            ("relay", Spread { median: 90.0, min: 80.0, max: 100.0 }),
        ];
        let svg = draw("W2", &bars);
        assert!(svg.contains("class=\"ours\" x=\"190\" y=\"40\" width=\"215.0\""), "{svg}");
        assert!(svg.contains("class=\"bar\" x=\"190\" y=\"66\" width=\"387.0\""), "{svg}");
        assert!(svg.contains("x1=\"534.0\" x2=\"620.0\""), "{svg}");
    }

    #[test]
    fn figures_are_told_in_few_digits() {
        assert_eq!([44.84, 12_340.0, 1_234_000.0].map(label), ["44.8", "12.3 k", "1234 k"]);
    }
}
