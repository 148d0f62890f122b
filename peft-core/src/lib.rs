//! The seam between models and parameter-efficient fine-tuning methods, and the adapter folder.
//!
//! A model calls [`linear`] (and the rest of [`Hooks`]) where it can be adapted, and knows no method. A method
//! implements [`LinearAdapter`] and [`Method`], and knows no model. The base stays frozen and whole; adapters are a
//! module of their own, [`Adapters`], so that the optimizer and the files see nothing else, and one base serves
//! any number of them.
//!
//! ```
//! use burn::module::{Module, Param};
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor};
//! use peft_core::{Adapters, LinearAdapter, Method, Plain, Result, Site, Targets, linear};
//!
//! /// A method: y ↦ y · s.
//! #[derive(Module, Debug)]
//! struct Scale {
//!     s: Param<Tensor<1>>, // [d_out]
//! }
//! impl LinearAdapter for Scale {
//!     fn after(&self, _: &Linear, _x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
//!         y * self.s.val().reshape([1, 1, -1])
//!     }
//!     fn delta_weight(&self) -> Option<Tensor<2>> {
//!         None // no sum, so nothing to add
//!     }
//! }
//! struct Twice;
//! impl Method for Twice {
//!     type Adapter = Scale;
//!     fn adapter_type(&self) -> &'static str {
//!         "SCALE"
//!     }
//!     fn init(&self, site: &Site, _seed: [u8; 32], device: &Device) -> Result<Scale> {
//!         Ok(Scale { s: Param::from_tensor(Tensor::full([site.d_out()], 2.0, device)) })
//!     }
//! }
//!
//! /// A model.
//! #[derive(Module, Debug)]
//! struct Model {
//!     query: Linear,
//! }
//!
//! let device = Device::default();
//! let model = Model { query: LinearConfig::new(3, 4).init(&device) };
//! let adapters = Adapters::attach(&model, &Targets::suffixes(["query"]).into(), &Twice, 7, &device)?;
//! let x = Tensor::<2>::ones([5, 3], &device);
//! let plain = linear(&Plain, &model.query, x.clone()); // [5, 4]
//! let adapted = linear(&adapters.bind(&model)?, &model.query, x); // [5, 4]
//! assert_eq!(adapted.to_data(), (plain * 2.0).to_data());
//! # Ok::<(), peft_core::Error>(())
//! ```
//!
//! # Map
//! | file | idea |
//! |---|---|
//! | `hooks` | [`Hooks`]: what a model asks; [`linear`], [`layer_norm`], [`embedding`], [`Plain`], stacks of hooks |
//! | `sites` | [`sites`], [`all_sites`]: the layers of a model under their published paths |
//! | `target` | [`Targets`], [`Selection`]: which of them, in PEFT's words; typos are errors with near names |
//! | `adapter` | [`LinearAdapter`], [`Method`], [`FolderAdapter`]: what a method implements |
//! | `adapters` | [`Adapters`]: a method's adapters on one model, as a Burn module |
//! | `copies` | [`CopyRule`]: biases and whole modules of the base that are trained as they are |
//! | `bound` | [`Bound`]: adapters that found their layers, as hooks |
//! | `registry` | [`AdapterSet`]: named adapters on one base, switched without moving a value |
//! | `merge` | [`Adapters::merge`]: into the weights, with a [`MergeReport`]; [`Adapters::merge_keeping`] and back |
//! | `seed` | [`site_seed`]: one seed for a run, one stream for each layer |
//! | [`folder`] | PEFT's adapter folder, and `genome_adapter.json` beside it |
//! | `error` | [`Error`]: one variant per cause |

mod adapter;
mod adapters;
mod bound;
mod copies;
mod error;
pub mod folder;
mod hooks;
mod merge;
mod registry;
mod seed;
mod sites;
mod target;

pub use adapter::{FolderAdapter, LinearAdapter, Method};
pub use adapters::Adapters;
pub use bound::Bound;
pub use copies::{Bias, CopyRule};
pub use error::{Error, Result};
pub use folder::{
    AdapterFolder, BaseModel, Contents, FolderConfig, GenomeAdapter, HostTensor, Loaded, LoadedPrompt, PromptContents,
    SiteTensors, sha256_of_files, write_folder, write_prompt_folder,
};
pub use hooks::{Hooks, Plain, embedding, layer_norm, linear, matrix, vector};
pub use merge::{MergeReport, Merged, MergedSite, PROBE_ROWS};
pub use registry::AdapterSet;
pub use seed::site_seed;
pub use sites::{BaseLayer, Site, SiteKind, all_sites, plain_values, published, sites, weights_of};
pub use target::{Layers, Selection, Targets};
