//! Vectors of sequences and bases: the same in any company, and each base gets the mean of its tokens.

use burn::tensor::Device;
use genome_formats::SeqRecord;
use genome_tokenize::{Case, TokenizerSpec};
use genome_train::embed::{Cover, embed, embed_bases};
use genome_train::foundation::Foundation;
use model_zoo::checkpoint::SaveDtype;
use model_zoo::{BaseConfig, Pooling, Purpose, TokenBatch, seed};
use peft_core::Plain;

fn foundation(spec: &TokenizerSpec, vocab: usize) -> Foundation {
    let json = format!(
        r#"{{"model_type": "esm", "vocab_size": {vocab}, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 16, "max_position_embeddings": 128, "pad_token_id": 0, "position_embedding_type": "rotary",
        "add_bias_fnn": false}}"#
    );
    let base = BaseConfig::parse("test".as_ref(), &json).unwrap().init(false, false, &Device::default());
    let dir = tempfile::tempdir().unwrap();
    seed::initialise(base, 1, 0.3).save(dir.path(), SaveDtype::F32).unwrap();
    spec.save(dir.path()).unwrap();
    Foundation::from_dir(dir.path(), Purpose::Encode, &Device::default()).unwrap()
}

fn records(sequences: &[&str]) -> Vec<SeqRecord> {
    sequences.iter().map(|s| SeqRecord::new("r", s.as_bytes())).collect()
}

fn close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() <= 1e-5 * (1.0 + x.abs())), "{a:?} {b:?}");
}

const SEQUENCES: [&str; 4] = ["ACGTACGTACGT", "GGC", "ACNGT", "TTTTTTTTTTTTTTTTTTTTTTTTACG"];

#[test]
fn k_mers_overlap_and_their_vectors_are_averaged() {
    let (device, k) = (Device::default(), 3);
    let foundation = foundation(&TokenizerSpec::Kmer { k, case: Case::Upper }, 69);
    let name = |r: &SeqRecord| r.name.clone();
    let all = records(&SEQUENCES);
    let found = embed_bases(&foundation, &Plain, &all, 128, name, &device).unwrap();
    for (record, found) in all.iter().zip(&found) {
        let ids = foundation.tokenizer.encode(&record.seq).unwrap().ids; // [CLS] k-mers [SEP]
        let h = foundation.base.encode(&TokenBatch::from_rows(&[ids], 0, &device), &Plain);
        let h = h.into_data().convert::<f32>().try_into_vec::<f32>().unwrap();
        let (bases, kmers) = (record.seq.len(), record.seq.len() + 1 - k);
        assert_eq!((found.width, found.cover.len(), found.values.len()), (16, bases, 16 * bases));
        for base in 0..bases {
            let covering: Vec<usize> = (0..kmers).filter(|start| (*start..start + k).contains(&base)).collect();
            let mean = |column: usize| {
                covering.iter().map(|start| h[(start + 1) * 16 + column]).sum::<f32>() / covering.len() as f32
            };
            close(found.base(base).unwrap(), &(0..16).map(mean).collect::<Vec<_>>());
            let expected = if record.seq[base] == b'N' { Cover::Ambiguous } else { Cover::Token };
            assert_eq!(found.cover[base], expected);
        }
        assert_eq!(found.base(bases), None);
    }
}

#[test]
fn bases_that_were_cut_off_are_told() {
    let foundation = foundation(&TokenizerSpec::Letter, 10);
    let name = |r: &SeqRecord| r.name.clone();
    let all = records(&SEQUENCES);
    let found = embed_bases(&foundation, &Plain, &all, 7, name, &Device::default()).unwrap();
    for (record, found) in all.iter().zip(&found) {
        for base in 0..record.seq.len() {
            assert_eq!(found.cover[base] == Cover::Nothing, base >= 5, "{base}");
            assert_eq!(found.base(base).is_some(), base < 5);
        }
        assert!(found.values[16 * record.seq.len().min(5)..].iter().all(|v| *v == 0.0));
    }
    let error = embed_bases(&foundation, &Plain, &records(&["AC!"]), 7, name, &Device::default());
    assert!(error.unwrap_err().to_string().starts_with("r: "));
}

#[test]
fn company_changes_nothing() {
    let device = Device::default();
    let foundation = foundation(&TokenizerSpec::Letter, 10);
    let name = |r: &SeqRecord| r.name.clone();
    let all = records(&SEQUENCES);
    let bases = embed_bases(&foundation, &Plain, &all, 64, name, &device).unwrap();
    let (vectors, cut) = embed(&foundation, &Plain, &all, Pooling::Mean, 20, name, &device).unwrap();
    assert_eq!((vectors.len(), cut), (4, 1));
    for i in 0..all.len() {
        let one = &all[i..=i];
        let alone = embed_bases(&foundation, &Plain, one, 64, name, &device).unwrap().remove(0);
        assert_eq!(alone.cover, bases[i].cover);
        close(&alone.values, &bases[i].values);
        let alone = embed(&foundation, &Plain, one, Pooling::Mean, 20, name, &device).unwrap().0;
        close(&alone[0], &vectors[i]);
    }
}
