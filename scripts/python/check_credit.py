"""Makes test/trl/credit-*.safetensors: gradients of TRL's own GRPOTrainer on the weights that `lambda-grpo analyze` writes.

    pip install torch==2.13.0 && pip install trl==1.16.0 transformers==5.24.0 safetensors
    python scripts/python/check_credit.py test/trl

The model, groups and training loop of check_trl.py (whose files must be in test/trl). The groups go through
`analyze --credit … --weights weights.jsonl` as a log; in the trainer each completion is matched to its row by group and
tokens, and its advantages times scale replace TRL's. test/python-trainers.test.ts compares our gradient under the rule.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from trl import GRPOTrainer

import check_trl

ROOT = Path(__file__).parents[2]
RULES = ("tempo", "spo-tree")
KEPT = ("wte", "h.0.attn", "h.0.ln_1", "h.1.mlp.c_proj.bias")
PROMPTS = ("a b c", "k e k")


def weights_of(groups, rules):
    """Rows that analyze writes for these groups, by group and tokens."""
    with tempfile.TemporaryDirectory() as folder:
        log, file = Path(folder, "log.jsonl"), Path(folder, "weights.jsonl")
        rows = [
            {"prompt": g["prompt"], "group": str(i), "tokens": tokens, "reward": reward}
            for i, g in enumerate(groups)
            for tokens, reward in zip(g["completions"], g["rewards"])
        ]
        log.write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = ["npx", "tsx", "src/cli/main.ts", "analyze", log, "--credit", ",".join(rules)]
        subprocess.run([*command, "--weights", file, "--no-report"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        written = [json.loads(line) for line in file.read_text().splitlines()]
    by_tokens = {}
    for row in written:  # equal completions may differ in reward, and so in advantage: each has a row
        by_tokens.setdefault((row["group_id"], tuple(row["tokens"])), []).append(row)
    return by_tokens


def trainer_with(rule, groups, rows):
    column = rule.replace("-", "_")
    group_of = {tuple(g["promptTokens"]): str(i) for i, g in enumerate(groups)}

    class Joined(GRPOTrainer):
        def _generate_and_score_completions(self, inputs):
            batch = super()._generate_and_score_completions(inputs)
            left = {key: list(equal) for key, equal in rows.items()}
            advantages = torch.zeros(batch["completion_ids"].shape, dtype=torch.float32)
            for b, mask in enumerate(batch["completion_mask"].bool()):
                prompt = batch["prompt_ids"][b][batch["prompt_mask"][b].bool()].tolist()
                tokens = batch["completion_ids"][b][mask].tolist()
                row = left[group_of[tuple(prompt)], tuple(tokens)].pop(0)
                values = torch.tensor(row[f"{column}_advantages"]) * torch.tensor(row[f"{column}_scale"])
                advantages[b, : len(tokens)] = values
            batch["advantages"] = advantages
            return batch

    return Joined


def main(out):
    facts = json.loads((out / "groups.json").read_text())
    groups = [{**group, "prompt": prompt} for group, prompt in zip(facts["groups"], PROMPTS)]
    ours = load_file(out / "model.safetensors")
    for name, parameter in check_trl.named(check_trl.tiny_model()).items():
        assert torch.equal(parameter, ours[name]), name
    rows = weights_of(groups, RULES)
    for rule in RULES:
        gradients, _, _ = check_trl.run(trainer_with(rule, groups, rows), groups, "dapo", 0.0)
        kept = {name: g.contiguous() for name, g in gradients.items() if name.startswith(KEPT)}
        save_file(kept, out / f"credit-{rule}.safetensors")
        print(rule, "norm", sum((g**2).sum() for g in gradients.values()).sqrt().item())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
