//! Initial values from one seed, the same on every device.

use crate::names::Path;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// BERT's initial values: matrices and embeddings from N(0, `std`²), biases 0, layer norms 1 and 0.
///
/// The values of a parameter depend on `seed` and its published name alone, so neither the order of construction nor
/// the device matters. Parameters come out trainable.
pub fn initialise<M: Module>(module: M, seed: u64, std: f64) -> M {
    struct Init {
        path: Path,
        seed: u64,
        std: f64,
    }
    impl ModuleMapper for Init {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape = param.lazy_shape();
            let count = shape.num_elements();
            let name = self.path.published();
            let values = if self.path.is_norm() {
                vec![if name.ends_with("weight") { 1.0 } else { 0.0 }; count]
            } else if D == 1 {
                vec![0.0; count]
            } else {
                normal(&mut rng(self.seed, &name), count, self.std)
            };
            let device = param.lazy_device();
            let tensor = Tensor::<D>::from_data(TensorData::new(values, shape), &device);
            let mut new = Param::from_tensor(tensor);
            new.id = param.id;
            new
        }
    }
    module.map(&mut Init { path: Path::default(), seed, std })
}

/// A generator for one named purpose of a run.
pub fn rng(seed: u64, purpose: &str) -> ChaCha8Rng {
    // FNV-1a keeps the purposes apart; the generator does the mixing.
    let hash =
        purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&hash.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// `count` draws from N(0, `std`²) by Box and Muller (Annals of Mathematical Statistics 29, 1958).
fn normal(rng: &mut impl Rng, count: usize, std: f64) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
        let radius = std * (-2.0 * u.ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * v).sin_cos();
        values.push((radius * cos) as f32);
        values.push((radius * sin) as f32);
    }
    values.truncate(count);
    values
}
