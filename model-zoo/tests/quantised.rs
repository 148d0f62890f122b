//! Bases in 8 and 4 bits: close to the original, and the same however they are computed.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use model_zoo::packed::Bits;
use model_zoo::quantised::{QuantiseConfig, Quantised};
use model_zoo::{Base, Pass, Purpose, TokenBatch};
use peft_core::Plain;
use std::path::{Path, PathBuf};

const ARCHITECTURES: [&str; 8] =
    ["bert", "dnabert2", "nt_v1", "nt_v2", "opt_pre", "opt_post", "llama_mha", "llama_gqa"];

fn folder(arch: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/models").join(arch)
}

fn values(h: Tensor<3>) -> Vec<f32> {
    h.into_data().iter::<f32>().collect()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    let squares = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>();
    (squares(&mut a.iter().zip(b).map(|(a, b)| a - b)) / squares(&mut b.iter().copied())).sqrt()
}

#[test]
fn close_to_the_original_and_equal_to_what_is_unpacked() {
    let device = Device::default();
    let batch = TokenBatch::from_rows(&[vec![5, 6, 7, 8, 9, 6, 7], vec![5, 9, 8]], 1, &device);
    for arch in ARCHITECTURES {
        let whole = Base::from_pretrained(&folder(arch), Purpose::Encode, &device).unwrap().base;
        let wanted = values(whole.forward(&batch, &mut Pass::new()));
        for (bits, most) in [(Bits::Eight, 0.03), (Bits::Four, 0.5)] {
            let config = QuantiseConfig { bits, block: 32 };
            let (loaded, quantised) =
                Quantised::from_pretrained(&folder(arch), Purpose::Encode, &device, config).unwrap();
            assert_eq!(loaded.base.num_params(), whole.num_params(), "{arch}");
            assert!(quantised.layers() >= 2 * whole.config().blocks(), "{arch}: {}", quantised.layers());
            let hooks = quantised.hooks(&Plain);
            let found = values(loaded.base.forward(&batch, &mut Pass::new().with_hooks(&hooks)));
            let off = distance(&found, &wanted);
            assert!(off > 0.0 && off < most, "{arch}: {bits:?}: off by {off}");
            // Without the hooks the layers unpack themselves.
            let plain = values(loaded.base.forward(&batch, &mut Pass::new()));
            let off = distance(&plain, &found);
            assert!(off < 1e-5, "{arch}: {bits:?}: packed and unpacked differ by {off}");
        }
    }
}

#[test]
fn what_is_saved_is_read_again_to_the_bit() {
    let device = Device::default();
    let batch = TokenBatch::from_rows(&[vec![5, 6, 7, 8, 9, 6, 7], vec![5, 9, 8]], 1, &device);
    for arch in ARCHITECTURES {
        for bits in [Bits::Eight, Bits::Four] {
            let config = QuantiseConfig { bits, block: 32 };
            let (loaded, quantised) =
                Quantised::from_pretrained(&folder(arch), Purpose::LanguageModel, &device, config).unwrap();
            let run = |base: &Base, quantised: &Quantised| {
                let hooks = quantised.hooks(&Plain);
                let h = base.forward(&batch, &mut Pass::new().with_hooks(&hooks));
                values(base.lm_logits(h, &hooks))
            };
            let wanted = run(&loaded.base, &quantised);
            let dir = tempfile::tempdir().unwrap();
            quantised.save(&loaded.base, &loaded.sha256, dir.path()).unwrap();

            let (again, stored) = Quantised::from_stored(dir.path(), Purpose::LanguageModel, &device).unwrap().unwrap();
            assert_eq!((again.sha256.as_str(), stored.config()), (loaded.sha256.as_str(), Some(config)), "{arch}");
            assert_eq!((stored.layers(), stored.bytes()), (quantised.layers(), quantised.bytes()), "{arch}");
            assert_eq!(run(&again.base, &stored), wanted, "{arch}");
            assert!(Quantised::from_stored(&folder(arch), Purpose::Encode, &device).unwrap().is_none());

            // Who asks for a plain base gets f32.
            let plain = Base::from_pretrained(dir.path(), Purpose::LanguageModel, &device).unwrap().base;
            assert!(distance(&run(&plain, &Quantised::default()), &wanted) < 1e-5, "{arch}");
            // Packing what is in memory is packing what is read.
            let whole = Base::from_pretrained(&folder(arch), Purpose::LanguageModel, &device).unwrap().base;
            let (base, packed) = Quantised::pack(whole, config);
            assert_eq!(run(&base, &packed), wanted, "{arch}");
        }
    }
}

#[test]
fn broken_folders_are_told() {
    let device = Device::default();
    let config = QuantiseConfig::new(Bits::Four);
    let (loaded, quantised) = Quantised::from_pretrained(&folder("bert"), Purpose::Encode, &device, config).unwrap();
    let written = || {
        let dir = tempfile::tempdir().unwrap();
        quantised.save(&loaded.base, &loaded.sha256, dir.path()).unwrap();
        dir
    };
    let error = |dir: &Path| match Quantised::from_stored(dir, Purpose::Encode, &device) {
        Ok(_) => panic!("it was read"),
        Err(error) => error.to_string(),
    };
    let dir = written();
    let other = QuantiseConfig::new(Bits::Eight);
    let refused = Quantised::from_pretrained(dir.path(), Purpose::Encode, &device, other).unwrap_err().to_string();
    assert!(refused.contains("8 bits") && refused.contains("stored in 4 bits in blocks of 64"), "{refused}");

    let text = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
    for (from, to, says) in [
        ("\"bits\": 4", "\"bits\": 5", "expected 8 or 4, found 5"),
        ("\"bits\": 4", "\"bits\": 8", "expected shape [48, 48], found [48, 24]"),
        ("\"block\": 64", "\"block\": 0", "block: expected at least 1"),
        ("\"block\": 64", "\"block\": 16", "scales\": expected shape [48, 3], found [48, 1]"),
        ("genome_blocks", "bitsandbytes", "expected genome_blocks, found bitsandbytes"),
        ("base_sha256", "sha", "base_sha256"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(dir.path().join("config.json"), text.replace(from, to)).unwrap();
        let found = error(dir.path());
        assert!(found.contains(says), "{found}");
    }

    let dir = written();
    let file = dir.path().join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 7]).unwrap();
    assert!(error(dir.path()).contains("model.safetensors"));
}
