//! Adapters that have found their layers: the hooks of a forward pass.

use std::collections::HashMap;

use burn::module::{Module, ParamId};
use burn::nn::Linear;
use burn::tensor::Tensor;

use crate::{Adapters, Error, Hooks, LinearAdapter, Result, Site, sites};

impl<A: LinearAdapter> Adapters<A> {
    /// The adapters as hooks on `base`. Cheap enough for every step: it walks the names, not the values.
    ///
    /// # Errors
    /// [`Error::MissingSites`] naming every layer that `base` lacks, [`Error::SiteShape`], [`Error::TiedSites`].
    pub fn bind<M: Module>(&self, base: &M) -> Result<Bound<'_, A>> {
        self.bind_sites(&sites(base))
    }

    /// [`Adapters::bind`], from the base's sites.
    pub(crate) fn bind_sites(&self, sites: &[Site]) -> Result<Bound<'_, A>> {
        let by_path: HashMap<&str, &Site> = sites.iter().map(|s| (s.path.as_str(), s)).collect();
        let missing = |path: &&str| !by_path.contains_key(path);
        let paths: Vec<String> = self.iter().map(|(path, _)| path).filter(missing).map(str::to_owned).collect();
        if !paths.is_empty() {
            return Err(Error::MissingSites { paths });
        }
        let mut by_weight: HashMap<ParamId, (&str, &A)> = HashMap::with_capacity(self.len());
        for entry in &self.entries {
            let site = by_path[entry.path.as_str()]; // present: see `missing`
            if site.shape != entry.shape {
                let path = entry.path.clone();
                return Err(Error::SiteShape { path, expected: entry.shape, found: site.shape });
            }
            if let Some((first, _)) = by_weight.insert(site.id, (&entry.path, &entry.adapter)) {
                return Err(Error::TiedSites { first: first.to_owned(), second: entry.path.clone() });
            }
        }
        Ok(Bound { by_weight })
    }
}

/// [`Adapters`] bound to the layers of one base model.
///
/// A layer is known by its weight's identity, so the hooks serve any clone of the base, and a tied weight is
/// adapted wherever it is used.
#[derive(Debug)]
pub struct Bound<'a, A> {
    by_weight: HashMap<ParamId, (&'a str, &'a A)>,
}

impl<'a, A> Bound<'a, A> {
    /// The adapter of `layer`, if it has one.
    pub fn adapter(&self, layer: &Linear) -> Option<&'a A> {
        self.at(layer.weight.id)
    }

    pub(crate) fn at(&self, weight: ParamId) -> Option<&'a A> {
        self.by_weight.get(&weight).map(|(_, adapter)| *adapter)
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
        self.adapter(layer).is_none()
    }
}
