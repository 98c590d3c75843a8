"""Makes the reference values for src/text over all of Unicode: small tokenizers with the pre-tokenizers that models use,
and the ids and texts that Python gives for random strings.

    python scripts/python/make_tokenizer_fixtures.py [--out folder, default test/text/unicode] [--count n]
        [--tokenizers folder]
        [folder of others' tokenizers: <name>/tokenizer.json ...]

Writes texts.json, <name>.json for each (tokenizer, ids, ids of bytes that are no text with their decoding), others.json
(ids alone), plain.json: plain prompts in transformers, and configured.json: tokens defined only in a configuration.
"""

import argparse
import json
import os
import random
import shutil

from make_text_fixtures import TEXTS, own_tokenizer
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, trainers
from tokenizers import pre_tokenizers as pre
from transformers import AutoTokenizer

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
START = r"[^\r\n\p{L}\p{N}]?"
SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
PATTERNS = {
    "llama3": rf"{CONTRACTIONS}|{START}\p{{L}}+|\p{{N}}{{1,3}}|{SIGNS}{TAIL}",
    "qwen2": rf"{CONTRACTIONS}|{START}\p{{L}}+|\p{{N}}|{SIGNS}{TAIL}",
    "o200k": rf"{START}{UPPER}*{LOWER}+{CONTRACTIONS}?|{START}{UPPER}+{LOWER}*{CONTRACTIONS}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*{TAIL}",
    "cl100k": rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?+\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+",
}
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def cut(pattern, behavior="isolated", invert=False):
    return pre.Split(Regex(pattern), behavior, invert)


def trained(tokenizer, **options):
    trainer = trainers.BpeTrainer(show_progress=False, **options)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def byte_level(*parts, normalizer=None, regex=False, prefix=False):
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    level = pre.ByteLevel(add_prefix_space=prefix, use_regex=regex)
    tokenizer.pre_tokenizer = pre.Sequence([*parts, level]) if parts else level
    tokenizer.decoder = decoders.ByteLevel()
    trained(tokenizer, vocab_size=320, initial_alphabet=pre.ByteLevel.alphabet())
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    return tokenizer


def falls_back(**parts):
    """Like Llama 2: characters that the vocabulary lacks become bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    special = ["<unk>", "<s>", "</s>"]
    byte_tokens = [f"<0x{i:02X}>" for i in range(256)]
    trained(tokenizer, vocab_size=360, special_tokens=special + byte_tokens, limit_alphabet=50)
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = data["added_tokens"][: len(special)]
    return Tokenizer.from_str(json.dumps(data))


def with_added():
    tokenizer = byte_level(regex=True)
    tokenizer.add_tokens(
        [
            AddedToken("<l>", lstrip=True, normalized=False),
            AddedToken("<r>", rstrip=True, normalized=False),
            AddedToken("<w>", single_word=True, normalized=False),
            AddedToken("<ll>x", normalized=True),
            AddedToken("<l>long", special=True, normalized=False),
        ]
    )
    return tokenizer


def without_letters():
    """No token for some bytes and none for unknown ones, so the bytes around them may merge."""
    data = json.loads(byte_level(pre.Digits(individual_digits=True), regex=True).to_str())
    for letter in ("ĝ", "ğ", "ó"):
        data["model"]["vocab"].pop(letter)
    data["model"]["merges"] = [pair for pair in data["model"]["merges"] if not set("".join(pair)) & set("ĝğó")]
    # A merge across the gap that such a letter leaves.
    data["model"]["vocab"][">'"] = 400
    data["model"]["vocab"]["'>"] = 401
    data["model"]["merges"] += [[">", "'"], ["'", ">"]]
    return Tokenizer.from_str(json.dumps(data))


TOKENIZERS = {
    **{
        name: (
            lambda pattern=pattern, name=name: byte_level(
                cut(pattern), normalizer=normalizers.NFC() if name == "qwen2" else None
            )
        )
        for name, pattern in PATTERNS.items()
    },
    "prefix-space": lambda: byte_level(regex=True, prefix=True),
    "deepseek": lambda: byte_level(
        cut(r"[\r\n]"),
        cut(r"\s?\p{L}+"),
        cut(r"\s?\p{P}+"),
        cut("[一-龥ࠀ-一가-퟿]+"),
        pre.Digits(individual_digits=True),
    ),
    "falcon": lambda: byte_level(pre.Punctuation("contiguous"), pre.Digits(False), cut("[0-9][0-9][0-9]"), regex=True),
    "words": lambda: byte_level(cut(r"\w+|\d+|[^\w\s]+|\b", "removed", True)),
    "merged": lambda: byte_level(
        cut(r"[\p{Han}\p{Hiragana}]+|[[:punct:]]", "merged_with_previous"),
        cut(r"\s", "merged_with_next"),
        cut(r"[[:digit:]]", "contiguous"),
    ),
    "written-again": lambda: byte_level(
        pre.Whitespace(),
        pre.Punctuation(),
        normalizer=normalizers.Sequence(
            [
                normalizers.Strip(),
                normalizers.Lowercase(),
                normalizers.StripAccents(),
                normalizers.Replace(Regex(r"\s+"), "$1 "),
            ]
        ),
    ),
    "llama2": lambda: falls_back(
        normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    ),
    "metaspace": lambda: falls_back(pre_tokenizer=pre.Metaspace(prepend_scheme="first", split=True)),
    "added": with_added,
    "without-letters": without_letters,
}
POINTS = """85 a0 feff 180e 200b 200c 200d 2028 2029 202f 205f 3000 1680 2000 2060 1c 1d 1e 1f b c 0 7f 17f 212a 130 131 3a3
3c2 df 1e9e 295 1c5 2160 b2 bd 661 966 ff11 1d7ce 301 323 345 1f600 1f468 fe0f 20e3 4e00 3042 ac00 1100 1161 11a8 323b0 378
e000 fffd fffe 2019 60 24 a3""".split()
ASCII = "abcdeSTRMLDstrvmld0123456789   \n\n\r\t'''.,;:!?-_/\\<>|()[]{}$^*+=@#&%~\"`"
PARTS = ["'s", "'S", "'ſ", "'RE", " 're", "'ll", "<|im_end|>", "<|im_", "<l>", "<r>", "<w>", "<ll>x", "<l>long", "a<w>b"]
PARTS += [" <w> ", "▁", "<0xE2>", "\r\n", "  \n ", "$1", "don't", "the ", " The"]
PLANES = [(0x80, 0x600), (0x600, 0x3000), (0x3000, 0x10000), (0x10000, 0x20000), (0x20000, 0x33480), (0, 0x110000)]


def character(stream):
    kind = stream.random()
    if kind < 0.45:
        return stream.choice(ASCII)
    if kind < 0.6:
        return chr(int(stream.choice(POINTS), 16))
    if kind < 0.7:
        return stream.choice(PARTS)
    while True:
        point = stream.randrange(*stream.choice(PLANES))
        if not 0xD800 <= point <= 0xDFFF:
            return chr(point)


def plain_prompts(folder):
    """Special tokens that AutoTokenizer adds around a plain text, whatever bos_token and add_bos_token are."""
    data = json.loads(own_tokenizer().to_str())
    ids = {token["content"]: token["id"] for token in data["added_tokens"]}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    bos, eos = ({"SpecialToken": {"id": name, "type_id": 0}} for name in ("<|endoftext|>", "<|im_end|>"))

    def template(*single):
        special = {name: {"id": name, "ids": [i], "tokens": [name]} for name, i in ids.items()}
        return {"type": "TemplateProcessing", "single": list(single), "pair": list(single), "special_tokens": special}

    level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    posts = {
        "none": None,
        "byte level": level,
        "bos": template(bos, text),
        "bos and eos": template(bos, text, eos),
        "byte level, then bos": {"type": "Sequence", "processors": [level, template(bos, text)]},
    }
    cases = []
    for name, post in posts.items():
        for kind in (None, "GPT2Tokenizer", "LlamaTokenizerFast", "PreTrainedTokenizerFast"):
            for flags in ({}, {"add_bos_token": True}, {"add_bos_token": False}):
                at = os.path.join(folder, "plain")
                os.makedirs(at, exist_ok=True)
                with open(os.path.join(at, "tokenizer.json"), "w") as file:
                    json.dump({**data, "post_processor": post}, file)
                config = {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>", **flags}
                if kind:
                    config["tokenizer_class"] = kind
                with open(os.path.join(at, "tokenizer_config.json"), "w") as file:
                    json.dump(config, file)
                tokens = AutoTokenizer.from_pretrained(at)("What is 3 + 5?")["input_ids"]
                cases.append({"name": name, "post_processor": post, "config": config, "ids": tokens})
                shutil.rmtree(at)
    return cases


def configured(folder):
    """Tokens that only tokenizer_config.json has."""

    def token(content, **flags):
        off = dict(lstrip=False, rstrip=False, normalized=False, single_word=False, special=False)
        return {"content": content, **off, **flags}

    cases = []
    for config in (
        {},
        {"pad_token": "<pad>"},
        {"pad_token": token("<pad>", special=True, __type="AddedToken")},
        {"pad_token": "<pad>", "additional_special_tokens": ["<Y>", "<X>"]},
        {"extra_special_tokens": ["<X>"]},
        {"extra_special_tokens": {"image_token": "<X>"}},
        {"added_tokens_decoder": {"430": token("<X>"), "425": token("<Y>", special=True)}},
        {"added_tokens_decoder": {"430": token("<X>", lstrip=True)}, "pad_token": "<pad>"},
    ):
        at = os.path.join(folder, "configured")
        os.makedirs(at, exist_ok=True)
        own_tokenizer().save(os.path.join(at, "tokenizer.json"))
        config = {"eos_token": "<|im_end|>", **config}
        with open(os.path.join(at, "tokenizer_config.json"), "w") as file:
            json.dump(config, file)
        tokenizer = AutoTokenizer.from_pretrained(at)
        text = "a <X>b<Y> c<pad>d<|im_end|>"
        ids = tokenizer(text)["input_ids"]
        decoded = tokenizer.decode(ids, skip_special_tokens=True)
        cases.append({"config": config, "text": text, "ids": ids, "decoded": decoded})
        shutil.rmtree(at)
    return cases


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", default="test/text/unicode")
    arguments.add_argument("--count", type=int, default=250)
    # Training breaks ties at random, so tokenizers from this folder are used if it is given.
    arguments.add_argument("--tokenizers")
    arguments.add_argument("others", nargs="?")
    options = arguments.parse_args()
    os.makedirs(options.out, exist_ok=True)

    def write(name, value):
        with open(os.path.join(options.out, name), "w") as file:
            json.dump(value, file, separators=(",", ":"))
            file.write("\n")

    stream = random.Random(7)
    texts = ["".join(character(stream) for _ in range(stream.randrange(1, 20))) for _ in range(options.count)]
    write("texts.json", texts)
    for name, make in TOKENIZERS.items():
        tokenizer = make()
        if options.tokenizers:
            with open(os.path.join(options.tokenizers, f"{name}.json")) as file:
                tokenizer = Tokenizer.from_str(json.dumps(json.load(file)["tokenizer"]))
        size = tokenizer.get_vocab_size()
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        drawn = [[stream.randrange(size) for _ in range(stream.randrange(1, 6))] for _ in range(options.count // 4)]
        broken = [{"ids": each, "text": tokenizer.decode(each, skip_special_tokens=True)} for each in drawn]
        write(f"{name}.json", {"tokenizer": json.loads(tokenizer.to_str()), "ids": ids, "broken": broken})
    others = {}
    for name in sorted(os.listdir(options.others)) if options.others else []:
        tokenizer = Tokenizer.from_file(os.path.join(options.others, name, "tokenizer.json"))
        others[name] = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    write("others.json", others)
    write("plain.json", plain_prompts(options.out))
    write("configured.json", configured(options.out))
    print(len(texts), list(TOKENIZERS))


if __name__ == "__main__":
    main()
