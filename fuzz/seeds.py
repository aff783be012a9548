"""Writes fuzz/seeds: small inputs that are what each target hopes for, so that a fuzzer starts behind the first check.

    python fuzz/seeds.py        # once, after a format has changed; needs numpy, pillow and safetensors (training/)

Pictures that once were refused wrongly or read wrongly are kept by hand in seeds/picture, inputs that once broke something
in the folder of their target.
"""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save

ROOT = Path(__file__).resolve().parents[1]
SEEDS = ROOT / "fuzz/seeds"
GRID, CODES, CLASSES, DIM = 4, 4, 3, 16
T = GRID * GRID
rng = np.random.default_rng(1)


def write(target, name, content):
    data = content if isinstance(content, bytes) else content.encode()
    (SEEDS / target).mkdir(parents=True, exist_ok=True)
    (SEEDS / target / name).write_bytes(data)


def transformer(local, **more):
    shape = dict(dim=DIM, n_head=1, n_layer=1, vocab_size=CODES, num_classes=CLASSES, grid_size=GRID, multiple_of=1)
    return shape | dict(n_local_encoder_layers=local, n_local_decoder_layers=local) | more


VQ = dict(ch=1, ch_mult=[1, 1], num_res_blocks=1, z_channels=1, codebook_size=CODES, codebook_embed_dim=1, norm_groups=1)
MODELS = dict(entropy=transformer(0, num_classes=1), dpar=transformer(1), baseline=transformer(0))
LEAST = MODELS | dict(vq=VQ, patching=dict(threshold=1.0, max_patch_length=4))
NAMES = dict(
    classes=["birds", "owl", "piñata"],
    parents=[None, 0, 0],
    emoji=[[], ["🦉"], ["🪅"]],
    aliases=[[], ["owlet"], []],
    keywords=[["animal"], ["night"], ["party"]],
    featured=["owl"],
)


def block(prefix):
    ffn = 8 * DIM // 3
    shapes = {"attention.wqkv": (3 * DIM, DIM), "attention.wo": (DIM, DIM), "attention_norm": (DIM,), "ffn_norm": (DIM,)}
    shapes |= {"feed_forward.w1": (ffn, DIM), "feed_forward.w2": (DIM, ffn), "feed_forward.w3": (ffn, DIM)}
    return {f"{prefix}.{name}.weight": shape for name, shape in shapes.items()}


def token_model(classes):
    shapes = {"cls_embedding.embedding_table": (classes + 1, DIM), "norm": (DIM,)}
    shapes |= {"tok_embeddings": (CODES, DIM), "output": (CODES, DIM)}
    return {f"{name}.weight": shape for name, shape in shapes.items()} | block("layers.0")


def dpar():
    shapes = token_model(CLASSES) | {"decoder_start_embedding.weight": (1, DIM)}
    shapes |= block("local_encoder.layers.0") | block("local_decoder.layers.0")
    encoder, decoder = "local_encoder.cross_attn_layers.0", "local_decoder.cross_attn_layers.0"
    shapes |= {f"{encoder}.cross_attn_norm_{w}.weight": (DIM,) for w in ("q", "kv")}
    shapes |= {f"{encoder}.{w}.weight": (DIM, DIM) for w in ("wq", "wk", "wv", "wo")}
    return shapes | {f"{decoder}.cross_attn_norm_kv.weight": (DIM,), f"{decoder}.wo.weight": (DIM, DIM)}


def weights(shapes, dtype=np.float16):
    return save({name: rng.normal(0, 0.1, shape).astype(dtype) for name, shape in shapes.items()})


def run(tokens, baseline=False, details=True, **more):
    ids = rng.integers(0, CODES, tokens).tolist()
    found = {"class": 1, "class_name": "1", "baseline": baseline, "seed": 3, "threshold": 1.0, "mode": "entropy_row_boundary"}
    found |= dict(p_max=4, cfg_scale=2.0, temperature=0.8, top_k=0, top_p=0.85, tokens=ids)
    found |= dict(entropies=[] if baseline else [0.25 * (i % 7) for i in range(tokens)], starts=[i % 3 == 0 for i in range(tokens)])
    if details:
        found |= dict(ranks=[i % CODES for i in range(tokens)], probabilities=[0.5] * tokens)
        found |= dict(candidates=[[[0, 0.5], [1, 0.25]]] * tokens)
    return found | more


def png(width, height, mode="RGB", **how):
    channels = {"RGB": 3, "RGBA": 4, "L": 1}[mode]
    pixels = rng.integers(0, 255, (height, width, channels), dtype=np.uint8).squeeze()
    out = io.BytesIO()
    Image.fromarray(pixels, mode).save(out, how.pop("format", "PNG"), **how)
    return out.getvalue()


def parts(*files):
    return b"".join(len(file).to_bytes(2, "little") + file for file in files)


def main():
    compact = dict(separators=(",", ":"))
    write("config", "least.json", json.dumps(LEAST, indent=1) + "\n")
    write("config", "names.json", json.dumps(LEAST | NAMES, ensure_ascii=False, **compact))
    write("config", "baseline.json", json.dumps(dict(baseline=MODELS["baseline"], vq=VQ, patching=LEAST["patching"]), **compact))
    write("config", "tiny.json", (ROOT / "tests/fixtures/tiny/config.json").read_bytes())

    write("checkpoint", "entropy", b"\0" + weights(token_model(1)))
    write("checkpoint", "entropy-f32", b"\0" + weights(token_model(1), np.float32))
    write("checkpoint", "dpar", b"\1" + weights(dpar()))
    write("checkpoint", "vq", b"\2" + weights({"quantize.embedding.weight": (CODES, 1), "quant_conv.bias": (1,)}))
    tokens = dict(tokens=rng.integers(0, CODES, (3, T)).astype(np.int64), classes=np.arange(3).astype(np.int64))
    write("checkpoint", "tokens", b"\3" + save(tokens))

    changes = [[4, {k: v for k, v in run(1).items() if k in "threshold mode p_max cfg_scale temperature top_k top_p".split()}]]
    write("trace", "plain.json", json.dumps(dict(model="0123456789abcdef", runs=[run(6, details=False)]), **compact))
    mixed = run(T, mix=[[0.7, 1], [0.3, 2]], changes=changes, forced=[None, 2, 3])
    write("trace", "mix.json", json.dumps(dict(runs=[mixed]), **compact))
    write("trace", "both.json", json.dumps(dict(runs=[run(T), run(T, baseline=True)]), **compact))

    recording = dict(config=LEAST, every=8, trace=dict(model="0123456789abcdef", runs=[run(T), run(T, baseline=True)]))
    sheet = png(8 * 8, 8)  # two pictures of 8 x 8, eight a row
    write("bundled", "recording", parts(json.dumps(recording, **compact).encode(), sheet, sheet))
    picks = dict(chosen_by="nobody", pictures=[{"class": str(n), "seed": n} for n in range(CLASSES)])
    write("bundled", "thumbnails", parts(json.dumps(picks, **compact).encode(), png(10 * 8, 8)))
    write("bundled", "looks", parts(b"", png(2 * 2, 2 * 2)))

    write("picture", "rgba.png", png(5, 4, "RGBA"))
    write("picture", "grey.png", png(9, 3, "L"))
    write("picture", "rgb.bmp", png(4, 4, format="BMP"))
    write("picture", "grey.gif", png(6, 5, "L", format="GIF"))
    write("picture", "lossless.webp", png(6, 6, format="WEBP", lossless=True))
    write("picture", "lossy.webp", png(16, 16, format="WEBP", quality=20))
    write("picture", "progressive.jpg", png(16, 16, format="JPEG", progressive=True, quality=30))

    for n, prompt in enumerate(json.loads((ROOT / "tests/fixtures/prompts.json").read_text())):
        write("prompt", f"{n:02}", prompt["prompt"])
    for n, prompt in enumerate(("🦉", "jack-o’-lantern", "371", "  CAR  + 2 tv", "1st place medal", "zebra crossing")):
        write("prompt", f"more-{n}", prompt)
    whole = "class=red%20apple&seed=3&t=4.3&pmax=4&mode=entropy_row_boundary&cfg=2&temp=0.8&topk=0&topp=0.85"
    links = [
        f"#{whole}&model=0123456789abcdef&view=grid,heat&token=7",
        "http://localhost:8017/a/?cpu#gen=baseline&class=0.7+owl+%2B+0.3+panda&changes=1:t=6,pmax=0;3:cfg=3,mode=static",
        "#given=0:000100020003;5:0001&class=2",
        "#class=1&t=1e-7&topk=4294967295",
    ]
    for n, link in enumerate(links):
        write("link", str(n), link)
    nats = b"".join(b"\1" + np.float32(0.25 * (i % 9)).tobytes() for i in range(40))  # more to come, then one
    for mode in range(4):
        write("patching", f"mode-{mode}", bytes([mode]) + np.float32(1.0).tobytes() + bytes([3, 0, 0, 0, 7]) + nats)


if __name__ == "__main__":
    main()
