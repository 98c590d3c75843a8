"""Loads exports of a real model and computes logits of the first prompt.

usage: check_real_export.py MODEL ADAPTER F32 BF16 REQUEST.json OUT.safetensors
"""

import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

base, adapter, f32, bf16, request, out = sys.argv[1:]
prompt = torch.tensor([json.loads(Path(request).read_text())["groups"][0]["prompt"]])


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


with torch.no_grad():
    adapted = PeftModel.from_pretrained(load(base), adapter)
    stored = load_file(Path(adapter) / "adapter_model.safetensors")
    held = [p for name, p in adapted.named_parameters() if "lora_" in name]
    nonzero = sum(bool(p.abs().sum() > 0) for p in held)
    tensors = {
        "adapter": adapted(prompt).logits[0].contiguous(),
        "F32": load(f32)(prompt).logits[0].contiguous(),
        "BF16": load(bf16)(prompt).logits[0].contiguous(),
    }
save_file(tensors, out)
print(json.dumps({"modules": nonzero if len(held) == len(stored) else -1}))
