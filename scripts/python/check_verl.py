"""Makes test/verl: gradients of λ-GRPO by veRL's own functions with docs/python/verl_lambda_grpo.py, on the CPU.

    pip install torch==2.13.0 verl==0.7.0 transformers==4.57.3 safetensors
    python scripts/python/check_verl.py test/trl test/verl

The model and groups of test/trl. veRL's part: `compute_advantage` of the driver (GRPO) on a batch in another order, and the
actor's `compute_policy_loss_vanilla` with both of its means; the model's forward pass is done here. Not run: Ray, workers.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tensordict import TensorDict
from transformers import GPT2Config, GPT2LMHeadModel
from verl import DataProto
from verl.trainer.ppo import ray_trainer
from verl.trainer.ppo.core_algos import AdvantageEstimator, get_policy_loss_fn
from verl.workers.config import FSDPActorConfig

KEPT = ("wte.weight", "h.0.attn.c_proj.weight", "h.0.ln_1.weight", "h.1.mlp.c_proj.bias")


def load_example():
    file = Path(__file__).parents[2] / "docs/python/verl_lambda_grpo.py"
    spec = importlib.util.spec_from_file_location("verl_lambda_grpo", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def batch_of(groups):
    """The batch in the driver's format: right-padded responses, the reward at the last token, rows of the groups mixed."""
    rows = [
        (f"uid-{g}", group["promptTokens"], tokens, reward)
        for g, group in enumerate(groups)
        for tokens, reward in zip(group["completions"], group["rewards"])
    ]
    rows = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    prompt, longest = len(rows[0][1]), max(len(tokens) for _, _, tokens, _ in rows)
    responses = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    rewards = torch.zeros(len(rows), longest)
    for i, (_, _, tokens, reward) in enumerate(rows):
        responses[i, : len(tokens)], mask[i, : len(tokens)] = torch.tensor(tokens), 1
        rewards[i, len(tokens) - 1] = reward
    prompts = torch.tensor([p for _, p, _, _ in rows])
    tensors = {
        "responses": responses,
        "response_mask": mask,
        "token_level_rewards": rewards,
        "input_ids": torch.cat([prompts, responses], dim=1),
        "attention_mask": torch.cat([torch.ones_like(prompts), mask], dim=1),
    }
    uids = np.array([uid for uid, _, _, _ in rows], dtype=object)
    return DataProto(batch=TensorDict(tensors, batch_size=len(rows)), non_tensor_batch={"uid": uids}), prompt


def main(trl, out):
    example = load_example()
    groups = json.loads((trl / "groups.json").read_text())["groups"]
    weights = load_file(trl / "model.safetensors")
    out.mkdir(parents=True, exist_ok=True)
    data, prompt = batch_of(groups)
    compute_advantage = example.with_lambda_weights(ray_trainer.compute_advantage)
    data = compute_advantage(data, adv_estimator=AdvantageEstimator.GRPO, norm_adv_by_std_in_grpo=True)
    for mode in ("token-mean", "seq-mean-token-mean"):
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=16, n_positions=32, n_embd=32, n_layer=2, n_head=2, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0
            )
        )
        model.transformer.load_state_dict(weights)
        logits = model(data.batch["input_ids"], attention_mask=data.batch["attention_mask"]).logits[:, prompt - 1 : -1]
        logprobs = torch.log_softmax(logits, -1).gather(2, data.batch["responses"].unsqueeze(2)).squeeze(2)
        config = FSDPActorConfig(
            strategy="fsdp", rollout_n=8, ppo_micro_batch_size_per_gpu=16, ppo_mini_batch_size=16, loss_agg_mode=mode
        )
        loss, *_ = get_policy_loss_fn("vanilla")(
            old_log_prob=logprobs.detach(), log_prob=logprobs, advantages=data.batch["advantages"],
            response_mask=data.batch["response_mask"], loss_agg_mode=mode, config=config,
        )
        loss.backward()
        gradients = {name: p.grad for name, p in model.transformer.named_parameters() if name in KEPT}
        save_file(gradients, out / f"{mode}.safetensors")
        print(mode, "loss", loss.item())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
