"""Makes the reference values of test/lora.test.ts: adapters that peft wrote for test/models, and the results of PyTorch
with them (logits, gradients of the GRPO and lambda-GRPO loss over separate sequences, logits of the merged model).

    python scripts/python/make_lora_fixtures.py [folder, default test/models]
"""

import json
import os
import shutil
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

sys.path.insert(0, os.path.dirname(__file__))
from make_model_fixtures import loss_weights, logprobs_of  # noqa: E402

CASES = {"qwen2": ["q_proj", "v_proj", "down_proj"], "gpt2": ["c_attn", "mlp.c_proj"], "qwen3": "all-linear"}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "test/models"
    with open(os.path.join(folder, "groups.json")) as file:
        groups = json.load(file)
    for name, targets in CASES.items():
        torch.manual_seed(3)
        base = AutoModelForCausalLM.from_pretrained(os.path.join(folder, name), dtype=torch.float32)
        model = get_peft_model(
            base,
            LoraConfig(r=3, lora_alpha=5, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM", fan_in_fan_out=name == "gpt2"),
        ).eval()
        trained = {key: p for key, p in model.named_parameters() if p.requires_grad}
        with torch.no_grad():
            for p in trained.values():
                p.copy_(0.3 * torch.randn_like(p))
        at = os.path.join(folder, "lora", name)
        shutil.rmtree(at, ignore_errors=True)
        model.save_pretrained(at)
        os.remove(os.path.join(at, "README.md"))
        out = {}
        sequence = torch.tensor([groups["sequences"][1]])
        with torch.no_grad():
            out["logits"] = model(sequence).logits[0].clone()
        for method, weights in loss_weights().items():
            model.zero_grad()
            loss = torch.zeros(())
            for completion, w in zip(groups["completions"], weights):
                logprobs = logprobs_of(model, completion)
                loss = loss - (torch.exp(logprobs - logprobs.detach()) * torch.tensor(w, dtype=torch.float32)).sum()
            loss.backward()
            for key, p in trained.items():
                out[f"{method}.{key.replace('.default', '')}"] = p.grad.clone()
        with torch.no_grad():
            merged = model.merge_and_unload()
            out["merged"] = merged(sequence).logits[0].clone()
        save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(at, "expected.safetensors"))
        print(name, len(trained), float((out["merged"] - out["logits"]).abs().max()))


if __name__ == "__main__":
    main()
