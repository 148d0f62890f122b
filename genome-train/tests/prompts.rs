//! Bases of every family are told to prompts as they are.

use std::path::PathBuf;

use burn::tensor::Device;
use genome_train::prompts::{model_shape, word_embeddings};
use model_zoo::{Base, Purpose, TokenBatch};
use peft_core::{Hooks, HostTensor};
use peft_lingo::{PrefixTuningConfig, Prompt, PromptMethod, PromptTuningConfig, PromptTuningInit, Vocabulary};

#[test]
fn prefixes_and_prompts_fit_every_family() {
    let root = std::env::var_os("GENOME_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")), PathBuf::from);
    let device = Device::default();
    for name in ["bert", "dnabert2", "nt_v1", "nt_v2", "opt_pre", "opt_post", "llama_mha", "llama_gqa"] {
        let base = Base::from_pretrained(&root.join("models").join(name), Purpose::Encode, &device).unwrap().base;
        let model = model_shape(&base.config());
        let table = word_embeddings(&base).unwrap();
        assert_eq!(table.dims(), [base.vocab_size(), model.d_embed], "{name}");
        let text = PromptTuningConfig { prompt_tuning_init: PromptTuningInit::Text, ..PromptTuningConfig::new(2) };
        let words = Vocabulary { table: Some(&table), text: &[9, 5] };
        let prompt = text.for_model(&model).unwrap().init(words, 1, &device).unwrap();
        let rows = HostTensor::from_tensor(&table);
        let row = |id: usize| rows.values()[id * model.d_embed..(id + 1) * model.d_embed].to_vec();
        let found = HostTensor::from_tensor(&prompt.prompt_embeddings());
        assert_eq!(found.values(), [row(9), row(5)].concat(), "{name}");
        let prefix = PrefixTuningConfig::new(3).for_model(&model).unwrap();
        let prefix = prefix.init(Vocabulary::default(), 1, &device).unwrap();
        let batch = TokenBatch::from_rows(&[[5, 6, 7, 8]], 3, &device);
        let stack: [&dyn Hooks; 2] = [&prefix, &prompt];
        assert_eq!(base.encode(&batch, &stack).dims(), [1, 2 + 4, base.d_model()], "{name}");
    }
}
