//! The adapters of one method on one model: a module of their own, keyed by the paths of the layers.

use std::collections::HashSet;
use std::fmt;

use burn::module::{Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor};
use burn::tensor::Device;

use crate::copies::{Copied, copies_of, for_both};
use crate::sites::{all_sites, base_layers, check_ties};
use crate::{HostTensor, LinearAdapter, Method, Result, Selection, Site, SiteKind, site_seed, sites};

/// The adapters of one method on one model.
///
/// They are a [`Module`] without the base: the optimizer, a record and the adapter folder see adapter weights
/// only. In records a parameter is called `<layer path>.<adapter field>`.
///
/// # Tied layers
/// Two layers of one parameter id are one weight. [`Adapters::attach`] gives such a weight one adapter, under
/// the first selected path that leads to it; [`Adapters::bind`] applies it wherever the weight is used,
/// and [`Adapters::merge`] adds it once and leaves the layers tied.
///
/// # Parameters that are trained as they are
/// Where a method asks for it ([`Method::copies`]: biases, `modules_to_save`), the adapters also hold trainable copies
/// of parameters of the base, which stand in for them in a forward pass. In records they have the published names.
#[derive(Clone, Debug)]
pub struct Adapters<A> {
    pub(crate) entries: Vec<Entry<A>>,
    pub(crate) copies: Vec<Copied>,
}

/// One adapter and the layer it is for.
#[derive(Clone, Debug)]
pub(crate) struct Entry<A> {
    pub(crate) path: String,
    pub(crate) shape: [usize; 2], // [d_in, d_out]
    pub(crate) kind: SiteKind,
    pub(crate) adapter: A,
}

impl<A: LinearAdapter> Adapters<A> {
    /// New adapters, as training starts, for the layers of `base` that `selection` means.
    ///
    /// For training, let `device` be the base's with autodiff, `device.autodiff()`; the base itself may stay
    /// without. Start values follow from `seed` and each layer's path alone (see [`site_seed`]).
    ///
    /// # Errors
    /// What [`Selection::select`] and [`Method::init`] say; [`crate::Error::SharedId`], [`crate::Error::NotCopied`].
    pub fn attach<M: Module>(
        base: &M,
        selection: &Selection,
        method: &impl Method<Adapter = A>,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let candidates = if method.adapts_embeddings() { all_sites(base) } else { sites(base) };
        let selected = selection.select(&candidates)?;
        check_ties(base, &selected)?;
        let values = if method.reads_base() { base_layers(base, &selected) } else { Default::default() };
        let mut adapters = Self::each_site(&selected, seed, |site, seed| match values.get(&site.path) {
            Some(layer) => method.init_from(site, layer, seed, device),
            None => method.init(site, seed, device),
        })?;
        let adapted = selected.iter().map(|s| s.path.as_str()).collect();
        adapters.copies = copies_of(base, &method.copies(), &adapted, device)?;
        Ok(adapters)
    }

    /// New adapters for `sites`, of which those with the same weight get one, under the first path. Without a base
    /// there is nothing to copy, and a method that starts from the base's values refuses.
    ///
    /// # Errors
    /// What [`Method::init`] says.
    pub fn at_sites(sites: &[Site], method: &impl Method<Adapter = A>, seed: u64, device: &Device) -> Result<Self> {
        Self::each_site(sites, seed, |site, seed| method.init(site, seed, device))
    }

    fn each_site(sites: &[Site], seed: u64, init: impl Fn(&Site, [u8; 32]) -> Result<A>) -> Result<Self> {
        let mut weights = HashSet::new();
        let entries = (sites.iter())
            .filter(|site| weights.insert(site.id))
            .map(|site| {
                let adapter = init(site, site_seed(seed, &site.path))?;
                Ok(Entry { path: site.path.clone(), shape: site.shape, kind: site.kind, adapter })
            })
            .collect::<Result<_>>()?;
        Ok(Adapters { entries, copies: Vec::new() })
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

    /// The parameters of the base of which trainable copies are here: the published name of each, and its value in
    /// torch's layout.
    pub fn copies(&self) -> impl Iterator<Item = (&str, HostTensor)> {
        self.copies.iter().map(|c| (c.name.as_str(), c.to_host()))
    }

    /// These adapters with the trained copies of parameters that `other` holds, in place of their own.
    pub fn with_copies_of<B>(self, other: &Adapters<B>) -> Self {
        Adapters { copies: other.copies.clone(), ..self }
    }

    /// What kind of layer the one at `path` is, if it has an adapter.
    pub fn kind(&self, path: &str) -> Option<SiteKind> {
        self.entries.iter().find(|e| e.path == path).map(|e| e.kind)
    }

    /// The adapters, each replaced by what `change` makes of it: what a rank allocator needs.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn try_map<E>(self, mut change: impl FnMut(&str, A) -> Result<A, E>) -> Result<Self, E> {
        let entries = (self.entries.into_iter())
            .map(|Entry { path, shape, kind, adapter }| {
                let adapter = change(&path, adapter)?;
                Ok(Entry { path, shape, kind, adapter })
            })
            .collect::<Result<_, E>>()?;
        Ok(Adapters { entries, copies: self.copies })
    }

    /// Adapters of another kind on the same layers, each made from what is there; the copies stay.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn try_replace<B, E>(self, mut change: impl FnMut(&str, A) -> Result<B, E>) -> Result<Adapters<B>, E> {
        let entries = (self.entries.into_iter())
            .map(|Entry { path, shape, kind, adapter }| {
                let adapter = change(&path, adapter)?;
                Ok(Entry { path, shape, kind, adapter })
            })
            .collect::<Result<_, E>>()?;
        Ok(Adapters { entries, copies: self.copies })
    }
}

/// The same for every adapter and every copy.
macro_rules! for_all {
    ($self:ident, $it:ident => $what:expr) => {{
        let entries = $self.entries.into_iter().map(|e| {
            let $it = e.adapter;
            Entry { adapter: $what, path: e.path, shape: e.shape, kind: e.kind }
        });
        let entries = entries.collect();
        let copies = $self.copies.into_iter().map(|c| Copied { value: for_both!(map c.value, $it => $what), ..c });
        Adapters { entries, copies: copies.collect() }
    }};
}

/// What a walk is told it is in, between the layer's path and the adapter's own fields.
const CONTAINER: &str = "Struct:Adapters";

// By hand, so that parameters are named after the layers and not `entries.0.adapter.<field>`.
impl<A: LinearAdapter> Module for Adapters<A> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        let devices = self.entries.iter().fold(devices, |devices, e| e.adapter.collect_devices(devices));
        self.copies.iter().fold(devices, |devices, c| for_both!(&c.value, p => p.collect_devices(devices)))
    }

    fn fork(self, device: &Device) -> Self {
        for_all!(self, it => it.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        for_all!(self, it => it.to_device(device))
    }

    fn train(self) -> Self {
        for_all!(self, it => it.train())
    }

    fn valid(&self) -> Self {
        let this = self.clone();
        for_all!(this, it => it.valid())
    }

    fn materialize(self) -> Self {
        for_all!(self, it => it.materialize())
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for Entry { path, adapter, .. } in &self.entries {
            path.split('.').for_each(|segment| visitor.enter_module(segment, CONTAINER));
            adapter.visit(visitor);
            path.rsplit('.').for_each(|segment| visitor.exit_module(segment, CONTAINER));
        }
        for Copied { name, value, .. } in &self.copies {
            name.split('.').for_each(|segment| visitor.enter_module(segment, CONTAINER));
            for_both!(value, p => p.visit(visitor));
            name.rsplit('.').for_each(|segment| visitor.exit_module(segment, CONTAINER));
        }
    }

    fn map<T: ModuleMapper>(self, mapper: &mut T) -> Self {
        let mut entries = Vec::with_capacity(self.entries.len());
        for Entry { path, shape, kind, adapter } in self.entries {
            path.split('.').for_each(|segment| mapper.enter_module(segment, CONTAINER));
            let adapter = adapter.map(mapper);
            path.rsplit('.').for_each(|segment| mapper.exit_module(segment, CONTAINER));
            entries.push(Entry { path, shape, kind, adapter });
        }
        let mut copies = Vec::with_capacity(self.copies.len());
        for copied in self.copies {
            copied.name.split('.').for_each(|segment| mapper.enter_module(segment, CONTAINER));
            let value = for_both!(map copied.value, p => Module::map(p, mapper));
            copied.name.rsplit('.').for_each(|segment| mapper.exit_module(segment, CONTAINER));
            copies.push(Copied { value, ..copied });
        }
        Adapters { entries, copies }
    }
}

impl<A: LinearAdapter> ModuleDisplayDefault for Adapters<A> {
    fn content(&self, content: Content) -> Option<Content> {
        let content = content.set_top_level_type("Adapters");
        let content = self.entries.iter().fold(content, |content, e| content.add(&e.path, &e.adapter));
        (self.copies.iter()).fold(content, |content, c| for_both!(&c.value, p => content.add(&c.name, p))).optional()
    }
}

impl<A: LinearAdapter> ModuleDisplay for Adapters<A> {}

impl<A: LinearAdapter> fmt::Display for Adapters<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ModuleDisplay::format(self, Default::default()))
    }
}
