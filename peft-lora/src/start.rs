//! How A and B start.
//!
//! | start | A and B | paper |
//! |---|---|---|
//! | Kaiming | A uniform, B 0 | Hu et al. 2021, arXiv 2106.09685 |
//! | gaussian | A normal, B 0 | the same |
//! | orthogonal | random, A B = 0 by orthogonality | as in PEFT, which names a blog post |
//! | PiSSA | s A B = the r largest singular triplets of W | Meng et al. 2024, arXiv 2404.02948, eq. 2 to 4 |
//! | OLoRA | A B = the first r columns of Q and rows of R, W = Q R | Büyükakyüz 2024, arXiv 2406.01775 |
//!
//! PiSSA and OLoRA take s A₀ B₀ out of W as training starts. PEFT changes the base for that; here the base stays as
//! it is, and the adapter subtracts s · x A₀ B₀ (see [`Residual`]). The sum is the same, and the start changes no
//! output.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use peft_core::{BaseLayer, Result, Site, SiteKind};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Start;
use crate::linalg::{Matrix, Svd, qr, svd};

/// What the adapter takes out of the base's weight: s A₀ B₀, where A₀, [d_in, r], and B₀, [r, d_out], are the A and B
/// that training started with. They are no parameters.
#[derive(Module, Debug)]
pub struct Residual {
    pub(crate) a: Tensor<2>, // [d_in, r]
    pub(crate) b: Tensor<2>, // [r, d_out]
}

/// A [d_in, r], B [r, d_out], and whether the base loses their product.
pub(crate) struct Started {
    pub(crate) a: Vec<f32>,
    pub(crate) b: Vec<f32>,
    pub(crate) in_base: bool,
}

impl Started {
    pub(crate) fn residual(&self, [d_in, d_out]: [usize; 2], r: usize, device: &Device) -> Option<Residual> {
        self.in_base.then(|| {
            let device = device.clone().inner();
            Residual {
                a: Tensor::from_data(TensorData::new(self.a.clone(), [d_in, r]), &device),
                b: Tensor::from_data(TensorData::new(self.b.clone(), [r, d_out]), &device),
            }
        })
    }
}

/// A and B of rank `r` for `site`, of which `base` is needed by the starts that read it.
pub(crate) fn start(
    start: Start,
    site: &Site,
    base: Option<&BaseLayer>,
    r: usize,
    scaling: f64,
    seed: [u8; 32],
) -> Result<Started> {
    let [d_in, d_out] = site.shape;
    let mut rng = ChaCha8Rng::from_seed(seed);
    let zeros = |n: usize| vec![0f32; n];
    if site.kind == SiteKind::Embedding {
        // PEFT starts every adapter of a table alike: A 0, B normal.
        return match start {
            Start::KaimingUniform | Start::Gaussian => {
                Ok(Started { a: zeros(d_in * r), b: normal(&mut rng, r * d_out, 1.0), in_base: false })
            }
            other => Err(site.refuse(format!("init_lora_weights = {other} is for linear layers, not for embeddings"))),
        };
    }
    match start {
        Start::KaimingUniform => {
            let a = uniform(&mut rng, d_in * r, (d_in as f64).sqrt().recip());
            Ok(Started { a, b: zeros(r * d_out), in_base: false })
        }
        Start::Gaussian => {
            let a = normal(&mut rng, d_in * r, (r as f64).recip());
            Ok(Started { a, b: zeros(r * d_out), in_base: false })
        }
        Start::Orthogonal => {
            if !r.is_multiple_of(2) {
                return Err(site.refuse(format!("an orthogonal start needs an even rank, found {r}")));
            }
            Ok(orthogonal(&mut rng, [d_in, d_out], r))
        }
        Start::Pissa { .. } => {
            let Svd { ut, s, vt } = svd(&weight(site, base)?); // W = U diag(s) Vᵀ, [d_in, d_out]
            let roots: Vec<f64> = s[..r].iter().map(|s| (s / scaling).sqrt()).collect();
            let a = ut.first_rows(r).rows_times(&roots).transposed().to_f32();
            let b = vt.first_rows(r).rows_times(&roots).to_f32();
            Ok(Started { a, b, in_base: true })
        }
        Start::Olora => {
            // torch's W is transposed: Wᵀ = Q R, so W = Rᵀ Qᵀ, and the first r rows of R make A.
            let (qt, rt) = qr(&weight(site, base)?.transposed());
            let (a, b) = (rt.first_rows(r).transposed().to_f32(), qt.first_rows(r).to_f32());
            Ok(Started { a, b, in_base: true })
        }
    }
}

/// The weight [d_in, d_out] on the host.
fn weight(site: &Site, base: Option<&BaseLayer>) -> Result<Matrix> {
    let base = base.ok_or_else(|| site.refuse("this start reads the base: attach to the model itself"))?;
    let values: Vec<f32> = base.weight.to_data().iter::<f32>().collect();
    match values.iter().all(|v| v.is_finite()) {
        true => Ok(Matrix::from_f32(site.d_in(), site.d_out(), &values)),
        false => Err(site.refuse("the weight is not finite, and cannot be decomposed")),
    }
}

/// A is random times the odd rows of a random orthogonal matrix, B the even rows, so that A B = 0.
fn orthogonal(rng: &mut ChaCha8Rng, [d_in, d_out]: [usize; 2], r: usize) -> Started {
    let mut draw = |rows: usize, cols: usize| {
        Matrix::new(rows, cols, (0..rows * cols).map(|_| f64::from(normal_one(rng, 1.0))).collect())
    };
    let (qt, _) = qr(&draw(r, r));
    let q = qt.transposed();
    let half = |parity: usize| Matrix::new(r / 2, r, (0..r / 2).flat_map(|i| q.row(2 * i + parity).to_vec()).collect());
    let tenth = |m: Matrix| m.values.iter().map(|v| (v / 10.0) as f32).collect();
    let a = draw(d_in, r / 2).times(&half(0)); // [d_in, r]
    let b = half(1).transposed().times(&draw(r / 2, d_out)); // [r, d_out]
    Started { a: tenth(a), b: tenth(b), in_base: false }
}

/// `n` numbers from U(-bound, bound).
fn uniform(rng: &mut ChaCha8Rng, n: usize, bound: f64) -> Vec<f32> {
    (0..n).map(|_| ((rng.random::<f64>() * 2.0 - 1.0) * bound) as f32).collect()
}

/// `n` numbers from N(0, deviation).
fn normal(rng: &mut ChaCha8Rng, n: usize, deviation: f64) -> Vec<f32> {
    (0..n).map(|_| normal_one(rng, deviation)).collect()
}

/// One number from N(0, deviation), by Box and Muller.
fn normal_one(rng: &mut ChaCha8Rng, deviation: f64) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt(); // 1 - u is in (0, 1]
    let angle = std::f64::consts::TAU * rng.random::<f64>();
    (deviation * radius * angle.cos()) as f32
}
