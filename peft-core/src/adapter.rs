//! What a method crate implements: one adapter on one layer, and the method that makes them.

use burn::module::{Module, ModuleDisplay};
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Int, Tensor};

use crate::{BaseLayer, CopyRule, Error, HostTensor, Result, Site, SiteTensors};

/// One adapter on one linear layer. A method crate implements this for a `#[derive(Module)]` struct.
///
/// The base layer is evaluated by the model, once; an adapter sees what enters it and what leaves it.
pub trait LinearAdapter: Module + ModuleDisplay + Sync {
    /// Changes what enters the layer. `x`: [batch, seq, d_in].
    fn before(&self, x: Tensor<3>) -> Tensor<3> {
        x
    }

    /// Changes what leaves the layer: from `x` [batch, seq, d_in], which entered it, and `y`
    /// [batch, seq, d_out], which it made of `x`, to [batch, seq, d_out].
    fn after(&self, layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3>;

    /// Changes what an embedding table gives, for methods of which [`Method::adapts_embeddings`] is true.
    /// `ids`: [batch, seq]; `y`: their rows, [batch, seq, d_model].
    fn after_embedding(&self, _layer: &Embedding, _ids: &Tensor<2, Int>, y: Tensor<3>) -> Tensor<3> {
        y
    }

    /// What the adapter adds to the weight, [d_in, d_out]; `None` if its effect is not a sum.
    fn delta_weight(&self) -> Option<Tensor<2>>;

    /// The weight that does alone what `w` [d_in, d_out] and the adapter do together.
    ///
    /// # Errors
    /// [`Error::NotMergeable`] if there is none; by default where [`LinearAdapter::delta_weight`] is `None`.
    fn merged_weight(&self, w: Tensor<2>) -> Result<Tensor<2>> {
        match self.delta_weight() {
            Some(delta) => Ok(w + delta), // [d_in, d_out]
            None => Err(Error::NotMergeable { path: String::new(), reason: "the method has no merged form".into() }),
        }
    }

    /// The bias that does alone what `b` and the adapter do together, of shape `[d_out]`; by default `b`. A layer
    /// without a bias is asked with zeros, and cannot be merged if it gets anything else back.
    ///
    /// # Errors
    /// [`Error::NotMergeable`] if there is none.
    fn merged_bias(&self, b: Tensor<1>) -> Result<Tensor<1>> {
        Ok(b)
    }
}

/// Makes adapters; what a method's configuration implements.
pub trait Method {
    /// The adapter of one layer.
    type Adapter: LinearAdapter;

    /// The method's name in `adapter_config.json`, PEFT's `peft_type`: `LORA`.
    fn adapter_type(&self) -> &'static str;

    /// The adapter of `site` as training starts, on `device`. Random numbers come from `seed` alone, which
    /// is the site's own (see [`crate::site_seed`]).
    ///
    /// # Errors
    /// [`Error::Method`] if the method does not fit the layer (see [`Site::refuse`]), or [`Error::Config`].
    fn init(&self, site: &Site, seed: [u8; 32], device: &Device) -> Result<Self::Adapter>;

    /// True for a method that starts from the base's values: [`Method::init_from`] is then called with them.
    /// Default false.
    fn reads_base(&self) -> bool {
        false
    }

    /// [`Method::init`] with the values of the layer at hand; by default they are not looked at.
    ///
    /// # Errors
    /// As [`Method::init`].
    fn init_from(&self, site: &Site, _base: &BaseLayer, seed: [u8; 32], device: &Device) -> Result<Self::Adapter> {
        self.init(site, seed, device)
    }

    /// True if embedding tables can be targets too. Default false.
    fn adapts_embeddings(&self) -> bool {
        false
    }

    /// Which parameters of the base are trained as they are, beside the adapters. Default none.
    fn copies(&self) -> CopyRule {
        CopyRule::default()
    }
}

/// An adapter that can be written to an adapter folder.
pub trait FolderAdapter: LinearAdapter {
    /// The tensors in torch's layout, each with its suffix behind the layer's path: `lora_A.weight`.
    fn tensors(&self) -> Vec<(String, HostTensor)>;

    /// The adapter with the tensors of a folder, in torch's layout, in place of its own; parameter ids,
    /// device and gradient settings stay. Ask with the shapes of the adapter at hand.
    ///
    /// # Errors
    /// What [`SiteTensors::take`] says.
    fn with_tensors(self, tensors: &mut SiteTensors<'_>) -> Result<Self>;
}
