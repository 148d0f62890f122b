//! The adapters of one method on one model: a module of their own, keyed by the paths of the layers.

use std::collections::HashSet;
use std::fmt;

use burn::module::{Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::tensor::Device;

use crate::sites::check_ties;
use crate::{LinearAdapter, Method, Result, Selection, Site, site_seed, sites};

/// The adapters of one method on one model.
///
/// They are a [`Module`] without the base: the optimizer, a record and the adapter folder see adapter weights
/// only. In records a parameter is called `<layer path>.<adapter field>`.
///
/// # Tied layers
/// Two layers of one parameter id are one weight. [`Adapters::attach`] gives such a weight one adapter, under
/// the first selected path that leads to it; [`Adapters::bind`] applies it wherever the weight is used,
/// and [`Adapters::merge`] adds it once and leaves the layers tied.
#[derive(Clone, Debug)]
pub struct Adapters<A> {
    pub(crate) entries: Vec<Entry<A>>,
}

/// One adapter and the layer it is for.
#[derive(Clone, Debug)]
pub(crate) struct Entry<A> {
    pub(crate) path: String,
    pub(crate) shape: [usize; 2], // [d_in, d_out]
    pub(crate) adapter: A,
}

impl<A: LinearAdapter> Adapters<A> {
    /// New adapters, as training starts, for the layers of `base` that `selection` means.
    ///
    /// For training, let `device` be the base's with autodiff, `device.autodiff()`; the base itself may stay
    /// without. Start values follow from `seed` and each layer's path alone (see [`site_seed`]).
    ///
    /// # Errors
    /// What [`Selection::select`] and [`Method::init`] say; [`crate::Error::SharedId`].
    pub fn attach<M: Module>(
        base: &M,
        selection: &Selection,
        method: &impl Method<Adapter = A>,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let selected = selection.select(&sites(base))?;
        check_ties(base, &selected)?;
        Self::at_sites(&selected, method, seed, device)
    }

    /// New adapters for `sites`, of which those with the same weight get one, under the first path.
    ///
    /// # Errors
    /// What [`Method::init`] says.
    pub fn at_sites(sites: &[Site], method: &impl Method<Adapter = A>, seed: u64, device: &Device) -> Result<Self> {
        let mut weights = HashSet::new();
        let entries = (sites.iter())
            .filter(|site| weights.insert(site.id))
            .map(|site| {
                let adapter = method.init(site, site_seed(seed, &site.path), device)?;
                Ok(Entry { path: site.path.clone(), shape: site.shape, adapter })
            })
            .collect::<Result<_>>()?;
        Ok(Adapters { entries })
    }
}

impl<A> Adapters<A> {
    /// How many layers are adapted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if no layer is adapted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The adapter of the layer at `path`.
    pub fn get(&self, path: &str) -> Option<&A> {
        self.entries.iter().find(|e| e.path == path).map(|e| &e.adapter)
    }

    /// Each layer's path and adapter, in the order of the model.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &A)> {
        self.entries.iter().map(|e| (e.path.as_str(), &e.adapter))
    }

    /// Each layer's path and shape, [d_in, d_out], in the order of the model.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, [usize; 2])> {
        self.entries.iter().map(|e| (e.path.as_str(), e.shape))
    }

    /// The adapters, each replaced by what `change` makes of it: what a rank allocator needs.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn try_map<E>(self, mut change: impl FnMut(&str, A) -> Result<A, E>) -> Result<Self, E> {
        let entries = (self.entries.into_iter())
            .map(|Entry { path, shape, adapter }| {
                let adapter = change(&path, adapter)?;
                Ok(Entry { path, shape, adapter })
            })
            .collect::<Result<_, E>>()?;
        Ok(Adapters { entries })
    }

    fn map_each(self, change: impl Fn(A) -> A) -> Self {
        let entries = self.entries.into_iter().map(|e| Entry { adapter: change(e.adapter), ..e });
        Adapters { entries: entries.collect() }
    }
}

/// What a walk is told it is in, between the layer's path and the adapter's own fields.
const CONTAINER: &str = "Struct:Adapters";

// By hand, so that parameters are named after the layers and not `entries.0.adapter.<field>`.
impl<A: LinearAdapter> Module for Adapters<A> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.entries.iter().fold(devices, |devices, e| e.adapter.collect_devices(devices))
    }

    fn fork(self, device: &Device) -> Self {
        self.map_each(|a| a.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.map_each(|a| a.to_device(device))
    }

    fn train(self) -> Self {
        self.map_each(Module::train)
    }

    fn valid(&self) -> Self {
        let valid = |e: &Entry<A>| Entry { path: e.path.clone(), shape: e.shape, adapter: e.adapter.valid() };
        Adapters { entries: self.entries.iter().map(valid).collect() }
    }

    fn materialize(self) -> Self {
        self.map_each(Module::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for Entry { path, adapter, .. } in &self.entries {
            path.split('.').for_each(|segment| visitor.enter_module(segment, CONTAINER));
            adapter.visit(visitor);
            path.rsplit('.').for_each(|segment| visitor.exit_module(segment, CONTAINER));
        }
    }

    fn map<T: ModuleMapper>(self, mapper: &mut T) -> Self {
        let mut entries = Vec::with_capacity(self.entries.len());
        for Entry { path, shape, adapter } in self.entries {
            path.split('.').for_each(|segment| mapper.enter_module(segment, CONTAINER));
            let adapter = adapter.map(mapper);
            path.rsplit('.').for_each(|segment| mapper.exit_module(segment, CONTAINER));
            entries.push(Entry { path, shape, adapter });
        }
        Adapters { entries }
    }
}

impl<A: LinearAdapter> ModuleDisplayDefault for Adapters<A> {
    fn content(&self, content: Content) -> Option<Content> {
        let content = content.set_top_level_type("Adapters");
        self.entries.iter().fold(content, |content, e| content.add(&e.path, &e.adapter)).optional()
    }
}

impl<A: LinearAdapter> ModuleDisplay for Adapters<A> {}

impl<A: LinearAdapter> fmt::Display for Adapters<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ModuleDisplay::format(self, Default::default()))
    }
}
