//! What the allocator must remember for a run that is resumed: a safetensors file with Ī and Ū of every matrix under
//! `<layer path>.<parameter>.<exp_avg_ipt or exp_avg_unc>`, PEFT's words, and the rest as JSON in its metadata.

use std::collections::HashMap;

use burn::tensor::{Tensor, TensorData};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::allocator::PARAMETERS;
use crate::importance::{Moments, SiteMoments};
use crate::{Allocation, Error, MaskToBudget, RankAllocator, RankPattern, Result, Schedule};

/// The version that is written, and the only one that is read.
const VERSION: u64 = 1;

/// The key of [`Page`] in the file's metadata.
const PAGE: &str = "rank_allocator";

/// The moments of one matrix, by the names PEFT has for them.
const MOMENTS: [&str; 2] = ["exp_avg_ipt", "exp_avg_unc"];

/// All but the tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    version: u64,
    step: usize,
    schedule: Schedule,
    allocations: Vec<Allocation>,
    rank_pattern: Option<RankPattern>,
    rule: Value,
}

impl<R: MaskToBudget> RankAllocator<R> {
    /// The allocator's state as the bytes of a safetensors file. The adapters and the optimizer keep their own.
    ///
    /// # Errors
    /// [`Error::State`] if it cannot be written down.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let page = Page {
            version: VERSION,
            step: self.step,
            schedule: self.schedule,
            allocations: self.allocations.clone(),
            rank_pattern: self.rank_pattern(),
            rule: self.rule.memory(),
        };
        let mut tensors: Vec<(String, [usize; 2], Vec<u8>)> = Vec::new();
        for site in &self.sites {
            let Some(SiteMoments { a, e, b }) = &site.moments else { continue };
            for ((moments, parameter), shape) in [a, e, b].into_iter().zip(PARAMETERS).zip(site.shapes) {
                for (tensor, name) in [&moments.average, &moments.uncertainty].into_iter().zip(MOMENTS) {
                    let data = tensor.to_data().convert::<f32>();
                    let bytes = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
                    tensors.push((format!("{}.{parameter}.{name}", site.path), shape, bytes));
                }
            }
        }
        let views = (tensors.iter())
            .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.to_vec(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(damaged)?;
        let metadata = HashMap::from([(PAGE.to_owned(), serde_json::to_string(&page).map_err(damaged)?)]);
        safetensors::serialize(views, Some(metadata)).map_err(damaged)
    }

    /// This allocator, new for the same configuration and the adapters at hand, at the point where another gave
    /// `bytes` ([`RankAllocator::to_bytes`]). The adapters are matched by path, so their parameters may have other
    /// ids than then.
    ///
    /// # Errors
    /// [`Error::State`] if the bytes are damaged, or of a run with another schedule or other adapters.
    pub fn resumed(mut self, bytes: &[u8]) -> Result<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let page = header.metadata().as_ref().and_then(|m| m.get(PAGE));
        let page = page.ok_or_else(|| damaged(format!("there is no {PAGE} in the metadata")))?;
        let page: Page = serde_json::from_str(page).map_err(damaged)?;
        if page.version != VERSION {
            return Err(damaged(format!("version {}, this program reads {VERSION}", page.version)));
        }
        if page.schedule != self.schedule {
            return Err(damaged(format!("of a run with {:?}, this one has {:?}", page.schedule, self.schedule)));
        }
        let gathers = page.step > 0 && page.step <= self.schedule.last_allocation();
        let mut expected = 0;
        for site in &mut self.sites {
            let mut read = |i: usize, name: &str| {
                let name = format!("{}.{}.{name}", site.path, PARAMETERS[i]);
                let view = file.tensor(&name).map_err(|e| damaged(format!("{name}: {e}")))?;
                if view.dtype() != Dtype::F32 || view.shape() != site.shapes[i] {
                    let (found, wanted) = (view.shape(), site.shapes[i]);
                    return Err(damaged(format!("{name} is {:?} {found:?}, expected F32 {wanted:?}", view.dtype())));
                }
                let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                let values: Vec<f32> = values.collect();
                if let Some(value) = values.iter().find(|v| !v.is_finite()) {
                    return Err(damaged(format!("{name} has {value} in it")));
                }
                expected += 1;
                Ok(Tensor::from_data(TensorData::new(values, site.shapes[i]), &site.device))
            };
            if gathers {
                let mut moments = |i| {
                    let [average, uncertainty] = MOMENTS.map(|name| read(i, name));
                    Ok::<_, Error>(Moments { average: average?, uncertainty: uncertainty? })
                };
                site.moments = Some(SiteMoments { a: moments(0)?, e: moments(1)?, b: moments(2)? });
            }
        }
        if file.len() != expected {
            return Err(damaged(format!("{} tensors, expected {expected}", file.len())));
        }
        self.pattern = page.rank_pattern.map(|pattern| self.in_order(pattern)).transpose()?;
        if self.pattern.is_none() && page.step > self.schedule.last_allocation() {
            return Err(damaged(format!("no rank pattern after the last allocation, at step {}", page.step)));
        }
        self.rule.remember(page.rule)?;
        self.step = page.step;
        self.allocations = page.allocations;
        Ok(self)
    }

    /// `pattern` in the order of the sites.
    fn in_order(&self, mut pattern: RankPattern) -> Result<Vec<Vec<bool>>> {
        let ordered = self.sites.iter().map(|site| match pattern.remove(&site.path) {
            Some(kept) if kept.len() == site.rank() => Ok(kept),
            Some(kept) => Err(damaged(format!("{}: {} triplets, expected {}", site.path, kept.len(), site.rank()))),
            None => Err(damaged(format!("{} is not in the rank pattern", site.path))),
        });
        let ordered = ordered.collect::<Result<_>>()?;
        match pattern.into_keys().next() {
            Some(path) => Err(damaged(format!("the rank pattern has {path}, for which there is no adapter"))),
            None => Ok(ordered),
        }
    }
}

fn damaged(reason: impl ToString) -> Error {
    Error::State { reason: reason.to_string() }
}
