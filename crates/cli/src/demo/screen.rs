//! What is seen while the demo runs: a timeline, and on a terminal a bar per patient below it. All on standard error.

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::label::Labels;
use crate::color::{Color, Paint};
use crate::duration::seconds;
use crate::output::tell;

/// How often the other work is told of where there is no bar for it.
const WORK_LINES: Duration = Duration::from_secs(2);

/// Bars stop growing on a small screen: so many patients have one.
const BARS: usize = 30;

pub(crate) struct Screen {
    paint: Paint,
    started: Instant,
    bars: Option<Bars>,
    work_told: Instant,
}

struct Bars {
    all: MultiProgress,
    patients: HashMap<String, ProgressBar>,
    work: ProgressBar,
}

impl Screen {
    pub(crate) fn new(color: Color, patients: &[String], started: Instant) -> Self {
        let paint = color.for_stderr();
        let bars = (paint.colored && io::stderr().is_terminal()).then(|| Bars::new(patients));
        Self { paint, started, bars, work_told: started }
    }

    /// A line of the timeline.
    pub(crate) fn tell(&mut self, who: &str, what: &str) {
        let paint = self.paint;
        let strong = what.contains("SIGKILL") || what.contains("dead");
        let what = if strong { paint.red(what) } else { what.to_owned() };
        let line = format!(
            "{}  {}  {what}",
            paint.dim(format!("{:>6}", seconds(self.started.elapsed()))),
            paint.bold(format!("{who:<10}"))
        );
        match &self.bars {
            Some(bars) => bars.all.suspend(|| tell(&line)),
            None => tell(&line),
        }
    }

    /// How far a patient's request is.
    pub(crate) fn show(&mut self, patient: &str, fraction: f32, stage: &str) {
        if let Some(bar) = self.bars.as_ref().and_then(|bars| bars.patients.get(patient)) {
            bar.set_position((fraction * 100.0) as u64);
            bar.set_message(stage.to_owned());
        }
    }

    /// A patient's request ended.
    pub(crate) fn finish(&mut self, patient: &str, what: &str) {
        if let Some(bar) = self.bars.as_ref().and_then(|bars| bars.patients.get(patient)) {
            bar.set_position(100);
            bar.set_message(self.paint.green(what));
        }
    }

    /// What the consumer did meanwhile.
    pub(crate) fn other_work(&mut self, done: u64, open: usize) {
        if let Some(bars) = &self.bars {
            bars.work.set_message(format!("other work: {done} appointment letters written, tickets open: {open}"));
        } else if self.work_told.elapsed() >= WORK_LINES && open > 0 {
            self.work_told = Instant::now();
            self.tell("consumer", &format!("other work: {done} appointment letters written, tickets open: {open}"));
        }
    }

    /// The bars are done with; the timeline stays.
    pub(crate) fn close(&mut self) {
        if let Some(bars) = self.bars.take() {
            bars.all.clear().ok();
        }
    }
}

impl Bars {
    fn new(patients: &[String]) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("  {prefix}  {bar:24.cyan} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸·");
        let labels = Labels::of(patients);
        let bar = |patient: &String| {
            let bar = all.add(ProgressBar::new(100).with_style(style.clone()));
            bar.set_prefix(labels.cut(patient).to_owned());
            bar.set_message("waiting");
            (patient.clone(), bar)
        };
        let patients = patients.iter().take(BARS).map(bar).collect();
        let style = ProgressStyle::with_template("  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let work = all.add(ProgressBar::new(1).with_style(style));
        Self { all, patients, work }
    }
}
