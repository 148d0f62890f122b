//! Adapter folders: what PEFT writes and reads, and our own page beside it.
//!
//! ```text
//! my-adapter/
//!   adapter_config.json         the method and its settings, in PEFT's words
//!   adapter_model.safetensors   the adapters, and the modules that were trained whole
//!   genome_adapter.json         ours: which base, and whatever the caller needs to predict again
//! ```
//!
//! Formats: PEFT's checkpoint format, <https://huggingface.co/docs/peft/developer_guides/checkpoint>.

mod config;
mod genome;
pub mod json;
mod prompt;
mod read;
mod tensors;
mod write;

pub use config::FolderConfig;
pub use genome::{BaseModel, GenomeAdapter, sha256_of_files};
pub use prompt::{LoadedPrompt, PROMPT, PromptContents, prompt_tensors, write_prompt_folder};
pub use read::{AdapterFolder, Loaded};
pub(crate) use tensors::filled;
pub use tensors::{HostTensor, SiteTensors};
pub use write::{Contents, adapter_tensors, write_folder};

/// The method and its settings.
pub const CONFIG_FILE: &str = "adapter_config.json";
/// The tensors.
pub const TENSORS_FILE: &str = "adapter_model.safetensors";
/// The tensors as PEFT wrote them before safetensors; read, never written.
pub const LEGACY_FILE: &str = "adapter_model.bin";
/// Our own additions.
pub const GENOME_FILE: &str = "genome_adapter.json";

/// What PEFT puts before a module's path.
const PREFIX: &str = "base_model.model.";
