"""Makes test/trl: gradients of λ-GRPO by TRL's own GRPOTrainer with docs/python/trl_lambda_grpo.py, on the CPU.

    pip install torch==2.13.0 && pip install trl==1.16.0 transformers==5.23.0 safetensors
    python scripts/python/check_trl.py test/trl && npx biome check --write test/trl

A tiny GPT-2 with random weights, two groups of eight fixed completions, one optimizer step over four shuffled
micro-batches: the real training loop from prompts to gradients; only sampling is replaced, by TRL's `rollout_func`.
test/python-trainers.test.ts compares our gradient with these. Runs: loss_type 'grpo' (a mean over each sequence) and 'dapo' (over all
tokens) with beta = 0, 'dapo' with beta = 0.1 (few tensors kept), and the shorter variant in the same file: its gradient must
be the same, its loss is λ-GRPO's (the loss of the other variant is GRPO's; only its gradient is scaled).
All prompts have one length: transformers counts GPT-2's positions from the left edge, so padding there would move them.
"""

import importlib.util
import json
import random
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
from datasets import Dataset
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, TrainerCallback
from trl import GRPOConfig

K, LONGEST, END = 8, 12, 1
BETA = 0.1
KEPT_WITH_KL = ("wte", "h.0.attn", "h.0.ln_1", "h.1.mlp.c_proj.bias")


def load_example():
    file = Path(__file__).parents[2] / "docs/python/trl_lambda_grpo.py"
    spec = importlib.util.spec_from_file_location("trl_lambda_grpo", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tokenizer():
    vocabulary = {word: i for i, word in enumerate(["<pad>", "<end>", "<unknown>", *"abcdefghijklm"])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<end>", unk_token="<unknown>", padding_side="left"
    )


def completions(draw):
    """Shared prefixes, some of them whole completions; one of them twice."""
    made = [[draw.randrange(3, 16) for _ in range(8)]]
    while len(made) < K - 1:
        base = draw.choice(made)
        kept = [t for t in base[: draw.randint(0, len(base))] if t != END]
        tokens = kept + [draw.randrange(3, 16) for _ in range(draw.randint(0, 5))] + [END] * draw.randint(0, 1)
        if 0 < len(tokens) <= LONGEST:
            made.append(tokens)
    return [*made, list(draw.choice(made))]


def tiny_model():
    torch.manual_seed(7)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=16, n_positions=32, n_embd=32, n_layer=2, n_head=2, bos_token_id=END, eos_token_id=END,
            attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0,
        )
    )
    with torch.no_grad():  # far from zero, so that attention and every weight matter
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def named(model):
    return {name.removeprefix("transformer."): p for name, p in model.named_parameters()}


class TakeGradients(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **_):
        assert state.global_step == 0
        self.gradients = {name: p.grad.clone() for name, p in named(model).items()}


class TakeReference:
    """Keeps ln π_ref of the rows of a batch, by prompt and completion."""

    def __init__(self, trainer):
        inner = trainer._generate_and_score_completions

        def wrapped(inputs):
            self.batch = inner(inputs)
            return self.batch

        trainer._generate_and_score_completions = wrapped


def run(trainer_class, groups, loss_type, beta):
    work = tempfile.mkdtemp()
    model = tiny_model()
    model.save_pretrained(work + "/base")
    model.config._name_or_path = work + "/base"  # where TRL takes the reference model from
    of_prompt = {g["prompt"]: g for g in groups}

    def rollout(prompts, trainer):
        rows = []
        for prompt in dict.fromkeys(prompts):
            assert prompts.count(prompt) == K
        seen = dict.fromkeys(prompts, 0)
        for prompt in prompts:
            rows.append((of_prompt[prompt], seen[prompt]))
            seen[prompt] += 1
        return {
            "prompt_ids": [g["promptTokens"] for g, _ in rows],
            "completion_ids": [g["completions"][i] for g, i in rows],
            "logprobs": None,
            "fixed": [g["rewards"][i] for g, i in rows],
        }

    config = GRPOConfig(
        output_dir=work, per_device_train_batch_size=4, gradient_accumulation_steps=4, num_generations=K,
        max_completion_length=LONGEST, max_steps=1, learning_rate=1e-3, max_grad_norm=0.0, loss_type=loss_type, beta=beta,
        # TRL 1.16.0 multiplies the KL term by the ratio by default, which gives it another gradient than the paper's.
        use_bias_correction_kl=False,
        temperature=1.0, bf16=False, use_cpu=True, gradient_checkpointing=False, report_to=[], save_strategy="no", seed=11,
    )
    take = TakeGradients()
    trainer = trainer_class(
        model=model, reward_funcs=lambda completions, fixed, **_: fixed, args=config, rollout_func=rollout,
        train_dataset=Dataset.from_dict({"prompt": [g["prompt"] for g in groups]}), processing_class=tokenizer(),
        callbacks=[take],
    )
    reference = TakeReference(trainer)
    if beta:
        torch.manual_seed(13)
        with torch.no_grad():  # another policy, or the KL term has no gradient
            for parameter in trainer.ref_model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    loss = trainer.train().training_loss
    assert trainer.args.steps_per_generation == 4 and trainer.state.global_step == 1
    return take.gradients, loss, reference.batch


def check_weights(lambda_weights):
    """Compares the short function with the reference implementation's scales: they must be equal."""
    file = Path(__file__).parents[2] / "test/golden/grpo-prm.json"
    for group in json.loads(file.read_text())["groups"]:
        scales = [[scale for scale, count in runs for _ in range(count)] for runs in group["scales"]]
        assert lambda_weights(group["completions"]) == [s[len(group["prompt"]) :] for s in scales]


def deviation(a, b):
    difference = sum(((a[n] - b[n]) ** 2).sum() for n in b)
    return (difference / sum((b[n] ** 2).sum() for n in b)).sqrt().item()


def main(out):
    example = load_example()
    check_weights(example.lambda_weights)
    draw = random.Random(3)
    words = tokenizer()
    groups = []
    for prompt in ("a b c", "k e k"):
        made = completions(draw)
        rewards = [round(draw.gauss(0, 1), 2) for _ in made]
        groups.append({"prompt": prompt, "promptTokens": words(prompt)["input_ids"], "completions": made, "rewards": rewards})

    out.mkdir(parents=True, exist_ok=True)
    model = tiny_model()
    save_file({name: p.detach().contiguous() for name, p in named(model).items()}, out / "model.safetensors")
    losses = {}
    for loss_type in ("grpo", "dapo"):
        gradients, _, _ = run(example.LambdaGRPOTrainer, groups, loss_type, 0.0)
        short, losses[loss_type], _ = run(example.LambdaGRPOTrainerWithoutKL, groups, loss_type, 0.0)
        print(loss_type, "the shorter way deviates by", deviation(short, gradients))
        assert deviation(short, gradients) < 1e-5
        save_file({name: g.contiguous() for name, g in gradients.items()}, out / f"{loss_type}.safetensors")
    gradients, _, batch = run(example.LambdaGRPOTrainer, groups, "dapo", BETA)
    save_file(
        {name: g.contiguous() for name, g in gradients.items() if name.startswith(KEPT_WITH_KL)}, out / "dapo-kl.safetensors"
    )
    logprobs = [
        [round(x, 6) for x in row[mask.bool()].tolist()]
        for row, mask in zip(batch["ref_per_token_logps"], batch["completion_mask"])
    ]
    # Before shuffling, the rows of a prompt are consecutive, in the order of the completions.
    rows = [ids[mask.bool()].tolist() for ids, mask in zip(batch["completion_ids"], batch["completion_mask"])]
    for group in groups:
        first = next(i for i in range(0, len(rows), K) if rows[i : i + K] == group["completions"])
        group["referenceLogprobs"] = logprobs[first : first + K]
        del group["prompt"]
    versions = {name: version(name) for name in ("trl", "transformers", "torch", "accelerate")}
    facts = {"versions": versions, "beta": BETA, "losses": losses, "groups": groups}
    (out / "groups.json").write_text(json.dumps(facts) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
