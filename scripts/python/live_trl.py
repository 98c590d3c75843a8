"""Trains a tiny model with TRL's own GRPOTrainer and log_completions, so that the dashboard can follow it (test/live-trl.test.ts).

    pip install torch==2.13.0 && pip install trl==1.16.0 transformers pyarrow pandas
    python scripts/python/live_trl.py <output_dir> <steps> <seconds between steps>

Prints one line per step. Model and vocabulary are those of scripts/fixtures/trl_log.py.
"""

import importlib.util
import random
import sys
import time
from pathlib import Path

import torch
from datasets import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


def words_of_fixture():
    file = Path(__file__).parents[1] / "fixtures" / "trl_log.py"
    spec = importlib.util.spec_from_file_location("trl_log", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Paced(TrainerCallback):
    """Waits between steps, as long as a larger model would take."""

    def __init__(self, seconds):
        self.seconds = seconds

    def on_step_end(self, args, state, control, **_):
        print(f"step {state.global_step}", flush=True)
        time.sleep(self.seconds)


def main(out, steps, seconds):
    fixture = words_of_fixture()
    torch.manual_seed(5)
    random.seed(5)
    words = fixture.tokenizer()
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=len(words), n_positions=64, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1)
    )
    prompts = ["one plus two equals", "three minus one equals", "dog cat", "five plus"]
    config = GRPOConfig(
        output_dir=out, per_device_train_batch_size=4, num_generations=4, max_completion_length=8, max_steps=steps,
        logging_steps=1, log_completions=True, report_to=[], use_cpu=True, save_strategy="steps", save_steps=3, seed=5,
        learning_rate=1e-3, bf16=False, gradient_accumulation_steps=2,
    )
    GRPOTrainer(
        model=model, reward_funcs=[fixture.animals], args=config,
        train_dataset=Dataset.from_dict({"prompt": [[{"role": "user", "content": text}] for text in prompts]}),
        processing_class=words, callbacks=[Paced(seconds)],
    ).train()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
