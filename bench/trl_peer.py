"""The peer of bench/trl.bench.ts: TRL's GRPOTrainer on PyTorch, step by step. It waits for a line on standard input before each
step, so that both sides can alternate, and prints one line of JSON after it, which begins with "@ ".

    python bench/trl_peer.py '{"folder": ..., "prompts": [[...]], "completions": [[[...]]] or null, "rewards": ..., ...}'

Prompts and completions are token ids. If completions are given, nothing is sampled and a step is only an update.
"""

import json
import os
import re
import sys
import time

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

JOB = json.loads(sys.argv[1])


def say(message):
    print("@ " + json.dumps(message), flush=True)


def ask():
    if not sys.stdin.readline():
        os._exit(0)


class Timed(GRPOTrainer):
    """Uses the given prompts and completions, and records the time of sampling."""

    sampling = 0.0
    sampled = 0

    def _tokenize_prompts(self, prompts):
        return [JOB["prompts"][int(prompt)] for prompt in prompts], None, {}

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
        started = time.perf_counter()
        if JOB["completions"]:
            seen = {}
            ids = []
            for prompt in prompt_ids:
                at = JOB["prompts"].index(prompt)
                ids.append(JOB["completions"][at][seen.get(at, 0)])
                seen[at] = seen.get(at, 0) + 1
            result = ids, None
        else:
            result = super()._generate_single_turn(
                prompt_ids, images, multimodal_fields, num_generations, has_tool_images
            )
        Timed.sampling = time.perf_counter() - started
        Timed.sampled = sum(len(ids) for ids in result[0])
        return result


def is_right(text, problem):
    """Whether the first whole number in a completion is the answer."""
    match = re.search(r"\d+", text)
    return match is not None and match.group(0) == JOB["answers"][problem]


def reward(prompts, completions, completion_ids, **_):
    if JOB["rewards"] == "alternating":
        # Every group has different rewards.
        return [float(i % 2) for i in range(len(prompts))]
    return [float(is_right(text, int(prompt))) for prompt, text in zip(prompts, completions)]


def accuracy(model, tokenizer):
    """Greedy on the held-out problems, which are the last ones."""
    held_out = JOB["heldOut"]
    model.eval()
    longest = max(len(JOB["prompts"][i]) for i in held_out)
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (longest - len(JOB["prompts"][i])) + JOB["prompts"][i] for i in held_out])
    mask = torch.tensor(
        [[0] * (longest - len(JOB["prompts"][i])) + [1] * len(JOB["prompts"][i]) for i in held_out]
    )
    with torch.no_grad():
        out = model.generate(
            input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=JOB["tokens"], pad_token_id=pad
        )
    texts = tokenizer.batch_decode(out[:, longest:], skip_special_tokens=True)
    model.train()
    return sum(is_right(text, i) for i, text in zip(held_out, texts)) / len(held_out)


class InTurn(TrainerCallback):
    started = 0.0

    def on_step_begin(self, args, state, control, **_):
        ask()
        InTurn.started = time.perf_counter()

    def on_step_end(self, args, state, control, model=None, processing_class=None, **_):
        seconds = time.perf_counter() - InTurn.started
        message = {"seconds": seconds, "sampling": Timed.sampling, "sampled": Timed.sampled}
        if JOB["heldOut"] and state.global_step % JOB["evaluateEvery"] == 0:
            message["accuracy"] = accuracy(model, processing_class)
        say(message)


def main():
    torch.set_num_threads(JOB["threads"])
    tokenizer = AutoTokenizer.from_pretrained(JOB["tokenizer"])
    model = AutoModelForCausalLM.from_pretrained(JOB["folder"], dtype=torch.float32)
    k = JOB["samples"]
    groups = JOB["groups"]
    # As many rows as steps need, in order.
    training = [i for i in range(len(JOB["prompts"])) if i not in JOB["heldOut"]]
    rows = [training[i % len(training)] for i in range(groups * JOB["steps"])]
    config = GRPOConfig(
        output_dir=JOB["scratch"],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=groups * k,
        num_generations=k,
        max_completion_length=JOB["tokens"],
        max_steps=JOB["steps"],
        learning_rate=JOB["learningRate"],
        lr_scheduler_type="constant",
        max_grad_norm=1.0,
        weight_decay=0.0,
        temperature=1.0,
        beta=0.0,
        epsilon=0.2,
        shuffle_dataset=False,
        generation_kwargs={"min_new_tokens": JOB["tokens"]} if JOB["wholeLength"] else None,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=0,
    )
    peft = (
        LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules=JOB["targets"], task_type="CAUSAL_LM")
        if JOB["targets"]
        else None
    )
    trainer = Timed(
        model=model,
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": [str(i) for i in rows]}),
        processing_class=tokenizer,
        peft_config=peft,
        callbacks=[InTurn()],
    )
    say({"ready": True, "versions": {"trl": __import__("trl").__version__, "torch": torch.__version__}})
    trainer.train()


if __name__ == "__main__":
    main()
