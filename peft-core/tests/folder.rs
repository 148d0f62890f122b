//! Adapter folders: what is written is read, and what is wrong is named.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use common::*;
use peft_core::folder::{CONFIG_FILE, GENOME_FILE, TENSORS_FILE};
use peft_core::{
    AdapterFolder, Adapters, BaseModel, Contents, Error, GenomeAdapter, HostTensor, Selection, Targets,
    sha256_of_files, write_folder,
};
use serde_json::{Value, json};

fn head() -> BTreeMap<String, HostTensor> {
    let weight = HostTensor::new([2, D_OUT], (0..6).map(|i| i as f32).collect()).unwrap();
    BTreeMap::from([
        ("head.weight".into(), weight),
        ("head.bias".into(), HostTensor::new([2], vec![0.5, -0.0]).unwrap()),
    ])
}

fn page() -> GenomeAdapter {
    let base = BaseModel { sha256: "ab".repeat(32), name: "toy".into() };
    GenomeAdapter::new(Some(base), json!({"labels": ["promoter", "other"]}))
}

fn write(dir: &Path, adapters: &Adapters<Scale>) -> Result<(), Error> {
    let contents = Contents {
        config: &ScaleMethod::everywhere(),
        adapters,
        base_model: Some("models/toy"),
        modules: &head(),
        genome: Some(&page()),
    };
    write_folder(dir, &contents)
}

/// A good folder, and the adapters in it.
fn written() -> (tempfile::TempDir, std::path::PathBuf, Toy, Adapters<Scale>) {
    let device = Device::default();
    let base = Toy::new(&device);
    let adapters = scales(&base, 1, &device);
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("adapter");
    write(&dir, &adapters).unwrap();
    (parent, dir, base, adapters)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn config_of(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join(CONFIG_FILE)).unwrap()).unwrap()
}

fn with_config(dir: &Path, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Result<ScaleMethod, Error> {
    let mut config = config_of(dir);
    change(config.as_object_mut().unwrap());
    fs::write(dir.join(CONFIG_FILE), config.to_string()).unwrap();
    AdapterFolder::read(dir)?.config()
}

#[test]
fn a_folder_comes_back_bit_by_bit() {
    let (parent, dir, base, adapters) = written();
    assert_eq!(names(parent.path()), ["adapter"], "nothing temporary is left");
    assert_eq!(names(&dir), [CONFIG_FILE, TENSORS_FILE, GENOME_FILE]);
    assert_eq!(
        config_of(&dir),
        json!({
            "peft_type": "SCALE",
            "base_model_name_or_path": "models/toy",
            "inference_mode": true,
            "target_modules": "all-linear",
            "modules_to_save": ["head"],
        })
    );

    let folder = AdapterFolder::read(&dir).unwrap();
    assert_eq!((folder.peft_type(), folder.base_model()), ("SCALE", Some("models/toy")));
    assert_eq!(folder.genome(), Some(&page()));
    let config: ScaleMethod = folder.config().unwrap();
    assert_eq!(config, ScaleMethod::everywhere());
    let device = Device::default().autodiff();
    let fresh = Adapters::attach(&base, &config.target_modules.clone().into(), &config, 99, &device).unwrap();
    let ids: Vec<_> = fresh.iter().map(|(_, a)| a.s.id).collect();
    let loaded = folder.load(fresh).unwrap();
    assert_eq!(loaded.modules, head());
    assert!(loaded.modules["head.bias"].values()[1].is_sign_negative());
    for (((path, a), (other, b)), id) in adapters.iter().zip(loaded.adapters.iter()).zip(ids) {
        assert_eq!(path, other);
        assert_eq!(a.s.val().to_data(), b.s.val().to_data());
        assert!(b.s.is_require_grad() && b.s.id == id, "training goes on where it would have");
    }
    // Written once more, the files are the same bytes.
    let again = dir.with_file_name("again");
    write(&again, &loaded.adapters).unwrap();
    for file in names(&dir) {
        assert_eq!(fs::read(dir.join(&file)).unwrap(), fs::read(again.join(&file)).unwrap(), "{file}");
    }
}

#[test]
fn matrices_are_transposed_to_torch_and_back() {
    let device = Device::default();
    let base = Toy::new(&device);
    let adapters = denses(&base, 1, &device);
    let dir = tempfile::tempdir().unwrap();
    let config = ScaleMethod::everywhere();
    let modules = BTreeMap::new();
    let contents = Contents { config: &config, adapters: &adapters, base_model: None, modules: &modules, genome: None };
    write_folder(dir.path(), &contents).unwrap();
    let loaded = AdapterFolder::read(dir.path()).unwrap().load(denses(&base, 2, &device)).unwrap();
    for ((_, a), (_, b)) in adapters.iter().zip(loaded.adapters.iter()) {
        assert_eq!(a.d.val().to_data(), b.d.val().to_data());
    }
}

#[test]
fn replacing_keeps_other_files_and_foreign_directories() {
    let (parent, dir, base, _) = written();
    fs::write(dir.join("trainer_state.json"), "{}").unwrap();
    let before = fs::read(dir.join(TENSORS_FILE)).unwrap();
    write(&dir, &scales(&base, 2, &Device::default())).unwrap();
    assert_ne!(fs::read(dir.join(TENSORS_FILE)).unwrap(), before);
    assert_eq!(names(&dir), [CONFIG_FILE, TENSORS_FILE, GENOME_FILE, "trainer_state.json"]);
    assert_eq!(names(parent.path()), ["adapter"]);

    for (name, is_dir) in [("notes.txt", false), ("data", true)] {
        let foreign = parent.path().join("home");
        fs::create_dir(&foreign).unwrap();
        let inside = foreign.join(name);
        if is_dir {
            fs::create_dir(&inside).unwrap()
        } else {
            fs::write(&inside, "mine").unwrap()
        }
        let result = write(&foreign, &scales(&base, 2, &Device::default()));
        assert!(matches!(result, Err(Error::WontReplace { .. })), "{result:?}");
        assert!(inside.exists());
        fs::remove_dir_all(&foreign).unwrap();
    }
    let file = parent.path().join("file");
    fs::write(&file, "mine").unwrap();
    assert!(matches!(write(&file, &scales(&base, 2, &Device::default())), Err(Error::WontReplace { .. })));
}

#[test]
fn a_failed_write_leaves_the_old_folder() {
    let (parent, dir, _, adapters) = written();
    let before = fs::read(dir.join(TENSORS_FILE)).unwrap();
    let broken = adapters.map(&mut Divide);
    match write(&dir, &broken) {
        Err(Error::NotFinite { name, index: 0, .. }) => assert_eq!(name, "base_model.model.self.down.scale"),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(dir.join(TENSORS_FILE)).unwrap(), before);
    assert_eq!(names(parent.path()), ["adapter"]);
}

/// Divides every parameter by zero.
struct Divide;

impl burn::module::ModuleMapper for Divide {
    fn map_float<const D: usize>(
        &mut self,
        param: burn::module::Param<burn::tensor::Tensor<D>>,
    ) -> burn::module::Param<burn::tensor::Tensor<D>> {
        param.map(|t| t / 0.0)
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let (_parent, dir, base, adapters) = written();
    let device = Device::default();
    let file = dir.join(TENSORS_FILE);
    let read = || AdapterFolder::read(&dir).unwrap();

    let up = Selection::from(Targets::suffixes(["up"]));
    let one = Adapters::attach(&base, &up, &ScaleMethod::everywhere(), 0, &device).unwrap();
    match read().load(one) {
        Err(Error::UnexpectedTensors { names, .. }) => assert_eq!(names, ["base_model.model.self.down.scale"]),
        other => panic!("{other:?}"),
    }
    match read().load(denses(&base, 0, &device)) {
        Err(Error::MissingTensor { name, .. }) => assert_eq!(name, "base_model.model.self.up.dense.weight"),
        other => panic!("{other:?}"),
    }
    let mut wider = base.clone();
    wider.self_.up = burn::nn::LinearConfig::new(D_IN, 7).init(&device);
    let error = read().load(scales(&wider, 0, &device)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: tensor base_model.model.self.up.scale is [6], expected [7]", file.display())
    );
    // Without `modules_to_save` the head has no owner.
    with_config(&dir, |c| c["modules_to_save"] = json!(null)).ok();
    match read().load(adapters.clone()) {
        Err(Error::UnexpectedTensors { names, .. }) => {
            assert_eq!(names, ["base_model.model.head.bias", "base_model.model.head.weight"]);
        }
        other => panic!("{other:?}"),
    }

    // A NaN in the file, which has this adapter's value as its first element of the scale of `up`.
    with_config(&dir, |c| c["modules_to_save"] = json!(["head"])).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let value = HostTensor::from_tensor(&adapters.get("self.up").unwrap().s.val()).values()[0];
    let at = bytes.windows(4).rposition(|w| w == value.to_le_bytes()).unwrap();
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    match read().load(adapters) {
        Err(Error::NotFinite { name, index: 0, .. }) => assert_eq!(name, "base_model.model.self.up.scale"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn unknown_fields_are_read_if_empty_and_refused_if_not() {
    let (_parent, dir, ..) = written();
    let good = with_config(&dir, |c| {
        for (field, empty) in [
            ("a", json!(null)),
            ("b", json!(false)),
            ("c", json!([])),
            ("d", json!({})),
            ("e", json!("")),
            ("peft_version", json!("0.21.2")),
        ] {
            c.insert(field.into(), empty);
        }
    });
    assert_eq!(good.unwrap(), ScaleMethod::everywhere());
    for value in [json!(true), json!(0), json!("x"), json!([1]), json!({"k": 1})] {
        match with_config(&dir, |c| c["a"] = value.clone()) {
            Err(Error::UnknownField { field, value: found, near, .. }) => {
                assert_eq!((field.as_str(), found, near), ("a", value.to_string(), None));
            }
            other => panic!("{other:?}"),
        }
    }
    with_config(&dir, |c| c["a"] = json!(null)).unwrap();
    let other = with_config(&dir, |c| c["peft_type"] = json!("LORA"));
    assert!(matches!(other, Err(Error::OtherMethod { found, .. }) if found == "LORA"));
    with_config(&dir, |c| c["peft_type"] = json!("SCALE")).unwrap();
    let bad = with_config(&dir, |c| c["target_modules"] = json!("x"));
    assert!(matches!(bad, Err(Error::Config { field, .. }) if field == "target_modules"));
    let bad = with_config(&dir, |c| c["target_modules"] = json!(3));
    assert!(matches!(bad, Err(Error::Json { .. })));
}

#[test]
fn another_base_is_noticed() {
    let (_parent, dir, ..) = written();
    let folder = AdapterFolder::read(&dir).unwrap();
    folder.check_base(&"AB".repeat(32)).unwrap();
    match folder.check_base(&"cd".repeat(32)) {
        Err(e @ Error::OtherBase { .. }) => assert!(e.is_mismatch()),
        other => panic!("{other:?}"),
    }
    // PEFT's folders name no hash.
    fs::remove_file(dir.join(GENOME_FILE)).unwrap();
    let folder = AdapterFolder::read(&dir).unwrap();
    assert!(folder.genome().is_none() && folder.check_base("x").is_ok());
}

#[test]
fn files_that_are_missing_damaged_or_of_the_future_are_named() {
    let (_parent, dir, ..) = written();
    fs::write(dir.join(GENOME_FILE), r#"{"format_version": 2, "surprise": 1}"#).unwrap();
    assert!(matches!(AdapterFolder::read(&dir), Err(Error::FormatVersion { found: 2, supported: 1, .. })));
    fs::write(dir.join(GENOME_FILE), r#"{"format_version": 1, "surprise": 1}"#).unwrap();
    assert!(matches!(AdapterFolder::read(&dir), Err(Error::Json { file, .. }) if file.ends_with(GENOME_FILE)));
    fs::remove_file(dir.join(GENOME_FILE)).unwrap();
    fs::rename(dir.join(TENSORS_FILE), dir.join("adapter_model.bin")).unwrap();
    AdapterFolder::read(&dir).unwrap(); // by content, whatever the name says
    fs::write(dir.join("adapter_model.bin"), "no tensors").unwrap();
    assert!(
        matches!(AdapterFolder::read(&dir), Err(Error::Tensors { file, .. }) if file.ends_with("adapter_model.bin"))
    );
    fs::remove_file(dir.join("adapter_model.bin")).unwrap();
    assert!(matches!(AdapterFolder::read(&dir), Err(Error::Io { file, .. }) if file.ends_with(TENSORS_FILE)));
    fs::write(dir.join(CONFIG_FILE), "{").unwrap();
    assert!(matches!(AdapterFolder::read(&dir), Err(Error::Json { file, .. }) if file.ends_with(CONFIG_FILE)));
    assert!(matches!(AdapterFolder::read(&dir.join("no")), Err(Error::Io { .. })));
}

/// `adapter_model.bin`, as old versions of PEFT wrote it: a zip archive with a pickle, in the layout of `torch.save`.
#[test]
fn a_legacy_folder_is_read_and_the_pickle_is_replaced() {
    let (_parent, dir, base, _) = written();
    fs::remove_file(dir.join(TENSORS_FILE)).unwrap();
    fs::write(dir.join("adapter_model.bin"), include_bytes!("data/adapter_model.bin")).unwrap();
    let loaded = AdapterFolder::read(&dir).unwrap().load(scales(&base, 3, &Device::default())).unwrap();
    let values = |path: &str| HostTensor::from_tensor(&loaded.adapters.get(path).unwrap().s.val()).values().to_vec();
    assert_eq!(values("self.up"), [0.5, 1.5, -2.0, 3.25, 0.0, 1.0]);
    assert_eq!(values("self.down"), [1.0, -1.0, 0.125]);
    assert_eq!(loaded.modules["head.weight"].shape(), [2, 3]);
    assert_eq!(loaded.modules["head.bias"].values(), [0.5, -0.5]);
    write(&dir, &loaded.adapters).unwrap();
    assert_eq!(names(&dir), [CONFIG_FILE, TENSORS_FILE, GENOME_FILE], "one file of tensors, not two that disagree");
}

#[test]
fn a_hash_is_that_of_the_files_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    fs::write(&a, "ab").unwrap();
    fs::write(&b, "c").unwrap();
    // $ printf abc | sha256sum
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256_of_files([&a, &b]).unwrap(), abc);
    assert!(matches!(sha256_of_files([dir.path().join("no")]), Err(Error::Io { .. })));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 48, // each one synchronises files
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::default()
    })]

    /// Whatever is done to the tensors' bytes, reading ends in a value or an error, never in a panic.
    #[test]
    fn damage_never_panics(
        cut in proptest::option::of(0usize..600),
        flips in proptest::collection::vec((0usize..600, proptest::prelude::any::<u8>()), 0..6),
    ) {
        let (_parent, dir, _, adapters) = written();
        let file = dir.join(TENSORS_FILE);
        let mut bytes = fs::read(&file).unwrap();
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(cut.unwrap_or(bytes.len()));
        fs::write(&file, bytes).unwrap();
        if let Ok(folder) = AdapterFolder::read(&dir) {
            let _ = folder.load(adapters);
        }
    }
}
