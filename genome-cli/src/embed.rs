//! `genome embed`: one vector a sequence.

use crate::args::{EmbedArgs, VectorFormat};
use crate::output::{stdout, write_file};
use crate::predict::Predictor;
use crate::{Outcome, bases, sequences, ui};
use anyhow::{Result, bail};
use genome_formats::SeqRecord;
use genome_train::embed::embed;
use genome_train::tuning::Tuning;
use model_zoo::Purpose;
use peft_core::{Hooks, Plain};
use std::io::Write;

pub(crate) fn run(args: &EmbedArgs) -> Result<Outcome> {
    let chosen = args.compute.open()?;
    if args.format == VectorFormat::Npy && args.out.is_none() {
        bail!("--format npy needs --out FILE");
    }
    let predictor = match &args.adapter {
        Some(adapter) => Some(Predictor::open(adapter, Some(&args.base), &args.bits, &chosen.device)?),
        None => None,
    };
    let foundation = match &predictor {
        Some(p) => p.foundation.clone(),
        None => bases::open_in(&args.bits, &args.base, Purpose::Encode, &chosen.device)?,
    };
    let max_tokens = foundation.base.max_tokens().unwrap_or(512);
    let file = args.file.display().to_string();
    let bar = ui::counter("sequences");
    let (mut text, mut values, mut names, mut cut) = (Vec::new(), Vec::new(), String::new(), 0);
    let mut direct = (args.format == VectorFormat::Tsv && args.out.is_none()).then(stdout);
    let width = foundation.base.d_model();
    let mut count = 0;
    sequences::for_each_chunk(&args.file, &args.windows, |records| {
        let place = |r: &SeqRecord| format!("{file}: record {:?}", r.name);
        let run =
            |hooks: &dyn Hooks| embed(&foundation, hooks, records, args.pool.into(), max_tokens, place, &chosen.device);
        let (vectors, cut_here) = match &predictor {
            Some(p) => p.classifier.tuning.with_hooks(&foundation.base, run)?,
            None => run(&Plain)?,
        };
        cut += cut_here;
        count += records.len();
        for (record, vector) in records.iter().zip(&vectors) {
            match args.format {
                VectorFormat::Npy => {
                    values.extend(vector.iter().flat_map(|v| v.to_le_bytes()));
                    names.push_str(&record.name);
                    names.push('\n');
                }
                VectorFormat::Tsv => {
                    let row: String = vector.iter().map(|v| format!("\t{v}")).collect();
                    writeln!(text, "{}{row}", record.name)?;
                }
            }
        }
        if let Some(out) = &mut direct {
            out.write_all(&text)?;
            text.clear();
        }
        bar.inc(records.len() as u64);
        Ok(())
    })?;
    bar.finish_and_clear();
    if let Some(mut out) = direct {
        out.flush()?;
    }
    if let Some(path) = &args.out {
        match args.format {
            VectorFormat::Tsv => write_file(path, &text)?,
            VectorFormat::Npy => {
                write_file(path, &[npy_header(count, width), values].concat())?;
                let mut beside = path.clone().into_os_string();
                beside.push(".names");
                write_file(beside.as_ref(), names.as_bytes())?;
            }
        }
        eprintln!("wrote {} vectors of {width} to {}", ui::thousands(count), path.display());
    }
    if cut > 0 {
        eprintln!(
            "note: {} sequence(s) are longer than {max_tokens} tokens and were cut; see --window",
            ui::thousands(cut)
        );
    }
    Ok(if count > 0 { Outcome::Found } else { Outcome::NothingFound })
}

/// Header of a NumPy array file, version 1.0: float32, row-major, `rows` x `width`
/// (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).
fn npy_header(rows: usize, width: usize) -> Vec<u8> {
    let mut dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}");
    while (10 + dict.len() + 1) % 64 != 0 {
        dict.push(' ');
    }
    dict.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((dict.len() as u16).to_le_bytes());
    header.extend(dict.bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_aligned_and_says_the_shape() {
        let header = npy_header(3, 128);
        assert_eq!(header.len() % 64, 0);
        assert_eq!(usize::from(u16::from_le_bytes([header[8], header[9]])) + 10, header.len());
        assert!(String::from_utf8_lossy(&header).contains("'shape': (3, 128)"));
    }
}
