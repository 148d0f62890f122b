#!/usr/bin/env python3
"""Forward passes and decoding beside transformers, in turn: ours, theirs, ours, theirs.

    cargo bench -p benches --bench forward --no-run      # prints the program's path
    python benches/compare/compare.py --ours target/release/deps/forward-...
    cargo bench -p benches --bench load --no-run
    python benches/compare/compare.py --ours-load target/release/deps/load-...      # seconds and peak memory of from_pretrained

Needs torch and transformers (pip install torch transformers). f32 on the CPU, attention sdpa, random weights on both sides, the
same lengths of sequences in the same batches, as many threads. Each work runs in this process (torch) and in one process of
ours that answers on a pipe (`--serve`), never both at once; a pause after each lets the other's threads fall asleep. What else the
machine does meets both alike: read the ratios.

Shapes: dnabert2-117m stands against BERT, which transformers has without remote code; its feed-forward layer is made 4,608
wide, so that a layer's matrix products cost what DNABERT-2's gated layer costs (--bert-ffn 3072 is bert-base itself).
smollm2-135m stands against LlamaForCausalLM of the same shape. Works: equal (8 x 128 tokens), padded (32 sequences of mixed
lengths in batches of 8 as they come), decode (32 tokens after 32, greedy, with a cache); ours bucketed stands against theirs padded.
"""
import argparse, json, os, platform, statistics, subprocess, sys, time

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--ours", help="the program of the bench `forward`")
p.add_argument("--ours-load", help="the program of the bench `load`")
p.add_argument("--load", help=argparse.SUPPRESS)  # a folder: what a process of its own measures
p.add_argument("--rounds", type=int, default=5)
p.add_argument("--threads", type=int, default=os.cpu_count())
p.add_argument("--bert-ffn", type=int, default=4608)
p.add_argument("--pause", type=float, default=0.1, help="seconds after each run")
p.add_argument("--only", help="shape or shape/work")
args = p.parse_args()

import torch, transformers as T

torch.set_num_threads(args.threads)
torch.manual_seed(0)
os.environ["RAYON_NUM_THREADS"] = str(args.threads)


def model(shape):
    if shape == "dnabert2-117m":
        config = T.BertConfig(vocab_size=4096, num_labels=2, pad_token_id=1, intermediate_size=args.bert_ffn)
        make = T.BertForSequenceClassification
    else:
        config = T.LlamaConfig(
            vocab_size=49152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, intermediate_size=1536,
            max_position_embeddings=8192, tie_word_embeddings=True, num_labels=2, pad_token_id=1)
        make = T.LlamaForSequenceClassification
    config._attn_implementation = "sdpa"
    return make(config).eval(), config


def padded(lengths):
    """Random ids and their mask, padded on the right to the longest."""
    n = torch.tensor(lengths)
    mask = (torch.arange(int(n.max()))[None] < n[:, None]).long()
    ids = torch.randint(5, 4000, mask.shape)
    return torch.where(mask.bool(), ids, torch.ones_like(ids)), mask


def theirs(shape, work, lengths, batch):
    """A function that does the work once."""
    m, config = model(shape)
    if work == "decode":
        prompt, new = lengths
        m = T.LlamaForCausalLM(config).eval()
        ids = torch.randint(5, 4000, (1, prompt))

        def decode():
            cache, now, found = T.DynamicCache(config=config), ids, []
            for _ in range(new):
                out = m(input_ids=now, past_key_values=cache, use_cache=True, logits_to_keep=1)
                now = out.logits[:, -1].argmax(-1, keepdim=True)
                found.append(int(now))
            return found

        return decode
    batches = [padded(lengths[i:i + batch]) for i in range(0, len(lengths), batch)]

    def forward():
        for ids, mask in batches:
            full = bool(mask.all())
            m(input_ids=ids, attention_mask=None if full else mask)

    return forward


def compare(shape, work):
    ours = subprocess.Popen([args.ours, "--serve", shape, work, "--bench"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    said = json.loads(ours.stdout.readline())
    lengths, batch = said["lengths"], said["batch"]
    # decoding counts new tokens; the rest every token that is not padding
    tokens = lengths[1] if work == "decode" else sum(lengths)
    run = theirs(shape, "padded" if work == "bucketed" else work, lengths, batch)

    def a():
        print(file=ours.stdin, flush=True)
        return float(ours.stdout.readline())

    def b():
        start = time.perf_counter()
        with torch.inference_mode():
            run()
        return time.perf_counter() - start

    a(), b()  # warm-up
    seconds = {a: [], b: []}
    for _ in range(args.rounds):
        for f in (a, b):
            seconds[f].append(f())
            time.sleep(args.pause)
    ours.stdin.close()
    ours.wait()
    mine, other = (statistics.median(seconds[f]) for f in (a, b))
    best = min(seconds[b]) / min(seconds[a])
    print(f"| {shape} | {work} | {tokens / mine:,.0f} | {tokens / other:,.0f} | {other / mine:.2f} | {best:.2f} |", flush=True)


def peak_mib():
    """The most that this process held; what getrusage says would count its parent's too."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def compare_load(shape):
    """Both read the folder that transformers wrote, each time in a new process, the file in the page cache."""
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        m, _ = model(shape)
        m.save_pretrained(folder)
        mib = os.path.getsize(os.path.join(folder, "model.safetensors")) / 2**20
        name = type(m).__name__
        del m
        commands = [[args.ours_load, "--load", folder, "--bench"], [sys.executable, __file__, "--load", f"{name}:{folder}"]]
        found = [[], []]
        for _ in range(args.rounds + 1):
            for command, into in zip(commands, found):
                into.append([float(x) for x in subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()])
        (mine, my_peak), (other, other_peak) = ([statistics.median(x) for x in zip(*runs[1:])] for runs in found)
        print(f"| {shape} | {mib:,.0f} | {mine:.2f} | {other:.2f} | {other / mine:.2f} | {my_peak:,.0f} | {other_peak:,.0f} |", flush=True)


if args.load:
    name, folder = args.load.split(":", 1)
    before = peak_mib()
    start = time.perf_counter()
    m = getattr(T, name).from_pretrained(folder)
    total = sum(float(q.detach().sum()) for q in m.parameters())  # weights that are only mapped are not read yet
    print(time.perf_counter() - start, peak_mib() - before)
    sys.exit()
print(f"torch {torch.__version__}, transformers {T.__version__}, {args.threads} threads, {args.rounds} rounds, {platform.machine()}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
if args.ours:
    print("| shape | work | ours, tokens/s | transformers, tokens/s | ours / transformers, medians | the fastest of each |\n|---|---|---|---|---|---|")
    for shape, works in [("dnabert2-117m", ["equal", "padded", "bucketed"]), ("smollm2-135m", ["equal", "padded", "bucketed", "decode"])]:
        for work in works:
            if args.only in (None, shape, f"{shape}/{work}"):
                compare(shape, work)
if args.ours_load:
    print("| shape | weights, MiB | ours, s | transformers, s | transformers / ours | our peak, MiB | theirs beside libraries, MiB |\n|---|---|---|---|---|---|---|")
    for shape in ["dnabert2-117m", "smollm2-135m"]:
        if args.only in (None, shape):
            compare_load(shape)
