"""Loads model folders in pairs with transformers and compares their logits: one that we saved, and its original.

    python scripts/python/check_checkpoints.py groups.json <saved folder> <original folder> [...more pairs]

Prints one line of JSON: the largest deviation of each pair. Both are computed in the same process, so equal weights give 0.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM


def logits(folder, sequences):
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    wrong = {key: sorted(value) for key, value in report.items() if value}
    if wrong:
        sys.exit(f"{folder}: {wrong}")
    with torch.no_grad():
        return [model(torch.tensor([sequence])).logits[0] for sequence in sequences]


def main():
    with open(sys.argv[1]) as file:
        sequences = json.load(file)["sequences"]
    deviations = []
    for saved, original in zip(sys.argv[2::2], sys.argv[3::2]):
        pairs = zip(logits(saved, sequences), logits(original, sequences))
        deviations.append(max(float((a - b).abs().max()) for a, b in pairs))
    print(json.dumps(deviations))


if __name__ == "__main__":
    main()
