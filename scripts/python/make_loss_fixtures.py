"""Makes the reference values of test/losses.test.ts: losses and gradients of test/models/qwen2 from PyTorch's autograd
over k separate sequences, with the formulas of the papers (as in TRL 1.16's GRPOTrainer), off-policy.

    python scripts/python/make_loss_fixtures.py [folder, default test/models]
"""

import json
import math
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

BETA, LOW, HIGH, BOUND, ENTROPY, MAX_TOKENS = 0.1, 0.2, 0.28, 1.3, 0.05, 16
KEPT = ["model.norm.weight", "model.layers.0.self_attn.q_proj.bias", "model.layers.1.mlp.gate_proj.weight"]


def noise(completion, t, seed):
    """The same for all completions that share the prefix."""
    return 0.6 * math.sin(seed + sum((i + 1) * token for i, token in enumerate(completion[: t + 1])))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "test/models"
    with open(os.path.join(folder, "groups.json")) as file:
        groups = json.load(file)
    prompt, completions = groups["prompt"], groups["completions"]
    model = AutoModelForCausalLM.from_pretrained(os.path.join(folder, "qwen2"), dtype=torch.float32).eval()
    rewards = torch.tensor(groups["rewards"], dtype=torch.float64)
    advantages = ((rewards - rewards.mean()) / (rewards.std() + 1e-4)).float()
    total = sum(len(c) for c in completions)
    k = len(completions)
    sizes = [
        [sum(1 for other in completions if other[: t + 1] == c[: t + 1]) for t in range(len(c))] for c in completions
    ]

    def sequence(completion):
        logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
        distribution = torch.log_softmax(logits, -1)
        logprobs = distribution[torch.arange(len(completion)), torch.tensor(completion)]
        return logprobs, -(distribution.exp() * distribution).sum(-1)

    with torch.no_grad():
        base = [sequence(c)[0] for c in completions]
    old = [b - torch.tensor([noise(c, t, 0.0) for t in range(len(c))]) for b, c in zip(base, completions)]
    reference = [b + torch.tensor([noise(c, t, 1.0) for t in range(len(c))]) for b, c in zip(base, completions)]

    def loss_of(form, normalisation, exponent, bound=None, kl=False, entropy=False, masked=(), tokens_masked=None):
        lengths = [0 if i in masked else len(c) for i, c in enumerate(completions)]
        if tokens_masked:
            lengths = [n - sum(1 for t in range(len(c)) if t in tokens_masked) for n, c in zip(lengths, completions)]
        trained = sum(lengths)
        out = torch.zeros(())
        for i, completion in enumerate(completions):
            if lengths[i] == 0:
                continue
            logprobs, entropies = sequence(completion)
            a = advantages[i]
            mask = torch.tensor([0.0 if tokens_masked and t in tokens_masked else 1.0 for t in range(len(completion))])
            log_ratio = logprobs - old[i]
            if form == "gspo":
                ratio = torch.exp((log_ratio * mask).sum() / mask.sum()).expand(len(completion))
            else:
                ratio = torch.exp(log_ratio)
            if form == "cispo":
                terms = torch.clamp(ratio, max=1 + HIGH).detach() * a * logprobs
            else:
                clipped = torch.clamp(ratio, 1 - LOW, 1 + HIGH)
                free = ratio if bound is None else torch.clamp(ratio, max=bound)
                terms = torch.min(free * a, clipped * a)
            if kl:
                d = reference[i] - logprobs
                terms = terms - BETA * (torch.exp(d) - d - 1)
            if entropy:
                terms = terms + ENTROPY * entropies
            scale = torch.tensor([float(s) ** -exponent for s in sizes[i]]) * mask
            weight = {"token": 1 / trained, "group": 1 / trained, "sequence": 1 / (k * lengths[i]), "constant": 1 / (k * MAX_TOKENS)}
            out = out - weight[normalisation] * (scale * terms).sum()
        return out

    cases = {
        "dapo": dict(form="ppo", normalisation="token", exponent=0),
        "dapo-lambda": dict(form="ppo", normalisation="token", exponent=1, kl=True),
        "grpo": dict(form="ppo", normalisation="sequence", exponent=0, kl=True),
        "dr_grpo-lambda": dict(form="ppo", normalisation="constant", exponent=1),
        "bnpo-lambda": dict(form="ppo", normalisation="group", exponent=1),
        "two-sided": dict(form="ppo", normalisation="token", exponent=0, bound=BOUND),
        "two-sided-lambda": dict(form="ppo", normalisation="token", exponent=1, bound=BOUND),
        "cispo": dict(form="cispo", normalisation="token", exponent=0),
        "cispo-lambda": dict(form="cispo", normalisation="token", exponent=1, kl=True),
        "gspo": dict(form="gspo", normalisation="sequence", exponent=0),
        "gspo-kl": dict(form="gspo", normalisation="sequence", exponent=0, kl=True),
        "entropy": dict(form="ppo", normalisation="token", exponent=0, entropy=True),
        "entropy-lambda": dict(form="ppo", normalisation="token", exponent=1, entropy=True),
        "truncated-lambda": dict(form="ppo", normalisation="token", exponent=1, masked=(1, 3)),
        "masked-lambda": dict(form="ppo", normalisation="token", exponent=1, kl=True, entropy=True, tokens_masked=(1, 2)),
        "masked-gspo": dict(form="gspo", normalisation="sequence", exponent=0, tokens_masked=(1, 2)),
    }
    tensors = {"old": torch.cat(old), "reference": torch.cat(reference)}
    losses = {}
    for name, case in cases.items():
        model.zero_grad()
        loss = loss_of(**case)
        loss.backward()
        norm = math.sqrt(sum(float((p.grad.double() ** 2).sum()) for p in model.parameters() if p.grad is not None))
        losses[name] = {**case, "loss": float(loss), "norm": norm}
        for key in KEPT:
            tensors[f"{name}.{key}"] = dict(model.named_parameters())[key].grad.clone().contiguous()
    out = os.path.join(folder, "losses")
    os.makedirs(out, exist_ok=True)
    save_file(tensors, os.path.join(out, "expected.safetensors"))
    settings = dict(beta=BETA, clip_low=LOW, clip_high=HIGH, bound=BOUND, entropy=ENTROPY, max_tokens=MAX_TOKENS)
    with open(os.path.join(out, "cases.json"), "w") as file:
        json.dump({"made_with": torch.__version__, "settings": settings, "kept": KEPT, "cases": losses}, file, indent=2)
        file.write("\n")
    print({name: round(value["norm"], 4) for name, value in losses.items()}, total)


if __name__ == "__main__":
    main()
