"""Computes reference values with transformers and peft on a real model, for test/real: logits, greedy tokens, gradients of an adapter, answers.

usage: real_reference.py MODEL REQUEST.json OUT

REQUEST: chats (texts of the user), groups (prompt, completions, advantages), adapter (folder), problems (texts), max_tokens.
OUT gets expected.safetensors (logits.<i>, <method>.grad.<name>) and expected.json (ids, greedy, texts).
"""

import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

folder, request_file, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
request = json.loads(request_file.read_text())
# AutoTokenizer would choose GPT2Tokenizer, which transformers 5 builds without the rule of tokenizer.json that splits digits.
tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, padding_side="left")
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def chat(text):
    messages = [{"role": "user", "content": text}]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]


def greedy(prompts, tokens, stop):
    """Continues prompts of unequal length in one batch."""
    batch = tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
    ended = model.generate(
        **batch, do_sample=False, max_new_tokens=tokens, eos_token_id=tokenizer.eos_token_id if stop else None
    )
    return [row[batch["input_ids"].shape[1] :].tolist() for row in ended]


ids = [chat(text) for text in request["chats"]]
tensors = {}
with torch.no_grad():
    for i, row in enumerate(ids):
        tensors[f"logits.{i}"] = model(torch.tensor([row])).logits[0].contiguous()
    continued = [greedy([row], 64, False)[0] for row in ids[:8]]
    texts = []
    for start in range(0, len(request["problems"]), 10):
        prompts = [chat(text) for text in request["problems"][start : start + 10]]
        for row in greedy(prompts, request["max_tokens"], True):
            end = row.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in row else len(row)
            texts.append(tokenizer.decode(row[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False))

adapted = PeftModel.from_pretrained(model, request["adapter"], is_trainable=True)


def shared(completions, i, t):
    """|λ|: completions that begin with the first t + 1 tokens of completion i."""
    return sum(other[: t + 1] == completions[i][: t + 1] for other in completions)


for method, exponent in (("grpo", 0), ("lambda-grpo", 1)):
    adapted.zero_grad()
    total = sum(len(tokens) for group in request["groups"] for tokens in group["completions"])
    for group in request["groups"]:
        prompt, completions = group["prompt"], group["completions"]
        for i, tokens in enumerate(completions):
            logits = adapted(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1]
            logprobs = torch.log_softmax(logits, -1)[torch.arange(len(tokens)), torch.tensor(tokens)]
            weights = torch.tensor([shared(completions, i, t) ** -exponent for t in range(len(tokens))])
            (-(weights * logprobs).sum() * group["advantages"][i] / total).backward()
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad:
            tensors[f"{method}.grad.{name}"] = parameter.grad.clone().contiguous()

save_file(tensors, out / "expected.safetensors")
(out / "expected.json").write_text(json.dumps({"ids": ids, "greedy": continued, "texts": texts}))
