"""Loads model folders with transformers and compares their logits with expected ones.

    python scripts/python/check_checkpoints.py groups.json <model folder> <expected.safetensors> [...more pairs]

Prints one line of JSON: the largest deviation of each folder.
"""

import json
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM


def main():
    with open(sys.argv[1]) as file:
        sequences = json.load(file)["sequences"]
    deviations = []
    for folder, expected in zip(sys.argv[2::2], sys.argv[3::2]):
        model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        wrong = {key: sorted(value) for key, value in report.items() if value}
        if wrong:
            sys.exit(f"{folder}: {wrong}")
        numbers = load_file(expected)
        with torch.no_grad():
            deviations.append(
                max(
                    float((model(torch.tensor([s])).logits[0] - numbers[f"logits.{i}"]).abs().max())
                    for i, s in enumerate(sequences)
                )
            )
    print(json.dumps(deviations))


if __name__ == "__main__":
    main()
