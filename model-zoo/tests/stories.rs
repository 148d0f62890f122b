//! stories260K, a real LLaMA: greedy decoding gives the 464 characters that llama2.c gives.

mod common;

use burn::tensor::Device;
use genome_tokenize::{Llama2cTokenizer, Tokenizer};
use model_zoo::checkpoint::export as parameters;
use model_zoo::generate::{GenerateConfig, Stop, generate, log_likelihood};
use model_zoo::{Base, Purpose};
use peft_core::Plain;
use std::ops::ControlFlow;
use tensor_files::gguf::{GgufKind, LlamaExport};
use tensor_files::llama2c::Llama2cFile;

#[test]
fn the_story_is_the_expected_one() {
    let Some(folder) = common::data_folder("stories", "GENOME_STORIES", "data/weights/stories260K") else { return };
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let ids: Vec<u32> = serde_json::from_value(expected["greedy_ids"].clone()).unwrap();
    let text = expected["greedy_text"].as_str().unwrap();
    assert_eq!((ids[0], text.chars().count()), (1, 464));

    let base = Base::from_pretrained(&folder.join("hf"), Purpose::LanguageModel, &Device::default()).unwrap().base;
    let tokenizer = Llama2cTokenizer::from_file(folder.join("tok512.bin")).unwrap();
    let config = GenerateConfig { max_new_tokens: ids.len() - 1, ..Default::default() };
    // Beside a prompt that is longer, and one that begins in the midst of the story.
    let prompts = [ids[..1].to_vec(), tokenizer.encode(b"The cat sat on the mat and").unwrap().ids, ids[..5].to_vec()];
    let mut streamed = Vec::new();
    let found = generate(&base, &prompts, &config, &Plain, |row, token| {
        if row == 0 {
            streamed.push(token);
        }
        ControlFlow::Continue(())
    });
    let found = found.unwrap();
    assert_eq!(found[0].tokens, ids[1..]);
    assert_eq!((found[0].stop, &streamed), (Stop::Length, &found[0].tokens));
    assert_eq!(found[2].tokens[..ids.len() - 5], ids[5..]);
    let written = tokenizer.decode(&[&ids[..1], &found[0].tokens[..]].concat()).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), text);

    // The same from llama2.c's own file, and from GGUF that is written here.
    let dir = tempfile::tempdir().unwrap();
    let gguf = dir.path().join("stories.gguf");
    let file = Llama2cFile::open(folder.join("stories260K.bin")).unwrap();
    let shapes: Vec<_> = file.tensors().iter().map(|(name, info)| (name.clone(), info.shape.clone())).collect();
    let export = LlamaExport::new(&file.llama_config(), &shapes, None).unwrap();
    export.write(&gguf, GgufKind::F32, |name| file.read_f32(name)).unwrap();
    for path in [folder.join("stories260K.bin"), gguf.clone()] {
        let other = Base::from_pretrained(&path, Purpose::LanguageModel, &Device::default()).unwrap().base;
        assert_eq!(parameters(&other), parameters(&base), "{}", path.display());
        let found = generate(&other, &prompts[..1], &config, &Plain, |_, _| ControlFlow::Continue(())).unwrap();
        assert_eq!(found[0].tokens, ids[1..], "{}", path.display());
    }

    let likelihoods = log_likelihood(&base, &[&ids[..], &ids[..9]], &Plain).unwrap();
    let mean = -likelihoods[0].iter().sum::<f32>() / likelihoods[0].len() as f32;
    let wanted = expected["mean_nll_of_greedy_ids"].as_f64().unwrap() as f32;
    assert!((mean - wanted).abs() < 1e-5, "{mean} {wanted}");
}
