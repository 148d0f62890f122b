//! The rank allocator: importance at every step, and at some of them a mask over all singular values.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use peft_core::{Adapters, FolderConfig};

use crate::importance::{Moments, SiteMoments};
use crate::{
    AdaLoraConfig, Allocation, AllocationReport, Error, Fate, MaskToBudget, RankPattern, Ranking, Result, Schedule,
    SiteScores, Summary, SvdLinear, TopBudget,
};

/// The rank allocator of one run, PEFT's `RankAllocator` with `update_and_allocate`.
///
/// [`crate::AdaLoraOptimizer`] calls it at the right place; use it alone only for another order than backward,
/// optimizer, allocation. It knows its adapters by their parameters' ids, so the module that is stepped may be
/// anything that contains them: [`Adapters`] or a struct of adapters and head.
#[derive(Debug)]
pub struct RankAllocator<R = TopBudget> {
    pub(crate) schedule: Schedule,
    pub(crate) rule: R,
    beta1: f64,
    beta2: f64,
    target: usize, // triplets
    pub(crate) sites: Vec<Site>,
    pub(crate) step: usize,
    pub(crate) allocations: Vec<Allocation>,
    pub(crate) pattern: Option<Vec<Vec<bool>>>, // in the order of `sites`; `None` before the first allocation
    masks: Option<HashMap<ParamId, Tensor<2, Bool>>>, // [1, r], true where λ is 0; of the final pattern, once it is used
}

/// One adapted layer.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) path: String,
    pub(crate) ids: [ParamId; 3], // as `PARAMETERS`
    pub(crate) shapes: [[usize; 2]; 3],
    pub(crate) device: Device,
    pub(crate) moments: Option<SiteMoments>, // `None` before the first step, and after the last allocation
}

/// The parameters of an adapter, in the order of [`Site::ids`].
pub(crate) const PARAMETERS: [&str; 3] = ["lora_A", "lora_E", "lora_B"];

impl RankAllocator<TopBudget> {
    /// An allocator for a run from `adapters` on.
    ///
    /// # Errors
    /// What [`FolderConfig::check`] and [`Schedule::check_for_training`] say; [`Error::NoAdapters`],
    /// [`Error::OtherRank`], [`Error::BudgetGrows`].
    pub fn new(config: &AdaLoraConfig, adapters: &Adapters<SvdLinear>) -> Result<Self> {
        Self::with_rule(config, adapters, TopBudget)
    }
}

impl<R: MaskToBudget> RankAllocator<R> {
    /// [`RankAllocator::new`] with another rule than AdaLoRA's.
    ///
    /// # Errors
    /// As [`RankAllocator::new`].
    pub fn with_rule(config: &AdaLoraConfig, adapters: &Adapters<SvdLinear>, rule: R) -> Result<Self> {
        config.check()?;
        config.schedule.check_for_training()?;
        if adapters.is_empty() {
            return Err(Error::NoAdapters);
        }
        let sites = adapters.iter().map(|(path, adapter)| {
            let path = path.to_owned();
            if adapter.rank() != config.init_r {
                return Err(Error::OtherRank { path, expected: config.init_r, found: adapter.rank() });
            }
            let parameters = [&adapter.lora_A, &adapter.lora_E, &adapter.lora_B];
            let shape = |p: &Param<Tensor<2>>| [p.lazy_shape()[0], p.lazy_shape()[1]];
            Ok(Site {
                path,
                ids: parameters.map(|p| p.id),
                shapes: parameters.map(shape),
                device: adapter.lora_E.lazy_device().without_autodiff(),
                moments: None,
            })
        });
        let sites: Vec<Site> = sites.collect::<Result<_>>()?;
        let (initial, target) = (config.init_r * sites.len(), config.target_r * sites.len());
        if target > initial {
            return Err(Error::BudgetGrows { initial, target });
        }
        Ok(RankAllocator {
            schedule: config.schedule,
            rule,
            beta1: config.beta1,
            beta2: config.beta2,
            target,
            sites,
            step: 0,
            allocations: Vec::new(),
            pattern: None,
            masks: None,
        })
    }

    /// One step of the allocator: `module` is what the optimizer made, `grads` what it made it from. Up to the last
    /// allocation importance is updated; where the schedule says so, ranks are allocated; after the last allocation
    /// the singular values that it dropped are set to 0 again.
    ///
    /// A layer that takes no part in the loss counts as one whose gradient is 0.
    ///
    /// At an allocation one tensor of scores and singular values is read back, at any other step nothing.
    ///
    /// # Errors
    /// [`Error::MissingAdapter`], [`Error::NoGradients`], [`Error::NotFinite`], and what the rule says.
    pub fn update_and_allocate<M: Module>(
        &mut self,
        module: M,
        grads: &ImportanceGradients,
    ) -> Result<(M, AllocationReport)> {
        let step = self.step;
        let initial = self.initial();
        let budget = self.schedule.budget(step, initial, self.target);
        let last = self.schedule.last_allocation();
        let mut module = module;
        let mut ranking = None;
        if step < last {
            self.update_importance(&module, grads)?;
        }
        if step > last {
            module = self.mask(module);
        } else if self.schedule.allocates_at(step) {
            let found = self.rank(&module, budget)?;
            module = self.allocate(module, &found)?;
            ranking = Some(found);
            if step == last {
                self.sites.iter_mut().for_each(|site| site.moments = None); // no longer needed
            }
        }
        self.step += 1;
        let report = AllocationReport { step, phase: self.schedule.phase(step), budget, kept: self.kept(), ranking };
        Ok((module, report))
    }

    /// The gradients that the next [`RankAllocator::update_and_allocate`] needs, kept from an optimizer that takes
    /// `grads` apart. Nothing is copied.
    pub fn gradients(&self, grads: &GradientsParams) -> ImportanceGradients {
        if self.step >= self.schedule.last_allocation() {
            return ImportanceGradients::default();
        }
        let ids = self.sites.iter().flat_map(|s| s.ids);
        ImportanceGradients { by_id: ids.filter_map(|id| Some((id, grads.get::<2>(id)?))).collect() }
    }

    /// Steps made so far; also the number of the next one.
    pub fn step(&self) -> usize {
        self.step
    }

    /// The run's schedule.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The rule that allocates.
    pub fn rule(&self) -> &R {
        &self.rule
    }

    /// True once the last allocation was made.
    pub fn is_final(&self) -> bool {
        self.step > self.schedule.last_allocation()
    }

    /// Which triplets the last allocation so far left in each layer; `None` before the first. Triplets that it dropped
    /// can come back until the pattern is final.
    pub fn rank_pattern(&self) -> Option<RankPattern> {
        let pattern = self.pattern.as_ref()?;
        Some(self.sites.iter().zip(pattern).map(|(s, kept)| (s.path.clone(), kept.clone())).collect())
    }

    /// What was done so far.
    pub fn summary(&self) -> Summary {
        let rank = |(i, site): (usize, &Site)| {
            let rank = match &self.pattern {
                Some(pattern) => count(&pattern[i]),
                None => site.rank(),
            };
            (site.path.clone(), rank)
        };
        Summary {
            steps: self.step,
            initial: self.initial(),
            allocations: self.allocations.clone(),
            ranks: self.sites.iter().enumerate().map(rank).collect(),
            is_final: self.is_final(),
        }
    }

    fn initial(&self) -> usize {
        self.sites.iter().map(Site::rank).sum()
    }

    fn kept(&self) -> usize {
        self.pattern.as_ref().map_or_else(|| self.initial(), |pattern| pattern.iter().map(|kept| count(kept)).sum())
    }

    fn update_importance<M: Module>(&mut self, module: &M, grads: &ImportanceGradients) -> Result<()> {
        if !self.sites.iter().any(|site| grads.by_id.contains_key(&site.ids[1])) {
            return Err(Error::NoGradients { step: self.step });
        }
        let values = collect(module, self.sites.iter().flat_map(|s| s.ids));
        for site in &mut self.sites {
            let mut before = match site.moments.take() {
                Some(SiteMoments { a, e, b }) => [Some(a), Some(e), Some(b)],
                None => [None, None, None],
            };
            let mut update = |i: usize| {
                let (id, path, parameter) = (site.ids[i], &site.path, PARAMETERS[i]);
                let weight = values.get(&id).ok_or_else(|| Error::MissingAdapter { path: path.clone(), parameter })?;
                // A layer that takes no part in the loss, as a pooler whose output nobody reads, has no gradient.
                let gradient = match grads.by_id.get(&id) {
                    Some(gradient) => gradient.clone(),
                    None => weight.zeros_like(),
                };
                Ok::<_, Error>(Moments::update(before[i].take(), weight.clone(), gradient, self.beta1, self.beta2))
            };
            let (a, e, b) = (update(0)?, update(1)?, update(2)?);
            site.moments = Some(SiteMoments { a, e, b });
        }
        Ok(())
    }

    /// The scores and singular values of all triplets, in one transfer.
    fn rank<M: Module>(&self, module: &M, budget: usize) -> Result<Ranking> {
        let values = collect(module, self.sites.iter().map(|s| s.ids[1]));
        let mut rows = Vec::with_capacity(2 * self.sites.len());
        for site in &self.sites {
            let path = || site.path.clone();
            let lambdas = values.get(&site.ids[1]);
            let lambdas = lambdas.ok_or_else(|| Error::MissingAdapter { path: path(), parameter: PARAMETERS[1] })?;
            let moments = site.moments.as_ref().ok_or_else(|| Error::State {
                reason: format!("{}: ranks are to be allocated before any importance was gathered", site.path),
            })?;
            rows.extend([moments.triplets(), lambdas.clone()]); // [1, r] each
        }
        let mut host =
            Tensor::cat(rows, 1).into_data().convert::<f32>().iter::<f32>().collect::<Vec<f32>>().into_iter();
        let mut take = |n: usize| -> Vec<f32> { host.by_ref().take(n).collect() };
        let sites: Vec<SiteScores> = (self.sites.iter())
            .map(|s| SiteScores { path: s.path.clone(), scores: take(s.rank()), lambdas: take(s.rank()) })
            .collect();
        for site in &sites {
            if let Some(index) = site.scores.iter().position(|s| !s.is_finite()) {
                let (path, value) = (site.path.clone(), site.scores[index]);
                return Err(Error::NotFinite { path, index, value, step: self.step });
            }
        }
        Ok(Ranking { step: self.step, budget, schedule: self.schedule, sites })
    }

    /// Asks the rule and does what it says.
    fn allocate<M: Module>(&mut self, module: M, ranking: &Ranking) -> Result<M> {
        let fates = self.rule.decide(ranking)?;
        if fates.len() != self.sites.len() {
            let (expected, found) = (self.sites.len(), fates.len());
            return Err(Error::Decision { path: "all layers".into(), expected, found });
        }
        let mut lambdas = HashMap::new();
        for ((site, scores), fates) in self.sites.iter().zip(&ranking.sites).zip(&fates) {
            let (expected, found) = (site.rank(), fates.len());
            if found != expected {
                return Err(Error::Decision { path: site.path.clone(), expected, found });
            }
            if fates.iter().any(|fate| fate.lambda.is_some()) {
                let new = fates.iter().zip(&scores.lambdas).map(|(fate, old)| fate.lambda.unwrap_or(*old));
                lambdas.insert(site.ids[1], new.collect());
            }
        }
        let kept = |fates: &Vec<Fate>| fates.iter().map(|fate| fate.kept).collect::<Vec<bool>>();
        self.pattern = Some(fates.iter().map(kept).collect());
        self.allocations.push(Allocation {
            step: ranking.step,
            budget: ranking.budget,
            kept: self.kept(),
            threshold: ranking.threshold(),
        });
        Ok(module.map(&mut Replace { lambdas }))
    }

    /// Sets the singular values to 0 that the pattern does not have.
    fn mask<M: Module>(&mut self, module: M) -> M {
        let Some(pattern) = &self.pattern else { return module };
        let masks = self.masks.get_or_insert_with(|| {
            let sites = self.sites.iter().zip(pattern).filter(|(_, kept)| kept.contains(&false));
            let mask = |(site, kept): (&Site, &Vec<bool>)| {
                let dropped: Vec<bool> = kept.iter().map(|k| !k).collect();
                let data = TensorData::new(dropped, [1, kept.len()]);
                (site.ids[1], Tensor::from_data(data, &site.device)) // [1, r]
            };
            sites.map(mask).collect()
        });
        module.map(&mut Mask { masks })
    }
}

impl Site {
    pub(crate) fn rank(&self) -> usize {
        self.shapes[1][1]
    }
}

/// The gradients of the adapters, kept for [`RankAllocator::update_and_allocate`].
#[derive(Debug, Default)]
pub struct ImportanceGradients {
    by_id: HashMap<ParamId, Tensor<2>>,
}

fn count(kept: &[bool]) -> usize {
    kept.iter().filter(|k| **k).count()
}

/// The values of the parameters `ids` of `module`, without autodiff.
fn collect<M: Module>(module: &M, ids: impl Iterator<Item = ParamId>) -> HashMap<ParamId, Tensor<2>> {
    struct Collect {
        wanted: HashMap<ParamId, Option<Tensor<2>>>,
    }
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(value) = self.wanted.get_mut(&param.id) {
                let tensor = param.val().without_autodiff();
                let dims = tensor.dims();
                *value = Some(tensor.reshape([dims[0], dims[D - 1]])); // D is 2
            }
        }
    }
    let mut collect = Collect { wanted: ids.map(|id| (id, None)).collect() };
    module.visit(&mut collect);
    collect.wanted.into_iter().filter_map(|(id, value)| Some((id, value?))).collect()
}

/// A walk that gives parameters other values.
struct Replace {
    lambdas: HashMap<ParamId, Vec<f32>>,
}

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.lambdas.remove(&param.id) {
            None => param,
            Some(values) => param.map(|old| {
                let data = TensorData::new(values, old.shape());
                Tensor::from_data(data, (&old.device(), old.dtype())).set_require_grad(old.is_require_grad())
            }),
        }
    }
}

/// A walk that sets parameters to 0 where a mask is true.
struct Mask<'a> {
    masks: &'a HashMap<ParamId, Tensor<2, Bool>>,
}

impl ModuleMapper for Mask<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.masks.get(&param.id) {
            None => param,
            Some(mask) => param.map(|old| {
                let (mask, require_grad) = (mask.clone().reshape(old.dims()), old.is_require_grad());
                old.mask_fill(mask, 0.0).detach().set_require_grad(require_grad)
            }),
        }
    }
}
