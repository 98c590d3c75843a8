/**
 * The part of a tokenizer.json that splits a text into words before merges, with the same results as the `tokenizers`
 * library; patterns are translated by @huggingface/tokenizers and use the library's version of Unicode (unicode.ts).
 */
import { BYTE_LETTERS } from './bytes.js';
import { translatedPattern } from './library.js';
import { type SplitBehaviour, splitText } from './split.js';
import { expression, listed, pinned, SPACE, WORD } from './unicode.js';
import { DIGITS, PUNCTUATION } from './unicode-table.js';

/** Splits a stretch of text without added tokens into words; `first` if it begins the whole text. */
export type PreTokenizer = (text: string, first: boolean) => string[];

type Json = Readonly<Record<string, unknown>>;

/** GPT-2's pattern, the default of the byte level. */
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** A pattern of tokenizer.json. @throws SyntaxError if it cannot be translated */
export function patternOf(pattern: unknown): RegExp {
  const { Regex, String: text } = (pattern ?? {}) as { Regex?: unknown; String?: unknown };
  if (typeof text === 'string') {
    return text === '' ? /(?!)/gu : new RegExp(text.replace(/[$()*+./?[\\\]^{|}]/g, '\\$&'), 'gu');
  }
  if (typeof Regex !== 'string') throw new SyntaxError(`expected a pattern, got ${JSON.stringify(pattern)}`);
  return new RegExp(pinned(translatedPattern(Regex)), 'gu');
}

const BEHAVIOURS: readonly SplitBehaviour[] = [
  'Removed',
  'Isolated',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
];

function behaviourOf(name: unknown, otherwise: SplitBehaviour): SplitBehaviour {
  if (name === undefined) return otherwise;
  // Older files use lower case.
  const known = BEHAVIOURS.find((behaviour) => behaviour.toLowerCase() === String(name).toLowerCase());
  if (!known) throw new SyntaxError(`behavior: expected ${BEHAVIOURS.join(', ')}, got ${String(name)}`);
  return known;
}

/** Splits each word further. */
const splitting =
  (pattern: RegExp, behaviour: SplitBehaviour, invert = false): PreTokenizer =>
  (text) =>
    splitText(text, pattern, behaviour, invert);

/**
 * @param config pre_tokenizer of a tokenizer.json
 * @throws Error naming an unsupported type or option
 */
export function preTokenizer(config: unknown): PreTokenizer {
  if (config === null || config === undefined) return (text) => [text];
  const { type, ...options } = config as Json & { type?: unknown };
  switch (type) {
    case 'Sequence': {
      const parts = (options.pretokenizers as unknown[]).map(preTokenizer);
      return (text, first) =>
        parts.reduce((words, part) => words.flatMap((word, i) => part(word, first && i === 0)), [text]);
    }
    case 'ByteLevel':
      return byteLevel(options);
    case 'Metaspace':
      return metaspace(options);
    case 'Split':
      return splitting(
        patternOf(options.pattern),
        behaviourOf(options.behavior, 'Isolated'),
        options.invert === true,
      );
    case 'Whitespace':
      return splitting(expression(`[${WORD}]+|[^${WORD}${SPACE}]+`), 'Removed', true);
    case 'WhitespaceSplit':
      return splitting(expression(SPACE), 'Removed');
    case 'Digits':
      return splitting(listed(DIGITS), options.individual_digits === true ? 'Isolated' : 'Contiguous');
    case 'Punctuation':
      return splitting(listed(PUNCTUATION), behaviourOf(options.behavior, 'Isolated'));
    case 'BertPreTokenizer': {
      const [space, sign] = [expression(SPACE), listed(PUNCTUATION)];
      return (text) => splitText(text, space, 'Removed').flatMap((word) => splitText(word, sign, 'Isolated'));
    }
    case 'CharDelimiterSplit':
      return splitting(patternOf({ String: options.delimiter }), 'Removed');
    case 'FixedLength':
      return fixedLength(Number(options.length ?? 5));
    default:
      throw new Error(`pre_tokenizer: expected a known type, got ${JSON.stringify(type)}`);
  }
}

function byteLevel({ add_prefix_space: prefix = true, use_regex: cut = true }: Json): PreTokenizer {
  const pattern = cut ? patternOf({ Regex: GPT2 }) : null;
  const bytes = new TextEncoder();
  return (text) => {
    const whole = prefix === true && !text.startsWith(' ') ? ` ${text}` : text;
    const words = pattern ? splitText(whole, pattern, 'Isolated') : [whole];
    return words.map((word) => Array.from(bytes.encode(word), (byte) => BYTE_LETTERS[byte]).join(''));
  };
}

function metaspace(options: Json): PreTokenizer {
  const mark = String(options.replacement ?? '▁');
  // Older files only have add_prefix_space.
  const scheme = options.prepend_scheme ?? (options.add_prefix_space === false ? 'never' : 'always');
  const pattern = patternOf({ String: mark });
  return (text, first) => {
    const marked = text.replaceAll(' ', () => mark);
    const opens = scheme === 'always' || (scheme === 'first' && first);
    const whole = opens && !marked.startsWith(mark) ? mark + marked : marked;
    return options.split === false ? [whole] : splitText(whole, pattern, 'MergedWithNext');
  };
}

const fixedLength =
  (length: number): PreTokenizer =>
  (text) => {
    const characters = Array.from(text);
    return Array.from({ length: Math.ceil(characters.length / length) }, (_, i) =>
      characters.slice(i * length, (i + 1) * length).join(''),
    );
  };
