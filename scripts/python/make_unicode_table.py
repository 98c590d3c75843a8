"""Makes src/text/unicode-table.ts: the general category of every code point in the `tokenizers` library's regular
expressions. They use their own version of Unicode, older than that of a new Node and newer than that of an old one.

    python scripts/python/make_unicode_table.py [file, default src/text/unicode-table.ts]
"""

import sys

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn Cs".split()
LETTERS = "abcdefghijklmnopqrstuvwxyzABCD"
POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def members(category):
    """Code points that \\p{category} matches: those that are removed from a text with its matches."""
    splitter = pre_tokenizers.Split(Regex(r"\p{%s}" % category), "removed")
    found = set()
    for i in range(0, len(POINTS), 4096):
        chunk = POINTS[i : i + 4096]
        left = {ord(c) for piece, _ in splitter.pre_tokenize_str("".join(map(chr, chunk))) for c in piece}
        found.update(c for c in chunk if c not in left)
    return found


def ranges_of(belongs):
    """The code points for which `belongs` is true, as hexadecimal ranges."""
    ranges = []
    for c in POINTS:
        if not belongs(chr(c)):
            continue
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    return " ".join(f"{a:x}" if a == b else f"{a:x}-{b:x}" for a, b in ranges)


def cut_out(splitter):
    """Code points that a pre-tokenizer splits off a word."""
    return ranges_of(lambda c: len(splitter.pre_tokenize_str(f"a{c}a")) > 1)


def lines_of(text, width=100):
    return " +\n".join(f"  '{text[i : i + width]}'" for i in range(0, len(text), width))


def main():
    category = dict.fromkeys(range(0xD800, 0xE000), "Cs")
    for name in CATEGORIES[:-1]:
        for c in members(name):
            assert c not in category, (hex(c), name, category[c])
            category[c] = name
    runs = []
    for c in range(0x110000):
        letter = LETTERS[CATEGORIES.index(category[c])]
        if runs and runs[-1][0] == letter:
            runs[-1][1] += 1
        else:
            runs.append([letter, 1])
    text = "".join(f"{letter}{length}" for letter, length in runs)
    with open(sys.argv[1] if len(sys.argv) > 1 else "src/text/unicode-table.ts", "w") as file:
        file.write(
            "/**\n"
            " * General category of every code point in the `tokenizers` library's regular expressions "
            f"(version {tokenizers.__version__}): a letter for\n"
            " * the category and the number of consecutive code points that have it, from 0 on.\n"
            " * Made by scripts/python/make_unicode_table.py.\n"
            " */\n\n"
            "/** Categories in the order of their letters, a … z, A … D. */\n"
            f"export const CATEGORIES =\n  '{' '.join(CATEGORIES)}';\n\n"
            "// biome-ignore format: a table\n"
            f"export const RUNS =\n{lines_of(text)};\n\n"
            "/** Code points that the pre-tokenizers Punctuation and Digits split off: they use other Unicode versions. */\n"
            "// biome-ignore format: a table\n"
            f"export const PUNCTUATION =\n{lines_of(cut_out(pre_tokenizers.Punctuation()))};\n\n"
            "// biome-ignore format: a table\n"
            f"export const DIGITS =\n{lines_of(cut_out(pre_tokenizers.Digits(individual_digits=True)))};\n\n"
            "/** Code points that the normalizer StripAccents removes. */\n"
            "// biome-ignore format: a table\n"
            f"export const MARKS =\n{lines_of(ranges_of(lambda c: normalizers.StripAccents().normalize_str(c) == ''))};\n"
        )
    print(len(runs), "runs")


if __name__ == "__main__":
    main()
