//! Tables and a plot of an audit.

use super::grid::Row;
use super::store::Run;
use crate::audit_args::AuditArgs;
use crate::output::write_file;
use anyhow::Result;
use genome_train::significance::{Difference, paired_bootstrap, t_interval};
use std::fmt::Write;
use std::path::Path;

/// How often the test set is drawn anew.
const DRAWS: usize = 2000;

/// One row of the table.
struct Line {
    name: String,
    mean: f64,
    half: Option<f64>,
    dev: f64,
    difference: Option<Difference>,
    trainable: usize,
    cut: usize,
    seconds: f64,
}

/// What came out.
pub(super) struct Summary<'a> {
    lines: Vec<Line>,
    runs: Vec<&'a Run>,
    seeds: u64,
}

impl<'a> Summary<'a> {
    /// Of the runs of these rows with the seeds from 1 on. The first row is what the others are compared with.
    pub(super) fn of(rows: &[Row], all: &'a [Run], truth: &[usize], classes: usize, seeds: u64) -> Self {
        let of_row = |row: &Row| -> Vec<&'a Run> {
            let name = row.to_string();
            let mut runs: Vec<&Run> = all.iter().filter(|r| r.row == name && r.seed <= seeds).collect();
            runs.sort_by_key(|r| r.seed);
            runs
        };
        let guesses = |runs: &[&Run]| -> Vec<Vec<usize>> { runs.iter().map(|r| r.guesses.clone()).collect() };
        let first = guesses(&of_row(&rows[0]));
        let lines = rows.iter().enumerate().map(|(i, row)| {
            let runs = of_row(row);
            let mean_of = |value: &dyn Fn(&Run) -> f64| runs.iter().map(|r| value(r)).sum::<f64>() / runs.len() as f64;
            let (mean, half) = t_interval(&runs.iter().map(|r| r.test_mcc).collect::<Vec<_>>());
            Line {
                name: row.to_string(),
                mean,
                half,
                dev: mean_of(&|r| r.dev_mcc),
                difference: (i > 0).then(|| paired_bootstrap(truth, classes, &guesses(&runs), &first, DRAWS, 1)),
                trainable: runs[0].trainable,
                cut: runs[0].cut,
                seconds: mean_of(&|r| r.seconds),
            }
        });
        let lines = lines.collect();
        Self { lines, runs: rows.iter().flat_map(of_row).collect(), seeds }
    }

    /// The table, for a terminal and for docs.
    pub(super) fn markdown(&self) -> String {
        let mut out = format!(
            "| prompt/bases/trained | test MCC, {} seeds | dev MCC | difference from the first, 95 % | trained weights | cut | s a run |\n\
             |---|---|---|---|---|---|---|\n",
            self.seeds
        );
        for line in &self.lines {
            let half = line.half.map_or(String::new(), |h| format!(" ± {h:.3}"));
            let difference = line.difference.map_or("".to_owned(), |d| {
                let mark = if d.is_sure() { " *" } else { "" };
                format!("{:+.3} [{:+.3}, {:+.3}]{mark}", d.mean, d.low, d.high)
            });
            let _ = writeln!(
                out,
                "| {} | {:.3}{half} | {:.3} | {difference} | {} | {} | {:.0} |",
                line.name, line.mean, line.dev, line.trainable, line.cut, line.seconds
            );
        }
        out.push_str(
            "\nIntervals of the second column are over seeds (Student's t), those of the fourth over test examples (paired bootstrap of \
             the mean over seeds); * where 0 is outside.\n",
        );
        out
    }

    /// Writes runs.csv, summary.csv and report.html.
    pub(super) fn write(&self, dir: &Path, args: &AuditArgs, base: &str, test_rows: usize) -> Result<()> {
        let mut runs = String::from(
            "row,seed,learning_rate,dev_mcc,test_mcc,test_accuracy,trainable,cut,allocations,ranks,seconds\n",
        );
        for r in &self.runs {
            let ranks: Vec<String> = r.ranks.iter().map(|(rank, layers)| format!("{layers}x{rank}")).collect();
            let _ = writeln!(
                runs,
                "{},{},{},{},{},{},{},{},{},{},{:.1}",
                r.row,
                r.seed,
                r.learning_rate,
                r.dev_mcc,
                r.test_mcc,
                r.test_accuracy,
                r.trainable,
                r.cut,
                r.allocations,
                ranks.join(" "),
                r.seconds
            );
        }
        write_file(&dir.join("runs.csv"), runs.as_bytes())?;
        let mut summary =
            String::from("row,test_mcc,half_width_95,dev_mcc,difference,low,high,trainable,cut,seconds\n");
        let number = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
        for l in &self.lines {
            let d = l.difference;
            let _ = writeln!(
                summary,
                "{},{},{},{},{},{},{},{},{},{:.1}",
                l.name,
                l.mean,
                number(l.half),
                l.dev,
                number(d.map(|d| d.mean)),
                number(d.map(|d| d.low)),
                number(d.map(|d| d.high)),
                l.trainable,
                l.cut,
                l.seconds
            );
        }
        write_file(&dir.join("summary.csv"), summary.as_bytes())?;
        write_file(&dir.join("plot.svg"), self.plot().as_bytes())?;
        write_file(&dir.join("report.html"), self.html(args, base, test_rows).as_bytes())
    }

    fn html(&self, args: &AuditArgs, base: &str, test_rows: usize) -> String {
        let mut body = String::new();
        for line in &self.lines {
            let half = line.half.map_or(String::new(), |h| format!(" ± {h:.3}"));
            let difference =
                line.difference.map_or(String::new(), |d| format!("{:+.3} [{:+.3}, {:+.3}]", d.mean, d.low, d.high));
            let class = if line.difference.is_some_and(|d| d.is_sure()) { " class=sure" } else { "" };
            let _ = write!(
                body,
                "<tr><td>{}<td>{:.3}{half}<td>{:.3}<td{class}>{difference}<td>{}<td>{}<td>{:.0}</tr>",
                line.name, line.mean, line.dev, line.trainable, line.cut, line.seconds
            );
        }
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>Audit</title>\
             <style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}\
             table{{border-collapse:collapse;width:100%}}td,th{{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #8884}}\
             .sure{{font-weight:bold}}svg{{max-width:100%;height:auto}}</style>\
             <h1>What prompts and sampled ranks are worth</h1>\
             <p>{} on {}: {} seeds, {} test sequences, {} epochs of batches of {}, context {}, rank {} at the end, learning rate {}. \
             The model, and where there are several the learning rate, is chosen on dev. Intervals over seeds are Student's, differences from the first row are a paired bootstrap \
             over test sequences; bold where 0 is outside.</p>{}\
             <table><tr><th>prompt/bases/trained<th>test MCC<th>dev MCC<th>difference, 95 %<th>trained weights<th>cut<th>s a run</tr>{body}</table>\
             </html>\n",
            escaped(base),
            escaped(&args.data.file_name().unwrap_or_default().to_string_lossy()),
            self.seeds,
            test_rows,
            args.epochs,
            args.batch_size,
            args.max_tokens,
            args.rank,
            args.learning_rate.iter().map(f64::to_string).collect::<Vec<_>>().join(" or "),
            self.plot()
        )
    }

    /// A dot and its interval for each row, over the runs themselves.
    fn plot(&self) -> String {
        let values = self.lines.iter().flat_map(|l| {
            let half = l.half.unwrap_or(0.0);
            [l.mean - half, l.mean + half]
        });
        let values: Vec<f64> = values.chain(self.runs.iter().map(|r| r.test_mcc)).filter(|v| v.is_finite()).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min).clamp(-1.0, 1.0).min(0.9);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max).clamp(-1.0, 1.0).max(low + 0.05);
        let x = |v: f64| 220.0 + 500.0 * (v.clamp(low, high) - low) / (high - low);
        let height = 24 * self.lines.len() + 40;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height}\" font-family=\"system-ui,sans-serif\" font-size=\"13\" \
             fill=\"#777\"><title>test MCC by row</title>"
        );
        let base = x(self.lines[0].mean);
        let bottom = height - 30;
        let _ = write!(
            svg,
            "<line x1=\"{base:.1}\" y1=\"6\" x2=\"{base:.1}\" y2=\"{bottom}\" stroke=\"#777\" stroke-dasharray=\"3 3\"/>"
        );
        for (i, line) in self.lines.iter().enumerate() {
            let y = 20 + 24 * i;
            let _ = write!(svg, "<text x=\"210\" y=\"{}\" text-anchor=\"end\">{}</text>", y + 4, line.name);
            for run in self.runs.iter().filter(|r| r.row == line.name) {
                let _ = write!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{y}\" r=\"2.5\" fill=\"#4a90d9\" opacity=\".6\"/>",
                    x(run.test_mcc)
                );
            }
            if let Some(half) = line.half {
                let (a, b) = (x(line.mean - half), x(line.mean + half));
                let _ = write!(
                    svg,
                    "<line x1=\"{a:.1}\" y1=\"{y}\" x2=\"{b:.1}\" y2=\"{y}\" stroke=\"#d9534a\" stroke-width=\"1.5\"/>"
                );
            }
            let _ = write!(svg, "<circle cx=\"{:.1}\" cy=\"{y}\" r=\"4\" fill=\"#d9534a\"/>", x(line.mean));
        }
        for i in 0..=4 {
            let v = low + (high - low) * f64::from(i) / 4.0;
            let _ = write!(svg, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{v:.2}</text>", x(v), height - 10);
        }
        svg.push_str("</svg>");
        svg
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
