//! Many named adapter sets on one base: which are resident, and which of them act.

use std::collections::BTreeMap;
use std::fmt;

use burn::module::{Module, Param};
use burn::nn::{Embedding, Linear};
use burn::tensor::{Int, Tensor};

use crate::{Adapters, Error, Hooks, LinearAdapter, Result};

/// Named adapters on one base, of any methods. All stay resident; those that were switched on act, in the order in
/// which they were named, the first closest to the base.
///
/// Switching moves no values: it changes which names are on the list.
///
/// ```
/// # use burn::module::{Module, Param};
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor};
/// # use peft_core::{Adapters, LinearAdapter, Method, Result, Site, Targets};
/// # #[derive(Module, Debug)]
/// # struct Scale { s: Param<Tensor<1>> }
/// # impl LinearAdapter for Scale {
/// #     fn after(&self, _: &Linear, _x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> { y * self.s.val().reshape([1, 1, -1]) }
/// #     fn delta_weight(&self) -> Option<Tensor<2>> { None }
/// # }
/// # struct By(f32);
/// # impl Method for By {
/// #     type Adapter = Scale;
/// #     fn adapter_type(&self) -> &'static str { "SCALE" }
/// #     fn init(&self, site: &Site, _seed: [u8; 32], device: &Device) -> Result<Scale> {
/// #         Ok(Scale { s: Param::from_tensor(Tensor::full([site.d_out()], self.0, device)) })
/// #     }
/// # }
/// # #[derive(Module, Debug)]
/// # struct Model { query: Linear }
/// # let device = Device::default();
/// # let model = Model { query: LinearConfig::new(3, 4).init(&device) };
/// # let attach = |by| Adapters::attach(&model, &Targets::suffixes(["query"]).into(), &By(by), 7, &device);
/// use peft_core::{AdapterSet, Plain, linear};
///
/// let mut set = AdapterSet::new();
/// set.insert("double", attach(2.0)?, &model)?;
/// set.insert("triple", attach(3.0)?, &model)?;
///
/// let x = Tensor::<2>::ones([5, 3], &device);
/// let plain = linear(&Plain, &model.query, x.clone());
/// for (names, factor) in [(vec!["double"], 2.0), (vec!["triple"], 3.0), (vec!["double", "triple"], 6.0), (vec![], 1.0)] {
///     set.switch(names)?;
///     let y = linear(&set, &model.query, x.clone());
///     assert!((y - plain.clone() * factor).abs().max().into_scalar::<f32>() < 1e-6);
/// }
/// # Ok::<(), peft_core::Error>(())
/// ```
#[derive(Default)]
pub struct AdapterSet {
    resident: BTreeMap<String, Box<dyn Hooks + Send>>,
    active: Vec<String>,
    disabled: bool,
}

impl AdapterSet {
    /// A set without adapters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes `adapters` resident on `base` as `name`; they act once switched on. Adapters that had the name
    /// are dropped.
    ///
    /// # Errors
    /// What [`Adapters::bind`] says.
    pub fn insert<A, M>(&mut self, name: impl Into<String>, adapters: Adapters<A>, base: &M) -> Result<()>
    where
        A: LinearAdapter + Send + 'static,
        M: Module,
    {
        let bound = adapters.into_bound(base)?;
        self.insert_hooks(name, bound);
        Ok(())
    }

    /// Makes hooks of any kind resident as `name`, such as a prefix.
    pub fn insert_hooks(&mut self, name: impl Into<String>, hooks: impl Hooks + Send + 'static) {
        self.resident.insert(name.into(), Box::new(hooks));
    }

    /// From now on the adapters called `names` act and no others, the first closest to the base; without names, none.
    ///
    /// # Errors
    /// [`Error::NoAdapter`]; then nothing has changed.
    pub fn switch<S: Into<String>>(&mut self, names: impl IntoIterator<Item = S>) -> Result<()> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        match names.iter().find(|name| !self.resident.contains_key(*name)) {
            Some(name) => Err(self.unknown(name)),
            None => {
                self.active = names;
                Ok(())
            }
        }
    }

    /// Lets the base speak alone until [`AdapterSet::enable`]; what is switched on stays on the list.
    pub fn disable(&mut self) {
        self.disabled = true;
    }

    /// Undoes [`AdapterSet::disable`].
    pub fn enable(&mut self) {
        self.disabled = false;
    }

    /// Drops the adapters called `name`, switched on or not.
    ///
    /// # Errors
    /// [`Error::NoAdapter`].
    pub fn remove(&mut self, name: &str) -> Result<()> {
        self.resident.remove(name).ok_or_else(|| self.unknown(name))?;
        self.active.retain(|active| active != name);
        Ok(())
    }

    /// The names of what is resident, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.resident.keys().map(String::as_str)
    }

    /// The names of what acts; none while disabled.
    pub fn active(&self) -> impl Iterator<Item = &str> {
        self.acting().map(|(name, _)| name)
    }

    /// One resident's hooks, to use beside the set, whether switched on or not.
    ///
    /// # Errors
    /// [`Error::NoAdapter`].
    pub fn hooks(&self, name: &str) -> Result<&dyn Hooks> {
        self.resident.get(name).map(|h| h.as_ref() as &dyn Hooks).ok_or_else(|| self.unknown(name))
    }

    fn acting(&self) -> impl DoubleEndedIterator<Item = (&str, &(dyn Hooks + Send))> {
        let names: &[String] = if self.disabled { &[] } else { &self.active };
        names.iter().map(|name| (name.as_str(), self.resident[name].as_ref())) // `remove` keeps the list clean
    }

    fn each(&self) -> impl DoubleEndedIterator<Item = &(dyn Hooks + Send)> {
        self.acting().map(|(_, hooks)| hooks)
    }

    fn unknown(&self, name: &str) -> Error {
        Error::NoAdapter { name: name.to_owned(), resident: self.resident.keys().cloned().collect() }
    }
}

impl fmt::Debug for AdapterSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.resident.keys().collect();
        f.debug_struct("AdapterSet")
            .field("resident", &names)
            .field("active", &self.active)
            .field("disabled", &self.disabled)
            .finish()
    }
}

/// Those that act, stacked.
impl Hooks for AdapterSet {
    fn before_linear(&self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
        self.each().rev().fold(x, |x, h| h.before_linear(layer, x))
    }
    fn after_linear(&self, layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        self.each().fold(y, |y, h| h.after_linear(layer, x, y))
    }
    fn skips(&self, layer: &Linear) -> bool {
        self.each().all(|h| h.skips(layer))
    }
    fn own_vector(&self, base: &Param<Tensor<1>>) -> Option<Tensor<1>> {
        self.each().rev().find_map(|h| h.own_vector(base))
    }
    fn own_matrix(&self, base: &Param<Tensor<2>>) -> Option<Tensor<2>> {
        self.each().rev().find_map(|h| h.own_matrix(base))
    }
    fn after_embedding(&self, layer: &Embedding, ids: &Tensor<2, Int>, y: Tensor<3>) -> Tensor<3> {
        self.each().fold(y, |y, h| h.after_embedding(layer, ids, y))
    }
    fn key_value(&self, block: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        self.each().fold((k, v), |(k, v), h| h.key_value(block, k, v))
    }
    fn prefix_len(&self) -> usize {
        self.each().map(|h| h.prefix_len()).sum()
    }
    fn embeddings(&self, h: Tensor<3>) -> Tensor<3> {
        self.each().fold(h, |h, hooks| hooks.embeddings(h))
    }
    fn virtual_tokens(&self) -> usize {
        self.each().map(|h| h.virtual_tokens()).sum()
    }
}
