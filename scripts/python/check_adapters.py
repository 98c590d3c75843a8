"""Loads adapters in pairs with peft and compares the logits of the adapted model: one that we saved, and its original.

    python scripts/python/check_adapters.py groups.json <base folder> <saved adapter> <original adapter> [...]

Prints one line of JSON: the largest deviation of each pair, and the deviation of the base model alone (which an adapter that was
not loaded would have).
"""

import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def main():
    with open(sys.argv[1]) as file:
        sequence = torch.tensor([json.load(file)["sequences"][1]])
    out = []
    with torch.no_grad():
        for base, saved, original in zip(sys.argv[2::3], sys.argv[3::3], sys.argv[4::3]):
            load = lambda: AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
            plain = load()(sequence).logits
            ours, theirs = (PeftModel.from_pretrained(load(), at)(sequence).logits for at in (saved, original))
            out.append([float((ours - theirs).abs().max()), float((plain - theirs).abs().max())])
    print(json.dumps(out))


if __name__ == "__main__":
    main()
