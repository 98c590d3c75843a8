"""The peer of bench/model.bench.ts: PyTorch, transformers and peft on the same checkpoint and the same work. One optimizer
step of the GRPO loss on k sequences as one padded batch, or sampling with the cache.

    python bench/model_peer.py '{"what": "update", "folder": ..., "prompt": [...], "completions": [[...]], ...}'

Prints one line of JSON: seconds of each repetition, peak resident memory in GiB.
"""

import json
import resource
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def update(model, job):
    sequences = torch.tensor([job["prompt"] + completion for completion in job["completions"]])
    first = len(job["prompt"])
    rewards = torch.tensor(job["rewards"], dtype=torch.float32)
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6, weight_decay=0.0)
    model.train()
    seconds = []
    for _ in range(job["repetitions"]):
        started = time.perf_counter()
        # Only the logits that the loss needs, as in trainers.
        logits = model(sequences, use_cache=False, logits_to_keep=sequences.shape[1] - first + 1).logits[:, :-1]
        targets = sequences[:, first:]
        logprobs = torch.gather(logits, 2, targets[..., None])[..., 0] - torch.logsumexp(logits, -1)
        ratio = torch.exp(logprobs - logprobs.detach())
        loss = -(ratio * advantages[:, None]).sum() / targets.numel()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - started)
    return seconds


def decode(model, job):
    prompt = torch.tensor([job["prompt"]])
    model.eval()
    seconds = []
    for _ in range(job["repetitions"]):
        started = time.perf_counter()
        with torch.no_grad():
            model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                num_return_sequences=job["samples"],
                min_new_tokens=job["tokens"],
                max_new_tokens=job["tokens"],
                pad_token_id=0,
            )
        seconds.append(time.perf_counter() - started)
    return seconds


def main():
    job = json.loads(sys.argv[1])
    torch.manual_seed(0)
    torch.set_num_threads(job["threads"])
    model = AutoModelForCausalLM.from_pretrained(job["folder"], dtype=torch.float32)
    if job["what"] == "update":
        model = get_peft_model(
            model,
            LoraConfig(r=64, lora_alpha=128, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"),
        )
        if job["checkpointing"]:
            model.enable_input_require_grads()
            model.gradient_checkpointing_enable()
    seconds = {"update": update, "decode": decode}[job["what"]](model, job)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(json.dumps({"seconds": seconds, "peak": peak, "version": torch.__version__}))


if __name__ == "__main__":
    main()
