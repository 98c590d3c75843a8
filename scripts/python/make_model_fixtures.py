"""Makes the reference values of test/parity.test.ts: tiny random checkpoints of each architecture, written by
transformers, and the results of PyTorch with them on the CPU.

    python scripts/python/make_model_fixtures.py [folder, default test/models]

For each: config.json and model.safetensors (float32), and expected.safetensors with
- logits of two sequences,
- the log-probabilities of a group's tokens (k sequences, one after the other),
- gradients of the GRPO and of the lambda-GRPO loss (autograd over the k separate sequences),
- 64 tokens of greedy generation.
In variants/, configurations that disagree with the weights, with the logits that transformers computes.
configs.json has the configurations that transformers saves for each family, and those of public models with what
transformers reads in them.
The group and its coefficients are in groups.json: per token of each completion, the weight of its term in the loss.
"""

import json
import os
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
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
    # The first of two layers has no positions; the second must have them.
    "smollm3": lambda: SmolLM3ForCausalLM(
        SmolLM3Config(
            **ROTARY,
            no_rope_layers=[0, 1],
            rope_parameters=dict(rope_type="default", rope_theta=5000000.0),
            tie_word_embeddings=True,
            pad_token_id=0,
        )
    ),
}
SCALED = {key: value for key, value in LLAMA3.items() if key != "rope_theta"}
TIED = dict(tie_word_embeddings=True)
UNTIED = dict(tie_word_embeddings=False)
SMALL = dict(
    vocab_size=48,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=128,
)
SMALL_GPT2 = dict(vocab_size=48, n_positions=128, n_embd=16, n_layer=1, n_head=2)


def small_llama(**more):
    return LlamaForCausalLM(LlamaConfig(**SMALL, **more))


# name: model as saved, changes of its config.json (None removes a key), tensors that are left out.
VARIANTS = {
    "llama-tied-flag-own-head": (lambda: small_llama(**UNTIED), TIED, ()),
    "gpt2-tied-flag-own-head": (lambda: GPT2LMHeadModel(GPT2Config(**SMALL_GPT2, **UNTIED)), TIED, ()),
    "gpt2-own-head": (lambda: GPT2LMHeadModel(GPT2Config(**SMALL_GPT2, **UNTIED)), {}, ()),
    "llama-only-head": (lambda: small_llama(**UNTIED), TIED, ("model.embed_tokens.weight",)),
    # rope_scaling replaces rope_parameters, its theta too.
    "llama-rope-both": (
        small_llama,
        dict(rope_parameters=dict(rope_type="default", rope_theta=500000.0), rope_scaling=SCALED),
        (),
    ),
    "llama-rope-both-theta": (
        small_llama,
        dict(
            rope_parameters=dict(rope_type="default", rope_theta=500000.0), rope_scaling=dict(SCALED), rope_theta=77.0
        ),
        (),
    ),
    "llama-rope-empty-scaling": (
        small_llama,
        dict(rope_parameters=dict(rope_type="default", rope_theta=500.0), rope_scaling={}, rope_theta=77.0),
        (),
    ),
    "llama-rope-old": (
        small_llama,
        dict(rope_parameters=None, rope_theta=5000.0, rope_scaling=dict(SCALED, type="linear")),
        (),
    ),
    "llama-rope-no-original": (
        small_llama,
        dict(
            rope_parameters=dict(
                rope_type="llama3", rope_theta=50.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0
            )
        ),
        (),
    ),
    "qwen3-no-rope": (
        lambda: Qwen3ForCausalLM(Qwen3Config(**SMALL, head_dim=8, tie_word_embeddings=True)),
        dict(rope_parameters=None),
        (),
    ),
    # Without the list every fourth layer has no positions; theta and tied head are the family's defaults.
    "smollm3-defaults": (
        lambda: SmolLM3ForCausalLM(SmolLM3Config(**{**SMALL, "num_hidden_layers": 5}, pad_token_id=0)),
        dict(no_rope_layers=None, rope_parameters=None, tie_word_embeddings=None, layer_types=None),
        (),
    ),
}
# Configurations of public models, as their config.json has them.
PUBLIC = {
    "gpt2": {
        "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
        "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12,
        "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": None, "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True, "summary_type": "cls_index", "summary_use_proj": True,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}}, "vocab_size": 50257,
    },
    "smollm2": {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1,
        "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041666666666666664,
        "intermediate_size": 1536, "is_llama_config": True, "max_position_embeddings": 8192, "mlp_bias": False,
        "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
        "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": False, "rope_scaling": None,
        "rope_theta": 100000, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}},
        "transformers_version": "4.42.3", "use_cache": True, "vocab_size": 49152,
    },
    "tinyllama": {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 5632,
        "max_position_embeddings": 2048, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 22,
        "num_key_value_heads": 4, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": None,
        "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "transformers_version": "4.35.0", "use_cache": True, "vocab_size": 32000,
    },
    "llama-3.2": {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "head_dim": 64, "hidden_act": "silu",
        "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 8192, "max_position_embeddings": 131072,
        "mlp_bias": False, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16,
        "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
        "rope_scaling": {
            "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192, "rope_type": "llama3",
        },
        "rope_theta": 500000.0, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "transformers_version": "4.45.0.dev0", "use_cache": True, "vocab_size": 128256,
    },
    "qwen2.5": {
        "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
        "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 896, "initializer_range": 0.02,
        "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 21, "model_type": "qwen2",
        "num_attention_heads": 14, "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "transformers_version": "4.43.1", "use_cache": True, "use_sliding_window": False, "vocab_size": 151936,
    },
    "deepseek-r1-distill-qwen": {
        "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
        "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 1536, "initializer_range": 0.02,
        "intermediate_size": 8960, "max_position_embeddings": 131072, "max_window_layers": 21, "model_type": "qwen2",
        "num_attention_heads": 12, "num_hidden_layers": 28, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
        "rope_theta": 10000, "sliding_window": 4096, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "transformers_version": "4.44.0", "use_cache": True, "use_mrope": False, "use_sliding_window": False,
        "vocab_size": 151936,
    },
    "qwen3": {
        "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024,
        "initializer_range": 0.02, "intermediate_size": 3072, "max_position_embeddings": 40960,
        "max_window_layers": 28, "model_type": "qwen3", "num_attention_heads": 16, "num_hidden_layers": 28,
        "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 1000000,
        "sliding_window": None, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "transformers_version": "4.51.0", "use_cache": True, "use_sliding_window": False, "vocab_size": 151936,
    },
    "smollm3": {
        "architectures": ["SmolLM3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "bos_token_id": None, "eos_token_id": 128012, "hidden_act": "silu", "hidden_size": 2048,
        "initializer_range": 0.02, "intermediate_size": 11008, "layer_types": ["full_attention"] * 36,
        "max_position_embeddings": 65536, "max_window_layers": 28, "mlp_bias": False, "model_type": "smollm3",
        "no_rope_layer_interval": 4, "no_rope_layers": [1, 1, 1, 0] * 9, "num_attention_heads": 16,
        "num_hidden_layers": 36, "num_key_value_heads": 4, "pad_token_id": 128004, "pretraining_tp": 2,
        "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 5000000.0, "sliding_window": None,
        "torch_dtype": "bfloat16", "transformers_version": "4.54.0.dev0", "use_cache": False,
        "use_sliding_window": False, "vocab_size": 128256,
    },
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
        # Greedy, without a cache: only forward passes.
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


def larger_weights(model):
    """Weights larger than a new model's, also biases and gains, so that a missing term changes the results."""
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            if parameter.dim() == 1:
                parameter.copy_(parameter + 0.2 * noise)
            else:
                parameter.copy_(noise * (0.5 if "embed" in key or "wte" in key or "lm_head" in key else 0.3))


def make_variants(folder):
    for name, (make, changes, left_out) in VARIANTS.items():
        torch.manual_seed(12)
        model = make().eval().float()
        larger_weights(model)
        at = os.path.join(folder, "variants", name)
        shutil.rmtree(at, ignore_errors=True)
        model.save_pretrained(at)
        path = os.path.join(at, "generation_config.json")
        if os.path.exists(path):
            os.remove(path)
        path = os.path.join(at, "config.json")
        with open(path) as file:
            config = json.load(file)
        config.update(changes)
        with open(path, "w") as file:
            json.dump({key: value for key, value in config.items() if value is not None}, file, indent=2)
        path = os.path.join(at, "model.safetensors")
        tensors = load_file(path)
        save_file({key: value for key, value in tensors.items() if key not in left_out}, path, {"format": "pt"})
        read = AutoModelForCausalLM.from_pretrained(at).eval()
        with torch.no_grad():
            logits = read(torch.tensor([list(range(48))[::-1] + [7, 21, 3]])).logits[0].clone()
        save_file({"logits": logits.contiguous()}, os.path.join(at, "expected.safetensors"))


def make_configs(folder):
    configs = {}
    for name, make in {"gpt2": GPT2Config, "llama": LlamaConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config, "smollm3": SmolLM3Config}.items():
        configs[f"transformers {name}"] = make().to_dict()
        configs[f"transformers {name}, what differs from the defaults"] = make().to_diff_dict()
    cases = []
    for name, config in [*configs.items(), *PUBLIC.items()]:
        at = os.path.join(folder, "public-config")
        os.makedirs(at, exist_ok=True)
        with open(os.path.join(at, "config.json"), "w") as file:
            json.dump(config, file)
        read = AutoConfig.from_pretrained(at)
        heads = read.num_attention_heads
        cases.append(
            {
                "name": name,
                "config": config,
                "read": {
                    "width": read.hidden_size,
                    "layers": read.num_hidden_layers,
                    "heads": heads,
                    "context": read.max_position_embeddings,
                    "vocabulary": read.vocab_size,
                    "tied": read.tie_word_embeddings,
                    "headWidth": getattr(read, "head_dim", None) or read.hidden_size // heads,
                    "keyValueHeads": getattr(read, "num_key_value_heads", heads),
                    "theta": (getattr(read, "rope_parameters", None) or {}).get("rope_theta"),
                    "rope": (getattr(read, "rope_parameters", None) or {}).get("rope_type"),
                },
            }
        )
        shutil.rmtree(at)
    with open(os.path.join(folder, "configs.json"), "w") as file:
        json.dump(cases, file, indent=1)
        file.write("\n")


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
        larger_weights(model)
        at = os.path.join(folder, name)
        shutil.rmtree(at, ignore_errors=True)
        model.save_pretrained(at)
        for extra in ("generation_config.json",):
            path = os.path.join(at, extra)
            if os.path.exists(path):
                os.remove(path)
        save_file({k: v.contiguous() for k, v in expected(model, weights).items()}, os.path.join(at, "expected.safetensors"))
        print(name, sum(p.numel() for p in model.parameters()))
    make_variants(folder)
    make_configs(folder)


if __name__ == "__main__":
    main()
