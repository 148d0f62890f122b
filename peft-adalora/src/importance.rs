//! How important each triplet is, from what the loss would lose with it.
//!
//! Zhang et al. 2023, eq. 7 to 11, per weight w of P, Λ and Q, with β1 and β2:
//!
//! ```text
//! I(w) = | w · ∂L/∂w |                                    sensitivity              (8)
//! Ī = β1 Ī + (1 − β1) I                                   smoothed                 (9)
//! Ū = β2 Ū + (1 − β2) | I − Ī |                           uncertainty              (10)
//! s(w) = Ī · Ū                                                                     (11)
//! S_i = s(λ_i) + mean over column i of P + mean over row i of Q                    (7)
//! ```
//!
//! As in PEFT, which reads w after the optimizer's step and ∂L/∂w from before it, Ī and Ū start at 0 without
//! correction for it. All of it stays where the adapters are.

use burn::tensor::Tensor;

/// Ī and Ū of one matrix.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    pub(crate) average: Tensor<2>,     // Ī
    pub(crate) uncertainty: Tensor<2>, // Ū
}

impl Moments {
    /// The moments after one more step; `before` is `None` at the first.
    pub(crate) fn update(
        before: Option<Moments>,
        weight: Tensor<2>,
        gradient: Tensor<2>,
        beta1: f64,
        beta2: f64,
    ) -> Moments {
        let sensitivity = (weight * gradient).abs();
        let fresh = sensitivity.clone().mul_scalar(1.0 - beta1);
        let (average, old) = match before {
            Some(before) => (before.average.mul_scalar(beta1) + fresh, Some(before.uncertainty)),
            None => (fresh, None),
        };
        let deviation = (sensitivity - average.clone()).abs().mul_scalar(1.0 - beta2);
        let uncertainty = match old {
            Some(old) => old.mul_scalar(beta2) + deviation,
            None => deviation,
        };
        Moments { average, uncertainty }
    }

    /// s(w).
    fn scores(&self) -> Tensor<2> {
        self.average.clone() * self.uncertainty.clone()
    }
}

/// The moments of one layer's three matrices.
#[derive(Clone, Debug)]
pub(crate) struct SiteMoments {
    pub(crate) a: Moments, // [d_in, r]
    pub(crate) e: Moments, // [1, r]
    pub(crate) b: Moments, // [r, d_out]
}

impl SiteMoments {
    /// S of each triplet, [1, r].
    pub(crate) fn triplets(&self) -> Tensor<2> {
        let a = self.a.scores().mean_dim(0); // [1, r]
        let b = self.b.scores().mean_dim(1).transpose(); // [1, r]
        self.e.scores() + (a + b)
    }
}
