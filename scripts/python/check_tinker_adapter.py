"""Loads an exported adapter with peft and compares its log-probabilities with those of its policy's samples.

    python scripts/python/check_tinker_adapter.py <base folder> <adapter folder> <rollouts.jsonl>

Prints one line of JSON: how many modules peft gave an adapter, how many of those are not 0, and the largest deviation of the
completions' log-probabilities from those in the rollouts, with the adapter and without.
"""

import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def largest_deviation(model, groups):
    worst = 0.0
    for group in groups:
        prompt = group["prompt"]["tokens"]
        for completion in group["completions"]:
            tokens = torch.tensor([prompt + completion["tokens"]])
            predicted = model(tokens[:, :-1]).logits.log_softmax(-1)[0, len(prompt) - 1 :]
            sampled = predicted.gather(-1, tokens[0, len(prompt) :, None])[:, 0]
            worst = max(worst, float((sampled - torch.tensor(completion["logprobs"])).abs().max()))
    return worst


def main():
    base, adapter, rollouts = sys.argv[1:4]
    with open(rollouts) as file:
        groups = [json.loads(line) for line in file]
    with torch.no_grad():
        plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        without = largest_deviation(plain, groups)
        model = PeftModel.from_pretrained(plain, adapter)
        modules = [module for module in model.modules() if hasattr(module, "lora_B")]
        nonzero = [module for module in modules if all(b.weight.abs().max() > 0 for b in module.lora_B.values())]
        found = {
            "modules": len(modules),
            "nonzero": len(nonzero),
            "deviation": largest_deviation(model, groups),
            "without": without,
        }
    print(json.dumps(found))


main()
