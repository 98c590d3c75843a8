"""Makes what test/parity.test.ts checks our models against: tiny random checkpoints of each architecture, written by
transformers itself, and what PyTorch computes with them on the CPU.

    python scripts/python/make_model_fixtures.py [folder, default test/models]

For each: config.json and model.safetensors (float32), and expected.safetensors with
- logits of two sequences,
- the log-probabilities of a group's tokens (k sequences, one after the other),
- gradients of the GRPO and of the lambda-GRPO loss (autograd over the k separate sequences),
- 64 tokens of greedy generation.
The group and its coefficients are in groups.json: per token of each completion, the weight of its term in the loss.
"""

import json
import os
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

VOCABULARY = 96
ROTARY = dict(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=500000.0,
    factor=4.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=32,
)
MODELS = {
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY, n_positions=128, n_embd=32, n_layer=2, n_head=4, layer_norm_epsilon=2e-5
        )
    ),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**ROTARY, rope_parameters=LLAMA3, rms_norm_eps=1e-5)),
    "qwen2": lambda: Qwen2ForCausalLM(
        Qwen2Config(**ROTARY, rope_parameters=dict(rope_type="default", rope_theta=1000000.0), tie_word_embeddings=True)
    ),
    "qwen2-untied": lambda: Qwen2ForCausalLM(
        Qwen2Config(**ROTARY, rope_parameters=dict(rope_type="default", rope_theta=10000.0), tie_word_embeddings=False)
    ),
    # Heads wider than width / heads, as Qwen3's are.
    "qwen3": lambda: Qwen3ForCausalLM(
        Qwen3Config(
            **ROTARY,
            head_dim=16,
            rope_parameters=dict(rope_type="default", rope_theta=1000000.0),
            tie_word_embeddings=True,
        )
    ),
}
PROMPT = [7, 21, 3, 50]
# Shared prefixes, a duplicate, a prefix of another one.
COMPLETIONS = [
    [5, 6, 7, 8, 9],
    [5, 6, 7, 60, 61, 62, 63],
    [5, 6, 7, 8, 9],
    [5, 6, 30],
    [5, 6],
    [80, 81, 82, 83],
]
REWARDS = [1.0, 0.0, 1.0, 0.0, 0.5, 1.0]


def loss_weights():
    """Weight of each token's term, [completion][token], for GRPO and lambda-GRPO; normalised by all tokens (DAPO).

    |lambda| of a token is the number of completions through its step. Steps follow from the prefixes: the completions
    that agree on all tokens up to and including this one.
    """
    rewards = torch.tensor(REWARDS, dtype=torch.float64)
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    total = sum(len(c) for c in COMPLETIONS)
    weights = {"grpo": [], "lambda-grpo": []}
    for i, completion in enumerate(COMPLETIONS):
        sizes = [
            sum(1 for other in COMPLETIONS if other[: t + 1] == completion[: t + 1]) for t in range(len(completion))
        ]
        weights["grpo"].append([float(advantages[i]) / total] * len(completion))
        weights["lambda-grpo"].append([float(advantages[i]) / total / size for size in sizes])
    return weights


def logprobs_of(model, completion):
    tokens = torch.tensor([PROMPT + completion])
    logits = model(tokens).logits[0, len(PROMPT) - 1 : -1]
    return torch.log_softmax(logits, -1)[torch.arange(len(completion)), torch.tensor(completion)]


def expected(model, weights):
    out = {}
    sequences = [PROMPT + COMPLETIONS[1], list(range(90))[::-1]]
    with torch.no_grad():
        for i, sequence in enumerate(sequences):
            out[f"logits.{i}"] = model(torch.tensor([sequence])).logits[0].clone()
        out["logprobs"] = torch.cat([logprobs_of(model, c) for c in COMPLETIONS])
        # Greedy, without a cache: nothing but the forward pass.
        tokens = list(PROMPT)
        for _ in range(64):
            tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
        out["greedy"] = torch.tensor(tokens[len(PROMPT) :], dtype=torch.float32)
    for method, of in weights.items():
        model.zero_grad()
        loss = torch.zeros(())
        for completion, w in zip(COMPLETIONS, of):
            logprobs = logprobs_of(model, completion)
            ratio = torch.exp(logprobs - logprobs.detach())
            loss = loss - (ratio * torch.tensor(w, dtype=torch.float32)).sum()
        loss.backward()
        out[f"{method}.loss"] = loss.detach().reshape(1)
        for name, parameter in model.named_parameters():
            out[f"{method}.grad.{name}"] = parameter.grad.clone()
    return out


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "test/models"
    weights = loss_weights()
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "groups.json"), "w") as file:
        json.dump(
            {
                "made_with": {"torch": torch.__version__, "transformers": transformers.__version__},
                "prompt": PROMPT,
                "completions": COMPLETIONS,
                "rewards": REWARDS,
                "sequences": [PROMPT + COMPLETIONS[1], list(range(90))[::-1]],
            },
            file,
        )
        file.write("\n")
    for name, make in MODELS.items():
        torch.manual_seed(11)
        model = make().eval().float()
        with torch.no_grad():
            # Larger than a fresh model's, biases and gains too: a term that is left out must show.
            for key, parameter in model.named_parameters():
                noise = torch.randn_like(parameter)
                if parameter.dim() == 1:
                    parameter.copy_(parameter + 0.2 * noise)
                else:
                    parameter.copy_(noise * (0.5 if "embed" in key or "wte" in key or "lm_head" in key else 0.3))
        at = os.path.join(folder, name)
        shutil.rmtree(at, ignore_errors=True)
        model.save_pretrained(at)
        for extra in ("generation_config.json",):
            path = os.path.join(at, extra)
            if os.path.exists(path):
                os.remove(path)
        save_file({k: v.contiguous() for k, v in expected(model, weights).items()}, os.path.join(at, "expected.safetensors"))
        print(name, sum(p.numel() for p in model.parameters()))


if __name__ == "__main__":
    main()
