//! What can go wrong, one variant per cause.

use std::io;
use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that attaching, binding, merging, saving and loading adapters can report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A target (or one element of a target list) that names no linear layer of the model.
    #[error("target {pattern:?} matches no linear layer of the model{}", hint(near))]
    NoMatch {
        /// The pattern as it was written.
        pattern: String,
        /// Up to five layer paths that look like it, best first.
        near: Vec<String>,
    },
    /// A folder's settings that do not fit the base model.
    #[error("{}: {source}", file.display())]
    Settings {
        /// The folder's `adapter_config.json`.
        file: PathBuf,
        /// What does not fit.
        source: Box<Error>,
    },
    /// Targets that match layers of which the exclusions leave none.
    #[error("targets {targets} match {matched} linear layers, and every one of them is excluded")]
    AllExcluded {
        /// The targets as they were written.
        targets: String,
        /// How many layers they matched.
        matched: usize,
    },
    /// A target list without elements.
    #[error("the list of target modules is empty")]
    NoTargets,
    /// A target that is not a valid regular expression.
    #[error("target {pattern:?} is not a regular expression: {source}")]
    BadRegex {
        /// The pattern as it was written.
        pattern: String,
        /// What the parser says.
        source: Box<regex::Error>,
    },
    /// Adapters whose layers the base model does not have.
    #[error("the base model has no layer {}", paths.join(", "))]
    MissingSites {
        /// Every missing path.
        paths: Vec<String>,
    },
    /// Trained copies of parameters that the base model does not have.
    #[error("the base model has no parameter {}", names.join(", "))]
    MissingParameters {
        /// Every missing name.
        names: Vec<String>,
    },
    /// A trained copy of a parameter that has another shape in the base model.
    #[error("{name}: the trained copy is {expected:?}, the base model's parameter is {found:?}")]
    ParameterShape {
        /// The parameter's published name.
        name: String,
        /// The shape of the copy, in Burn's layout.
        expected: Vec<usize>,
        /// The shape in the base model.
        found: Vec<usize>,
    },
    /// A parameter of the base that was to be trained as it is, and cannot be copied.
    #[error("{name}: cannot be trained as it is: {reason}")]
    NotCopied {
        /// The parameter's published name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A name that no resident adapters have.
    #[error("no adapters are called {name:?}; resident: {}", resident.join(", "))]
    NoAdapter {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        resident: Vec<String>,
    },
    /// Adapters that cannot share a batch with others.
    #[error("adapters number {index} cannot be used row by row: {reason}")]
    NotMixed {
        /// Which of the adapters, from 0.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// Adapters that cannot be combined into one.
    #[error("adapters number {index} cannot be combined with the others: {reason}")]
    NotCombined {
        /// Which of the adapters, from 0.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// An adapter made for a layer of another shape.
    #[error("{path}: the adapter is for a layer {expected:?} [d_in, d_out], the base model's is {found:?}")]
    SiteShape {
        /// The layer.
        path: String,
        /// The shape the adapter was made for.
        expected: [usize; 2],
        /// The shape of the base model's layer.
        found: [usize; 2],
    },
    /// Two adapters whose layers are one and the same weight in this base model.
    #[error("{first} and {second} are one tied weight in this base model, but each has its own adapter")]
    TiedSites {
        /// The path of the first adapter.
        first: String,
        /// The path of the second adapter.
        second: String,
    },
    /// Two layers that carry one parameter id but not the same values (cloned, then loaded apart).
    #[error(
        "{first} and {second} share a parameter id but not their values; \
         initialise the two layers separately instead of cloning one"
    )]
    SharedId {
        /// The first layer.
        first: String,
        /// The second layer.
        second: String,
    },
    /// A method that cannot be applied to a layer, for instance because its rank is too large.
    #[error("{path} [d_in {}, d_out {}]: {reason}", shape[0], shape[1])]
    Method {
        /// The layer.
        path: String,
        /// Its shape, [d_in, d_out].
        shape: [usize; 2],
        /// Why not.
        reason: String,
    },
    /// An adapter that cannot be written into the base weight.
    #[error("{path}: cannot be merged: {reason}")]
    NotMergeable {
        /// The layer.
        path: String,
        /// Why not.
        reason: String,
    },
    /// A field of a configuration with a value that is not supported or makes no sense.
    #[error("{field} = {value}: {reason}")]
    Config {
        /// The field as PEFT's JSON names it.
        field: String,
        /// Its value as JSON.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A field of `adapter_config.json` that this crate does not know and whose value is not empty.
    #[error(
        "{}: unknown field {field:?} = {value}{}; ignoring it would change the adapter",
        file.display(),
        meant(near)
    )]
    UnknownField {
        /// The file.
        file: PathBuf,
        /// The field.
        field: String,
        /// Its value as JSON.
        value: String,
        /// A field that is known and looks like it.
        near: Option<&'static str>,
    },
    /// A configuration written for another method.
    #[error("{}: peft_type is {found:?}, not {expected:?}", file.display())]
    OtherMethod {
        /// The file.
        file: PathBuf,
        /// The method that was asked for.
        expected: String,
        /// The method of the folder.
        found: String,
    },
    /// A JSON file that does not parse.
    #[error("{}: {source}", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// What the parser says, with line and column.
        source: serde_json::Error,
    },
    /// A file that the operating system would not read or write.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file or directory.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of tensors that is damaged or not one at all.
    #[error("{}: {reason}", file.display())]
    Tensors {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor that should be in the file.
    #[error("{}: tensor {name} is missing", file.display())]
    MissingTensor {
        /// The file.
        file: PathBuf,
        /// The tensor.
        name: String,
    },
    /// Tensors in the file that belong to no adapter and no saved module.
    #[error("{}: unexpected {}: no adapter and no entry of modules_to_save owns it", file.display(), names.join(", "))]
    UnexpectedTensors {
        /// The file.
        file: PathBuf,
        /// The tensors, sorted.
        names: Vec<String>,
    },
    /// A tensor of another shape than its adapter or parameter.
    #[error("{}: tensor {name} is {found:?}, expected {expected:?}", file.display())]
    TensorShape {
        /// The file.
        file: PathBuf,
        /// The tensor; its name is the parameter path behind `base_model.model.`.
        name: String,
        /// The shape the adapter needs, in torch's layout.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor of a type that is not read.
    #[error("{}: tensor {name} has dtype {dtype}; F32, F16 and BF16 are read", file.display())]
    TensorType {
        /// The file.
        file: PathBuf,
        /// The tensor.
        name: String,
        /// Its dtype as safetensors names it.
        dtype: String,
    },
    /// A tensor with a NaN or an infinity in it.
    #[error("{}: tensor {name} has {value} at element {index}", file.display())]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// The tensor.
        name: String,
        /// The first such element, in row-major order.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// An adapter of an embedding table that was trained beside another table.
    #[error(
        "{path}: the adapter was trained beside a table {expected:?}, the base model's is {found:?}{}",
        difference.map_or_else(String::new, |d| format!(", and values differ by up to {d}"))
    )]
    OtherEmbeddings {
        /// The table.
        path: String,
        /// The shape of the table in the folder.
        expected: Vec<usize>,
        /// The shape of the base model's.
        found: Vec<usize>,
        /// The largest difference of values, where the shapes agree.
        difference: Option<f32>,
    },
    /// An adapter that was trained on another base model.
    #[error("{}: made for another base: expected {name:?} with sha256 {expected}, found sha256 {found}", file.display())]
    OtherBase {
        /// The adapter's `genome_adapter.json`.
        file: PathBuf,
        /// Name or path of the base that the adapter was trained on.
        name: String,
        /// SHA-256 of the base that the adapter was trained on.
        expected: String,
        /// SHA-256 of the base at hand.
        found: String,
    },
    /// A `genome_adapter.json` of a later version.
    #[error("{}: format_version {found} is newer than {supported}, which this program reads", file.display())]
    FormatVersion {
        /// The file.
        file: PathBuf,
        /// The version in the file.
        found: u64,
        /// The latest version that is read.
        supported: u64,
    },
    /// A place that a new adapter folder must not replace.
    #[error("{}: will not be replaced: {reason}", path.display())]
    WontReplace {
        /// The place.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl Error {
    /// An [`Error::Io`] about `file`; for `map_err`.
    pub fn io(file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let file = file.into();
        move |source| Error::Io { file, source }
    }

    /// An [`Error::Config`] about one field.
    pub fn config(field: impl Into<String>, value: impl ToString, reason: impl Into<String>) -> Error {
        Error::Config { field: field.into(), value: value.to_string(), reason: reason.into() }
    }

    /// True if the adapters do not fit the base model at hand (as opposed to a damaged file).
    pub fn is_mismatch(&self) -> bool {
        matches!(
            self,
            Error::MissingSites { .. }
                | Error::SiteShape { .. }
                | Error::TiedSites { .. }
                | Error::OtherBase { .. }
                | Error::MissingParameters { .. }
                | Error::ParameterShape { .. }
        )
    }
}

fn hint(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; near it: {}", near.join(", ")),
    }
}

fn meant(near: &Option<&'static str>) -> String {
    near.map_or_else(String::new, |near| format!(" (is {near:?} meant?)"))
}
