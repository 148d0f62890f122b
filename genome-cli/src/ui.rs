//! What people see while they wait: progress bars and log lines on stderr, the dashboard on a terminal.

use burn_train::Interrupter;
use burn_train::renderer::MetricsRenderer;
use burn_train::renderer::tui::TuiMetricsRendererWrapper;
use genome_train::render::Silent;
use genome_train::step_loop::{LogRow, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// An error with its causes on one line; a cause that the line already names is not said twice.
pub(crate) fn error_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

/// 1234567 as 1,234,567.
pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A counter on stderr that appears after a second, and only on a terminal.
pub(crate) fn counter(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
    let style = ProgressStyle::with_template("{spinner} {msg}: {human_pos} ({per_sec}, {elapsed})");
    bar.set_style(style.expect("a fixed template"));
    bar.set_message(what);
    if std::io::stderr().is_terminal() {
        bar.enable_steady_tick(Duration::from_secs(1));
    } else {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar
}

/// Where a training run shows itself.
pub(crate) struct Show {
    pub(crate) renderer: Box<dyn MetricsRenderer>,
    pub(crate) interrupter: Interrupter,
    pub(crate) observer: Observer,
}

/// The dashboard on a terminal, unless `plain`; log lines otherwise. `steps` is the length of the run.
pub(crate) fn show(plain: bool, steps: usize) -> Show {
    let interrupter = Interrupter::new();
    let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    if terminal && !plain {
        let renderer = TuiMetricsRendererWrapper::new(interrupter.clone(), None);
        return Show { renderer: Box::new(renderer), interrupter, observer: Box::new(|_| ()) };
    }
    let observer: Observer = Box::new(move |row| match row {
        LogRow::Train { step, epoch, loss, learning_rate, tokens_per_second, .. } => eprint!(
            "step {step:>5}/{steps}  epoch {epoch:>5.2}  loss {loss:.4}  lr {learning_rate:.1e}  {:>7} tokens/s",
            thousands(*tokens_per_second as usize)
        ),
        LogRow::Eval { eval_loss, eval_accuracy, eval_matthews_correlation, best, .. } => eprintln!(
            "  |  dev loss {eval_loss:.4}  accuracy {eval_accuracy:.3}  MCC {eval_matthews_correlation:.3}{}",
            if *best { "  best" } else { "" }
        ),
    });
    Show { renderer: Box::new(Silent), interrupter, observer }
}
