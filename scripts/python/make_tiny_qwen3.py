"""Makes a small Qwen3 with random weights and a tokenizer of bytes: python make_tiny_qwen3.py FOLDER

For trying a server: 2 layers x 64, 260 tokens, 0.1 M weights. Untrained, it samples almost only 0 or 1: the first
number of the residual stream is a constant that no layer changes, and the head gives every other token the logit -20
for it. The id of 0 is odd and that of 1 is even, so they are the two turns of the binary tree (task.vocabulary). Its
paths then share prefixes, which they would not if all 260 tokens were equally likely.
"""

import json
import os
import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

LIKELY = "01"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]


def byte_tokenizer():
    """One token for each byte, after the special ones."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(SPECIAL + letters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return vocabulary, PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>")


def model(vocabulary):
    torch.manual_seed(0)
    qwen = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(vocabulary),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=1024,
            initializer_range=0.1,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=vocabulary["<|im_end|>"],
            pad_token_id=vocabulary["<|pad|>"],
        )
    ).to(torch.float32)
    with torch.no_grad():
        embedding = qwen.model.embed_tokens.weight
        embedding.normal_(0, 0.3)
        embedding[:, 0] = 1
        for layer in qwen.model.layers:
            layer.self_attn.o_proj.weight[0] = 0
            layer.mlp.down_proj.weight[0] = 0
        head = qwen.lm_head.weight
        head[:, 0] = -20
        for letter in LIKELY:
            head[vocabulary[letter], 0] = 0
    return qwen


def main(folder):
    vocabulary, tokenizer = byte_tokenizer()
    qwen = model(vocabulary)
    tokenizer.save_pretrained(folder)
    qwen.save_pretrained(folder)
    # Written last: a folder with this file is complete.
    with open(os.path.join(folder, "made.json"), "w") as file:
        json.dump({"weights": sum(p.numel() for p in qwen.parameters()), "vocabulary": len(vocabulary)}, file)


main(sys.argv[1])
