"""Loads adapters with peft onto their base models and compares logits with expected ones.

    python scripts/python/check_adapters.py groups.json <base folder> <adapter folder> <expected.safetensors> [...]

Prints one line of JSON: the largest deviation of each.
"""

import json
import sys

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM


def main():
    with open(sys.argv[1]) as file:
        sequence = torch.tensor([json.load(file)["sequences"][1]])
    deviations = []
    for base, adapter, expected in zip(sys.argv[2::3], sys.argv[3::3], sys.argv[4::3]):
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter)
        with torch.no_grad():
            deviations.append(float((model(sequence).logits[0] - load_file(expected)["logits"]).abs().max()))
    print(json.dumps(deviations))


if __name__ == "__main__":
    main()
