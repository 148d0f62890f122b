"""Do adapter folders that we write load in Python PEFT, and say the same there?

    cargo build --example replay_trace
    python docs/compare/peft.py target/debug/examples/replay_trace testdata lora_bert dora_opt_pre ia3_bert ...

For each case, replay_trace trains the adapter and writes its folder; PEFT loads it on the case's base. Compared are the
folder's logits in PEFT with those that PEFT recorded of its own run. Needs torch, transformers, peft and safetensors;
for BERT, OPT and LLaMA bases.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.pop(0)  # this file's folder, where `peft` would be this file

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

program, testdata, cases = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
torch.set_num_threads(1)
for name in cases:
    case = testdata / "peft" / name
    trace = json.loads((case / "trace.json").read_text())
    recorded = load_file(case / "trace.safetensors")
    base_dir = testdata / trace["base"]
    if trace["task"] == "CAUSAL_LM":
        base = AutoModelForCausalLM.from_pretrained(base_dir, attn_implementation="eager")
    else:
        base = AutoModelForSequenceClassification.from_pretrained(
            base_dir, num_labels=trace["num_labels"], attn_implementation="eager"
        )
        missing = base.load_state_dict(load_file(base_dir / "seqcls_head.safetensors"), strict=False)
        assert not missing.unexpected_keys, missing.unexpected_keys
    with tempfile.TemporaryDirectory() as out:
        ours = json.loads(subprocess.run([program, case, out], check=True, capture_output=True, text=True).stdout)
        model = PeftModel.from_pretrained(base, out).eval()
    with torch.no_grad():
        logits = model(input_ids=recorded["input_ids"], attention_mask=recorded["attention_mask"]).logits
    expected = recorded["logits.reloaded"]
    if logits.dim() == 3:  # where a token stands
        mask = recorded["attention_mask"].bool()
        logits, expected = logits[mask], expected[mask]
    off = (logits - expected).abs().max().item()
    print(f"| {name} | {off:.1e} | {ours['max_diff']['logits.reloaded']:.1e} |")
