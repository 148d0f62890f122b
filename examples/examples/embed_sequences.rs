//! How do I get vectors of sequences, and of single bases, from a model?
//!
//! `cargo run --release -p examples --example embed_sequences [CHECKPOINT]`, where CHECKPOINT is a model folder with its
//! tokenizer; without it, the small model that comes with the program `genome`.

use burn::tensor::Device;
use genome_formats::SeqRecord;
use genome_train::embed::{embed, embed_bases};
use genome_train::foundation::Foundation;
use model_zoo::{Pooling, Purpose};
use peft_core::Plain;
use std::path::PathBuf;

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../genome-cli/assets/base-tiny"));
    let folder = std::env::args_os().nth(1).map_or(own, PathBuf::from);
    let device = Device::default();
    let foundation = Foundation::from_dir(&folder, Purpose::Encode, &device)?;
    let config = foundation.base.config();
    println!("{}: {} layers, vectors of {} numbers", config.family(), config.blocks(), config.d_model());

    // A promoter's -35 and -10 boxes, the same with one letter changed, its letters in another order, and a repeat.
    let records = [
        ("promoter", "TTGACAATTAATCATCGGCTCGTATAATGTGTGG"),
        ("one letter", "TTGACAATTAATCATCGGCTCGTATACTGTGTGG"),
        ("shuffled", "GATCTGTACGTAAGTCATTGTATCGAGTCTAAGT"),
        ("repeat", "CACACACACACACACACACACACACACACACACA"),
    ]
    .map(|(name, sequence)| SeqRecord::new(name, sequence.as_bytes()));
    let max_tokens = foundation.base.max_tokens().unwrap_or(512);
    let name = |record: &SeqRecord| record.name.clone();
    let (vectors, cut) = embed(&foundation, &Plain, &records, Pooling::Mean, max_tokens, name, &device)?;
    println!("{} vectors, {cut} sequences cut; cosine with the first:", vectors.len());
    for (record, vector) in records.iter().zip(&vectors) {
        println!("  {:<10} {:.3}", record.name, cosine(&vectors[0], vector));
    }

    // Base by base: where did the one letter change what the model sees?
    let bases = embed_bases(&foundation, &Plain, &records[..2], max_tokens, name, &device)?;
    println!("base by base, 1 - cosine of the first two:");
    for (i, (a, b)) in records[0].seq.iter().zip(&records[1].seq).enumerate() {
        if let (Some(x), Some(y)) = (bases[0].base(i), bases[1].base(i)) {
            let far = 1.0 - cosine(x, y);
            let bar = "#".repeat((far * 40.0).round().max(0.0) as usize);
            println!("  {:>2} {} {} {far:.3} {bar}", i + 1, *a as char, *b as char);
        }
    }
    Ok(())
}
