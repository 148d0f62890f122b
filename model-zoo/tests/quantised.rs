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
