//! One batch whose rows use different adapters.
//!
//! The adapters of a site are stacked, A to [n, d_in, r] and B to [n, r, d_out], padded with zeros to the largest rank.
//! A batch picks the matrices of its rows and multiplies them all at once, so a pass costs the base once and one
//! batched low-rank product, however many adapters there are.

use std::collections::HashMap;

use burn::module::{Module, ParamId};
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Int, Tensor, TensorData};
use peft_core::{Adapters, Error, Hooks, Result, Site, SiteKind, all_sites};

use crate::LoraLinear;

/// Adapters that are resident on one base, stacked for batches that mix them. For inference: values are copied, on the
/// base's device, and have no gradients.
///
/// ```
/// # use burn::module::Module;
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor};
/// # use peft_core::{Adapters, Hooks};
/// use peft_lora::{AdapterBank, LoraConfig};
/// # #[derive(Module, Debug)]
/// # struct Model { query: Linear }
/// # let device = Device::default();
/// # let base = Model { query: LinearConfig::new(16, 8).init(&device) };
/// # let heads: [&str; 0] = [];
/// # let attach = |r: usize| {
/// #     let lora = LoraConfig { r, ..LoraConfig::new(["query"]) };
/// #     Adapters::attach(&base, &lora.selection(heads), &lora, 7, &device)
/// # };
/// let bank = AdapterBank::new(&base, &[&attach(2)?, &attach(4)?])?;
/// let rows = bank.rows(&[Some(1), None, Some(0)])?; // the second row is the base's own
/// let x = Tensor::<3>::ones([3, 5, 16], &device);
/// assert_eq!(rows.linear(&base.query, x).dims(), [3, 5, 8]);
/// # Ok::<(), peft_core::Error>(())
/// ```
#[derive(Debug)]
pub struct AdapterBank {
    len: usize,
    stacks: HashMap<ParamId, Stack>,
    device: Device,
}

/// What all adapters do at one site; the last of each stack is what no adapter does.
#[derive(Debug)]
struct Stack {
    a: Tensor<3>,               // [n + 1, d_in, r], scaled
    b: Tensor<3>,               // [n + 1, r, d_out]
    bias: Option<Tensor<3>>,    // [n + 1, 1, d_out], scaled
    stretch: Option<Tensor<3>>, // [n + 1, 1, d_out], DoRA's m / ‖W + ΔW‖
}

impl AdapterBank {
    /// Stacks `adapters`, which may differ in rank, scale, targets and kind (LoRA, DoRA, PiSSA), for `base`.
    ///
    /// # Errors
    /// What [`Adapters::bind`] says; [`Error::NotMixed`] for adapters that hold parameters of the base as they were
    /// trained (`bias`, `modules_to_save`): such parameters are the whole batch's.
    pub fn new<M: Module>(base: &M, adapters: &[&Adapters<LoraLinear>]) -> Result<Self> {
        for (index, adapters) in adapters.iter().enumerate() {
            if let Some((name, _)) = adapters.copies().next() {
                return Err(Error::NotMixed { index, reason: format!("they replace {name} of the base") });
            }
        }
        let valid: Vec<Adapters<LoraLinear>> = adapters.iter().map(|a| a.valid()).collect();
        let bound = valid.iter().map(|a| a.bind(base)).collect::<Result<Vec<_>>>()?;
        let sites = all_sites(base);
        let device = sites.first().map_or_else(Device::default, |s| s.device.clone().inner());
        let mut used: Vec<(Site, Vec<Option<&LoraLinear>>)> = Vec::new();
        for site in sites {
            let at = |of: &LoraLinear| of.is_embedding() == (site.kind == SiteKind::Embedding);
            let here: Vec<_> = bound.iter().map(|b| b.adapter_of(site.id).filter(|a| at(a))).collect();
            if here.iter().any(Option::is_some) && used.iter().all(|(other, _)| other.id != site.id) {
                used.push((site, here));
            }
        }
        let dora = |(_, here): &&(Site, Vec<Option<&LoraLinear>>)| {
            here.iter().flatten().any(|a| a.lora_magnitude_vector.is_some())
        };
        let stretched: Vec<Site> = used.iter().filter(dora).map(|(site, _)| site.clone()).collect();
        let weights = peft_core::weights_of(base, &stretched);
        let stacks = used.into_iter().map(|(site, here)| {
            let stack = Stack::new(&site, &here, weights.get(&site.path), &device);
            (site.id, stack)
        });
        Ok(AdapterBank { len: adapters.len(), stacks: stacks.collect(), device })
    }

    /// How many adapters there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The hooks of a batch whose row i uses the adapters with the number `rows[i]`, or the base alone.
    ///
    /// # Errors
    /// [`Error::NotMixed`] for a number that no adapters have.
    pub fn rows(&self, rows: &[Option<usize>]) -> Result<MixedBatch<'_>> {
        if let Some(index) = rows.iter().flatten().copied().find(|i| *i >= self.len) {
            return Err(Error::NotMixed { index, reason: format!("there are {}", self.len) });
        }
        let picked: Vec<i64> = rows.iter().map(|row| row.unwrap_or(self.len) as i64).collect();
        let picked = Tensor::from_data(TensorData::new(picked, [rows.len()]), &self.device);
        Ok(MixedBatch { bank: self, rows: rows.len(), picked })
    }
}

impl Stack {
    /// `weight`: [d_in, d_out], where an adapter is DoRA's.
    fn new(site: &Site, here: &[Option<&LoraLinear>], weight: Option<&Tensor<2>>, device: &Device) -> Self {
        let [d_in, d_out] = site.shape;
        let parts: Vec<Option<(Tensor<2>, Tensor<2>)>> = here.iter().map(|a| a.map(LoraLinear::factors)).collect();
        let r = parts.iter().flatten().map(|(a, _)| a.dims()[1]).max().unwrap_or(0);
        let on = |t: Tensor<2>| t.to_device(device);
        let wide = |part: &Option<(Tensor<2>, Tensor<2>)>| match part {
            Some((a, b)) => {
                let missing = r - a.dims()[1];
                let (mut a, mut b) = (on(a.clone()), on(b.clone()));
                if missing > 0 {
                    a = Tensor::cat(vec![a, Tensor::zeros([d_in, missing], device)], 1);
                    b = Tensor::cat(vec![b, Tensor::zeros([missing, d_out], device)], 0);
                }
                (a, b)
            }
            None => (Tensor::zeros([d_in, r], device), Tensor::zeros([r, d_out], device)),
        };
        let (a, b): (Vec<_>, Vec<_>) = parts.iter().chain([&None]).map(wide).unzip();
        let vectors = |of: &dyn Fn(&LoraLinear) -> Option<Tensor<1>>, none: f32| {
            let each: Vec<Option<Tensor<1>>> = here.iter().map(|a| a.and_then(of)).chain([None]).collect();
            each.iter().any(Option::is_some).then(|| {
                let row = |v: Option<Tensor<1>>| match v {
                    Some(v) => v.to_device(device).reshape([1, d_out]),
                    None => Tensor::full([1, d_out], none, device),
                };
                Tensor::stack::<3>(each.into_iter().map(row).collect(), 0) // [n + 1, 1, d_out]
            })
        };
        Stack {
            a: Tensor::stack::<3>(a, 0),
            b: Tensor::stack::<3>(b, 0),
            bias: vectors(&|a| a.lora_B_bias.as_ref().map(|p| p.val().mul_scalar(a.scaling)), 0.0),
            stretch: vectors(
                &|a| {
                    let magnitude = a.lora_magnitude_vector.as_ref()?;
                    Some(a.stretch(magnitude, weight?.clone().to_device(&magnitude.lazy_device())))
                },
                1.0,
            ),
        }
    }
}

/// The hooks of one batch, from [`AdapterBank::rows`].
#[derive(Debug)]
pub struct MixedBatch<'a> {
    bank: &'a AdapterBank,
    rows: usize,
    picked: Tensor<1, Int>, // [batch]
}

impl MixedBatch<'_> {
    fn stack(&self, weight: ParamId) -> Option<&Stack> {
        self.bank.stacks.get(&weight)
    }

    /// One entry of `stack` a row.
    fn pick(&self, stack: &Tensor<3>) -> Tensor<3> {
        stack.clone().select(0, self.picked.clone())
    }

    /// `x` with the batch's rows in front: the model may have laid out several dimensions as one.
    fn by_row(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, seq, d] = x.dims();
        assert!(
            (batch * seq).is_multiple_of(self.rows),
            "the hooks are of a batch of {} rows, the layer was given [{batch}, {seq}, {d}]",
            self.rows
        );
        x.reshape([self.rows, batch * seq / self.rows, d])
    }
}

/// A forward pass of a batch with another number of rows than the hooks were made for is a mistake of the caller's
/// and panics.
impl Hooks for MixedBatch<'_> {
    fn after_linear(&self, layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        let Some(stack) = self.stack(layer.weight.id) else { return y };
        let dims = y.dims();
        let x = self.by_row(x.clone()); // [batch, seq, d_in]
        let y = self.by_row(y); // [batch, seq, d_out]
        let mut delta = x.matmul(self.pick(&stack.a)).matmul(self.pick(&stack.b)); // [batch, seq, d_out]
        if let Some(bias) = &stack.bias {
            delta = delta + self.pick(bias);
        }
        let y = match &stack.stretch {
            None => y + delta,
            Some(stretch) => {
                let stretch = self.pick(stretch); // [batch, 1, d_out]
                let frozen = match &layer.bias {
                    Some(bias) => y.clone() - bias.val().unsqueeze(),
                    None => y.clone(),
                };
                y + (stretch.clone() - 1.0) * frozen + stretch * delta
            }
        };
        y.reshape(dims)
    }

    fn skips(&self, layer: &Linear) -> bool {
        self.stack(layer.weight.id).is_none()
    }

    fn after_embedding(&self, layer: &Embedding, ids: &Tensor<2, Int>, y: Tensor<3>) -> Tensor<3> {
        let Some(stack) = self.stack(layer.weight.id) else { return y };
        let [n, vocabulary, r] = stack.a.dims();
        let [batch, seq] = ids.dims();
        assert_eq!(batch, self.rows, "the hooks are of a batch of other rows");
        let offset = self.picked.clone().mul_scalar(vocabulary as i64).reshape([batch, 1]); // [batch, 1]
        let all = stack.a.clone().reshape([n * vocabulary, r]);
        let low = burn::tensor::module::embedding(all, ids.clone() + offset.expand([batch, seq])); // [batch, seq, r]
        let delta = low.matmul(self.pick(&stack.b)); // [batch, seq, d_model]
        match &stack.stretch {
            None => y + delta,
            Some(stretch) => (y + delta) * self.pick(stretch),
        }
    }
}
