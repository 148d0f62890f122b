//! Adapters without the triplets that have no effect, as PEFT saves them.

use peft_core::Adapters;

use crate::allocator::PARAMETERS;
use crate::{AdaLoraConfig, Error, MaskToBudget, RankAllocator, RankPattern, Result, SvdLinear};

impl<R: MaskToBudget> RankAllocator<R> {
    /// `config` and `adapters` as PEFT saves them, and as they predict: every matrix without the triplets that the last
    /// allocation dropped, and `rank_pattern` saying which those are. `adapters` are those of the last step.
    ///
    /// # Errors
    /// [`Error::NotFinal`] before the last allocation, when dropping triplets would change the model;
    /// [`Error::NotMasked`] about adapters of an earlier step; [`Error::MissingAdapter`] about those of another run.
    pub fn pruned(
        &self,
        config: &AdaLoraConfig,
        adapters: &Adapters<SvdLinear>,
    ) -> Result<(AdaLoraConfig, Adapters<SvdLinear>)> {
        let pattern = match self.rank_pattern() {
            Some(pattern) if self.is_final() => pattern,
            _ => return Err(Error::NotFinal { step: self.step(), last: self.schedule().last_allocation() }),
        };
        for (path, adapter) in adapters.iter() {
            let kept = pattern.get(path).filter(|kept| kept.len() == adapter.rank());
            let kept = kept.ok_or_else(|| Error::MissingAdapter { path: path.to_owned(), parameter: PARAMETERS[1] })?;
            let lambdas = lambdas(adapter);
            if let Some(triplet) = (0..kept.len()).find(|i| !kept[*i] && lambdas[*i] != 0.0) {
                return Err(Error::NotMasked { path: path.to_owned(), triplet, lambda: lambdas[triplet] });
            }
        }
        Ok(prune(config, adapters, &pattern))
    }
}

/// `config` and `adapters` without every triplet whose singular value is exactly 0, with `rank_pattern` saying which
/// are left. That never changes what the adapters do, so it may be asked of any step's, such as the best on dev; of those
/// of the last step it makes what [`RankAllocator::pruned`] does. Adapters that were pruned before stay as they are.
pub fn prune_zeros(config: &AdaLoraConfig, adapters: &Adapters<SvdLinear>) -> (AdaLoraConfig, Adapters<SvdLinear>) {
    if adapters.iter().any(|(_, a)| a.rank() != config.init_r) {
        return (config.clone(), adapters.clone());
    }
    let kept = |adapter: &SvdLinear| lambdas(adapter).into_iter().map(|lambda| lambda != 0.0).collect();
    prune(config, adapters, &adapters.iter().map(|(path, a)| (path.to_owned(), kept(a))).collect())
}

/// `config` and `adapters` with the triplets of `pattern` alone, whatever the values of the others. Where those are not 0,
/// as with [`crate::Order::BeforeStep`], what is saved predicts something else than what was trained.
///
/// # Errors
/// [`Error::MissingAdapter`] if the pattern lacks a layer or has another number of triplets for it.
pub fn prune_to(
    config: &AdaLoraConfig,
    adapters: &Adapters<SvdLinear>,
    pattern: &RankPattern,
) -> Result<(AdaLoraConfig, Adapters<SvdLinear>)> {
    for (path, adapter) in adapters.iter() {
        if pattern.get(path).is_none_or(|kept| kept.len() != adapter.rank()) {
            return Err(Error::MissingAdapter { path: path.to_owned(), parameter: PARAMETERS[1] });
        }
    }
    Ok(prune(config, adapters, pattern))
}

/// `pattern` has an entry for every adapter.
fn prune(
    config: &AdaLoraConfig,
    adapters: &Adapters<SvdLinear>,
    pattern: &RankPattern,
) -> (AdaLoraConfig, Adapters<SvdLinear>) {
    let pruned =
        adapters.clone().try_map(|path, adapter| Ok::<_, std::convert::Infallible>(adapter.pruned(&pattern[path])));
    let Ok(adapters) = pruned;
    let rank_pattern = pattern.iter().map(|(path, kept)| (format!("{path}.lora_E"), kept.clone())).collect();
    (AdaLoraConfig { rank_pattern, ..config.clone() }, adapters)
}

fn lambdas(adapter: &SvdLinear) -> Vec<f32> {
    adapter.lora_E.val().to_data().iter::<f32>().collect()
}
