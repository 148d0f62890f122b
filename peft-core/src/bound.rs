//! Adapters that have found their layers: the hooks of a forward pass.

use std::collections::HashMap;
use std::ops::Deref;

use burn::module::{Module, Param, ParamId};
use burn::nn::{Embedding, Linear};
use burn::tensor::{Int, Tensor};

use crate::copies::{self, Value};
use crate::sites::all_sites;
use crate::{Adapters, Error, Hooks, LinearAdapter, Result, Site, SiteKind};

impl<A: LinearAdapter> Adapters<A> {
    /// The adapters as hooks on `base`. Cheap enough for every step: it walks the names, not the values.
    ///
    /// # Errors
    /// [`Error::MissingSites`] naming every layer that `base` lacks, [`Error::SiteShape`], [`Error::TiedSites`];
    /// [`Error::MissingParameters`], [`Error::ParameterShape`].
    pub fn bind<M: Module>(&self, base: &M) -> Result<Bound<'_, A>> {
        let found = Found::of(self, base)?;
        Ok(Bound { adapters: Held::Borrowed(self), found })
    }

    /// [`Adapters::bind`] for hooks that own their adapters: what stays resident on a base, such as in an
    /// [`crate::AdapterSet`].
    ///
    /// # Errors
    /// As [`Adapters::bind`].
    pub fn into_bound<M: Module>(self, base: &M) -> Result<Bound<'static, A>> {
        let found = Found::of(&self, base)?;
        Ok(Bound { adapters: Held::Owned(self), found })
    }
}

/// [`Adapters`] bound to the layers of one base model.
///
/// A layer is known by its weight's identity, so the hooks serve any clone of the base, and a tied weight is
/// adapted wherever it is used.
#[derive(Debug)]
pub struct Bound<'a, A> {
    adapters: Held<'a, A>,
    found: Found,
}

#[derive(Debug)]
enum Held<'a, A> {
    Borrowed(&'a Adapters<A>),
    Owned(Adapters<A>),
}

impl<A> Deref for Held<'_, A> {
    type Target = Adapters<A>;

    fn deref(&self) -> &Adapters<A> {
        match self {
            Held::Borrowed(adapters) => adapters,
            Held::Owned(adapters) => adapters,
        }
    }
}

/// Which adapter and which copy belongs to which parameter of the base.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) entries: HashMap<ParamId, usize>,
    pub(crate) copies: HashMap<ParamId, usize>,
}

impl Found {
    pub(crate) fn of<A, M: Module>(adapters: &Adapters<A>, base: &M) -> Result<Self> {
        let sites = all_sites(base);
        let by_path: HashMap<(&str, SiteKind), &Site> = sites.iter().map(|s| ((s.path.as_str(), s.kind), s)).collect();
        let missing = |e: &&crate::adapters::Entry<A>| !by_path.contains_key(&(e.path.as_str(), e.kind));
        let paths: Vec<String> = adapters.entries.iter().filter(missing).map(|e| e.path.clone()).collect();
        if !paths.is_empty() {
            return Err(Error::MissingSites { paths });
        }
        let mut entries: HashMap<ParamId, usize> = HashMap::with_capacity(adapters.len());
        for (i, entry) in adapters.entries.iter().enumerate() {
            let site = by_path[&(entry.path.as_str(), entry.kind)]; // present: see `missing`
            if site.shape != entry.shape {
                let path = entry.path.clone();
                return Err(Error::SiteShape { path, expected: entry.shape, found: site.shape });
            }
            if let Some(first) = entries.insert(site.id, i) {
                let first = adapters.entries[first].path.clone();
                return Err(Error::TiedSites { first, second: entry.path.clone() });
            }
        }
        Ok(Found { entries, copies: copies::bind(&adapters.copies, base)? })
    }
}

impl<A> Bound<'_, A> {
    /// The adapter of `layer`, if it has one.
    pub fn adapter(&self, layer: &Linear) -> Option<&A> {
        self.at(layer.weight.id)
    }

    /// The adapter of an embedding table, if it has one.
    pub fn embedding_adapter(&self, layer: &Embedding) -> Option<&A> {
        self.at(layer.weight.id)
    }

    /// The adapter of the layer whose weight has the id `weight`.
    pub fn adapter_of(&self, weight: ParamId) -> Option<&A> {
        self.at(weight)
    }

    /// The adapters.
    pub fn adapters(&self) -> &Adapters<A> {
        &self.adapters
    }

    fn at(&self, weight: ParamId) -> Option<&A> {
        self.found.entries.get(&weight).map(|i| &self.adapters.entries[*i].adapter)
    }

    fn copy(&self, param: ParamId) -> Option<&Value> {
        self.found.copies.get(&param).map(|i| &self.adapters.copies[*i].value)
    }
}

impl<A: LinearAdapter> Hooks for Bound<'_, A> {
    fn before_linear(&self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
        match self.adapter(layer) {
            Some(adapter) => adapter.before(x),
            None => x,
        }
    }

    fn after_linear(&self, layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        match self.adapter(layer) {
            Some(adapter) => adapter.after(layer, x, y),
            None => y,
        }
    }

    fn skips(&self, layer: &Linear) -> bool {
        let own = |id: ParamId| self.found.copies.contains_key(&id);
        self.adapter(layer).is_none()
            && (self.found.copies.is_empty()
                || !(own(layer.weight.id) || layer.bias.as_ref().is_some_and(|b| own(b.id))))
    }

    fn own_vector(&self, base: &Param<Tensor<1>>) -> Option<Tensor<1>> {
        match self.copy(base.id)? {
            Value::Vector(own) => Some(own.val()),
            Value::Matrix(_) => None,
        }
    }

    fn own_matrix(&self, base: &Param<Tensor<2>>) -> Option<Tensor<2>> {
        match self.copy(base.id)? {
            Value::Matrix(own) => Some(own.val()),
            Value::Vector(_) => None,
        }
    }

    fn after_embedding(&self, layer: &Embedding, ids: &Tensor<2, Int>, y: Tensor<3>) -> Tensor<3> {
        match self.embedding_adapter(layer) {
            Some(adapter) => adapter.after_embedding(layer, ids, y),
            None => y,
        }
    }
}
