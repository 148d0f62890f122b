//! `genome predict`: labels of sequences.

use crate::args::{BitsArgs, PredictArgs};
use crate::output::stdout;
use crate::{Outcome, bases, sequences, ui};
use anyhow::{Result, bail};
use burn::tensor::Device;
use genome_formats::SeqRecord;
use genome_train::classifier::{Classifier, Task};
use genome_train::foundation::Foundation;
use genome_train::metrics::argmax;
use model_zoo::Purpose;
use peft_core::AdapterFolder;
use std::io::Write;
use std::path::Path;

/// A classifier that was read from an adapter folder, with its base.
pub(crate) struct Predictor {
    pub(crate) classifier: Classifier,
    pub(crate) task: Task,
    pub(crate) foundation: Foundation,
    device: Device,
}

impl Predictor {
    /// Reads an adapter folder and the base it was trained on, which it names unless `base` does.
    pub(crate) fn open(adapter: &Path, base: Option<&str>, bits: &BitsArgs, device: &Device) -> Result<Self> {
        let folder = AdapterFolder::read(adapter)?;
        let Some(base) = base.or(folder.base_model()) else {
            bail!("{}: the adapter does not name its base; name it with --base", adapter.display());
        };
        let foundation = bases::open_in(bits, base, Purpose::Encode, device)?;
        let (classifier, task) = Classifier::load(adapter, &foundation, device)?;
        Ok(Self { classifier, task, foundation, device: device.clone() })
    }

    /// Probabilities of the labels, one row a record. Also counts the records that were cut.
    pub(crate) fn scores(&self, records: &[SeqRecord], file: &str) -> Result<(Vec<Vec<f32>>, usize)> {
        let (mut ids, mut cut) = (Vec::with_capacity(records.len()), 0);
        for record in records {
            let place = || format!("{file}: record {:?}", record.name);
            let (tokens, was_cut) = self.task.encode(&self.foundation, &record.seq, place)?;
            ids.push(tokens);
            cut += usize::from(was_cut);
        }
        let pad = self.foundation.tokenizer.pad_id();
        Ok((self.classifier.predict(&ids, pad, self.task.batch_size, &self.device), cut))
    }
}

/// First line of the table.
pub(crate) fn header(labels: &[String]) -> String {
    let columns: String = labels.iter().map(|l| format!("\tp({l})")).collect();
    format!("name\tlabel{columns}\n")
}

/// One line of the table. Each value has as many digits as it takes to read back the same bits.
pub(crate) fn row(name: &str, labels: &[String], scores: &[f32]) -> String {
    let columns: String = scores.iter().map(|p| format!("\t{p}")).collect();
    format!("{name}\t{}{columns}\n", labels[argmax(scores)])
}

fn json_row(name: &str, labels: &[String], scores: &[f32]) -> String {
    // As many digits as an f32 has, not those of the f64 that JSON numbers are.
    let number = |p: &f32| serde_json::json!(p.to_string().parse::<f64>().unwrap_or(f64::from(*p)));
    let by_label: serde_json::Map<_, _> = labels.iter().cloned().zip(scores.iter().map(number)).collect();
    let row =
        serde_json::json!({ "format_version": 1, "name": name, "label": labels[argmax(scores)], "scores": by_label });
    format!("{row}\n")
}

pub(crate) fn run(args: &PredictArgs) -> Result<Outcome> {
    let chosen = args.compute.open()?;
    let predictor = Predictor::open(&args.adapter, args.base.as_deref(), &args.bits, &chosen.device)?;
    let labels = &predictor.task.labels;
    if let Some(only) = args.only.as_ref().filter(|only| !labels.contains(only)) {
        bail!("--only {only}: this adapter's labels are {}", labels.join(", "));
    }
    let file = args.file.display().to_string();
    let (mut out, bar) = (stdout(), ui::counter("sequences"));
    let (mut printed, mut cut) = (0, 0);
    let mut heading = (!args.json).then(|| header(labels)); // printed with the first result, so that an error prints none
    sequences::for_each_chunk(&args.file, &args.windows, |records| {
        let (scores, cut_here) = predictor.scores(records, &file)?;
        cut += cut_here;
        if let Some(heading) = heading.take() {
            out.write_all(heading.as_bytes())?;
        }
        for (record, scores) in records.iter().zip(&scores) {
            if args.only.as_ref().is_some_and(|only| *only != labels[argmax(scores)]) {
                continue;
            }
            let line = if args.json { json_row } else { row };
            out.write_all(line(&record.name, labels, scores).as_bytes())?;
            printed += 1;
        }
        bar.inc(records.len() as u64);
        Ok(())
    })?;
    out.flush()?;
    bar.finish_and_clear();
    if cut > 0 {
        eprintln!(
            "note: {} sequence(s) are longer than this adapter reads and were cut; see --window",
            ui::thousands(cut)
        );
    }
    Ok(if printed > 0 { Outcome::Found } else { Outcome::NothingFound })
}
