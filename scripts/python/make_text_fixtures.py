"""Makes the reference values for src/text: a small byte-level tokenizer, the ids that Python's libraries give for texts
with it and with third-party tokenizers (of these only ids are kept), and chat templates rendered by transformers.

    python scripts/python/make_text_fixtures.py [--out folder, default test/text] [folder of others' tokenizers: <name>/tokenizer.json ...]

Writes tokenizer/ (a tokenizer of our own), cases.json, chat.json.
"""

import argparse
import json
import os

import tokenizers
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = [
    "",
    " ",
    "  two  spaces  ",
    "Hello, world!",
    " leading",
    "trailing ",
    "\n",
    "a\n\nb\n",
    "\tdef f(x):\n\t\treturn x ** 2  # square\n",
    "for (let i = 0; i < 10; i++) { sum += a[i]; }",
    "1234567890",
    "3.14159 and 2,718",
    "x² + y² = z²",
    "\\frac{1}{2} \\boxed{42}",
    "$\\sqrt{2}$",
    "naïve café",
    "cafe\u0301 (combining)",
    "Äpfel, Öl, Übung, ß",
    "русский текст",
    "Ελληνικά",
    "עברית",
    "العربية",
    "हिन्दी",
    "日本語のテキスト",
    "中文，标点。",
    "한국어",
    "emoji 😀 👩‍👩‍👧 🏳️‍🌈",
    "🤖🤖🤖",
    "don't can't we've I'll they'd it's I'm you're",
    "DON'T CAN'T",
    "ALLCAPS and CamelCase and snake_case",
    "https://example.org/path?q=1&r=2#top",
    "a" * 40,
    "ab" * 30,
    "... --- ***",
    "<b>bold</b>",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "text <|endoftext|> after",
    "<|endoftext|><|endoftext|>",
    "<|im_start|",
    "zero\u200bwidth and nbsp\u00a0here",
    "\u2028 line separator",
    "tabs\tand\r\nwindows lines\r\n",
    "The quick brown fox jumps over the lazy dog. " * 3,
    "Let $a$ and $b$ be positive integers such that $a + b = 10$.",
    "Step 1: 3*5=15; step 2: 15-6=9; \\boxed{9}",
]
# Qwen2's pre-tokenizer: digits one by one, letters with the preceding sign.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def own_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    return tokenizer


SYSTEM_DEFAULT = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
HEADERS = """{{- bos_token }}
{%- if not date_string is defined %}{% set date_string = '26 Jul 2024' %}{% endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = '' %}
{%- endif %}
{{- '[start]system[end]\\n\\nToday: ' + date_string + '\\n' + system + eos_token }}
{%- for message in messages %}
    {%- if message.role not in ['user', 'assistant'] %}{{ raise_exception('a role of ' + message.role + ' is unknown') }}{% endif %}
    {{- '[start]' + message['role'] + '[end]\\n\\n' + message['content'] | trim + eos_token }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '[start]assistant[end]\\n\\n' }}
{%- endif %}
"""
LOOPS = (
    "{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content.split('</think>')[-1].strip() }}{{ eos_token }}{% else %}"
    "<<{{ m.role|upper }}>>{{ m.content }}\n{% endif %}{% if not loop.last %}|{% endif %}{% endfor %}"
    "{% if add_generation_prompt and enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}"
)
# Written on Windows: line ends of the template and within its strings.
WINDOWS = (
    "{% for message in messages %}\n"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' }}\n"
    "{% endfor %}\n"
    "  {% if add_generation_prompt %}\n<|im_start|>assistant\n{% endif %}\n"
).replace("\n", "\r\n")
OLD_MAC = WINDOWS.replace("\r\n", "\r")
SPACE = (
    "{% for m in messages %}[{{ m.content|trim }}|{{ m.content.strip() }}|{{ m.content.split()|join('/') }}"
    "|{{ m.content.lstrip() }}|{{ m.content.rstrip() }}]{% endfor %}"
)
TEMPLATES = {
    "space": SPACE,
    "chatml": SYSTEM_DEFAULT,
    "headers": HEADERS,
    "loops": LOOPS,
    "windows": WINDOWS,
    "old-mac": OLD_MAC,
    "blank-end": WINDOWS + "\r\n\r\n",
}
TALKS = [
    [{"role": "user", "content": "What is 3*5?"}],
    [{"role": "system", "content": "  Put the answer in \\boxed{}.  "}, {"role": "user", "content": "日本語 <b>&amp;</b>\n\n"}],
    [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "<think>hm</think> b "},
        {"role": "user", "content": "c"},
    ],
    # White space of Python, of JavaScript, and of both.
    [{"role": "user", "content": "\ufeff a\x85b \x1f\u3000"}, {"role": "assistant", "content": "\x1c\ufeffc d\x85\u200b"}],
]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", default="test/text")
    arguments.add_argument("others", nargs="?")
    options = arguments.parse_args()
    os.makedirs(os.path.join(options.out, "tokenizer"), exist_ok=True)
    own = own_tokenizer()
    own.save(os.path.join(options.out, "tokenizer", "tokenizer.json"))
    config = {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "chat_template": SYSTEM_DEFAULT}
    with open(os.path.join(options.out, "tokenizer", "tokenizer_config.json"), "w") as file:
        json.dump(config, file, indent=2)
    all_tokenizers = {"own": own}
    if options.others:
        for name in sorted(os.listdir(options.others)):
            all_tokenizers[name] = Tokenizer.from_file(os.path.join(options.others, name, "tokenizer.json"))
    cases = {
        name: [t.encode(text, add_special_tokens=False).ids for text in TEXTS] for name, t in all_tokenizers.items()
    }
    decoded = {
        name: [t.decode(ids, skip_special_tokens=True) for ids in cases[name]] for name, t in all_tokenizers.items()
    }
    with open(os.path.join(options.out, "cases.json"), "w") as file:
        json.dump({"made_with": tokenizers.__version__, "texts": TEXTS, "ids": cases, "decoded": decoded}, file)
    rendered = []
    for name, template in TEMPLATES.items():
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=own, bos_token="<|endoftext|>", eos_token="<|im_end|>")
        for talk in TALKS:
            for generation in (True, False):
                for variables in ({}, {"enable_thinking": False}, {"date_string": "1 Jan 2030"}):
                    text = tokenizer.apply_chat_template(
                        talk, chat_template=template, tokenize=False, add_generation_prompt=generation, **variables
                    )
                    rendered.append(
                        {"template": name, "messages": talk, "generation": generation, "variables": variables, "text": text}
                    )
    with open(os.path.join(options.out, "chat.json"), "w") as file:
        json.dump({"made_with": transformers.__version__, "templates": TEMPLATES, "cases": rendered}, file)
    print({name: len(ids) for name, ids in cases.items()}, len(rendered))


if __name__ == "__main__":
    main()
