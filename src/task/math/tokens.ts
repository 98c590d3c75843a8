/**
 * The text of an answer as tokens: LaTeX, plain text, or a mixture of them as models write it. Delimiters, spacing and
 * sizes are dropped, Unicode symbols become their commands, and numbers lose their thousands separators. Any text has
 * tokens; the parser interprets them.
 */
import { isUnitPhrase, isUnitWord } from './units.js';

export interface Token {
  /**
   * num: digits. letter: one letter. cmd: a command without its backslash. text: words, of `\text{…}` or plain.
   * sep: a separator of answers (`,` `;` `or`). sign: any other character or operator.
   */
  readonly kind: 'num' | 'letter' | 'cmd' | 'text' | 'sep' | 'sign';
  readonly text: string;
  /** Whether white space precedes it. */
  readonly space: boolean;
}

/** How digits with commas between them are read. */
export interface Reading {
  /** 1,234 is one number (else two). */
  readonly thousands: boolean;
  /** 2e-1 is 0.2 (else 2e − 1); unambiguous forms (2e6, 2.5e-1, 2e-12) are always numbers. */
  readonly scientific: boolean;
  /** 3,75 is 3.75. */
  readonly decimalComma: boolean;
}

const UNICODE: Readonly<Record<string, string>> = {
  '−': '-',
  '–': '-',
  '×': '\\times ',
  '·': '\\cdot ',
  '⋅': '\\cdot ',
  '÷': '/',
  '√': '\\sqrt ',
  π: '\\pi ',
  '∞': '\\infty ',
  '≤': '\\le ',
  '≥': '\\ge ',
  '≠': '\\ne ',
  '≈': '\\approx ',
  '∪': '\\cup ',
  '∩': '\\cap ',
  '∈': '\\in ',
  '∅': '\\emptyset ',
  '±': '\\pm ',
  '∓': '\\mp ',
  '°': '^\\circ ',
  '½': '\\frac12 ',
  '⅓': '\\frac13 ',
  '⅔': '\\frac23 ',
  '¼': '\\frac14 ',
  '¾': '\\frac34 ',
  '’': "'",
  '€': '\\euro ',
  '£': '\\pounds ',
  '¥': '\\yen ',
  '⟨': '(',
  '⟩': ')',
  ℝ: '\\mathbb{R}',
  θ: '\\theta ',
  α: '\\alpha ',
  β: '\\beta ',
  λ: '\\lambda ',
  ω: '\\omega ',
  '\u00a0': ' ',
  '\u2009': ' ',
  '\u202f': ' ',
  '，': ',',
  '（': '(',
  '）': ')',
};

const SUPERSCRIPTS: Readonly<Record<string, string>> = Object.fromEntries(
  [...'⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺'].map((c, i) => [c, '0123456789-+'[i]]),
);

/** Content of the group that opens at `open` (a brace), and the index after it; null if it never closes. */
export function group(text: string, open: number): { content: string; end: number } | null {
  let level = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '{') level++;
    else if (text[i] === '}' && --level === 0) return { content: text.slice(open + 1, i), end: i + 1 };
  }
  return null;
}

/** A unit of siunitx (`\\km\\per\\hour`, `cm`) in words. */
const siunitx = (unit: string): string =>
  unit
    .replace(/\\([a-zA-Z]+)/g, ' $1 ')
    .replace(/\s+/g, ' ')
    .trim();

/** {a \\over b} as \\frac{a}{b}, likewise \\choose; without braces around it, it divides the whole text. */
function infix(text: string, command: string, prefix: string): string {
  const sign = new RegExp(`\\\\${command}(?![a-zA-Z])`);
  let result = text;
  for (let count = 0; count < 20; count++) {
    const at = sign.exec(result);
    if (!at) return result;
    const open: number[] = [];
    for (let i = 0; i < at.index; i++) {
      if (result[i] === '\\') i++;
      else if (result[i] === '{') open.push(i);
      else if (result[i] === '}') open.pop();
    }
    const start = open.at(-1) ?? -1;
    const end = start < 0 ? result.length : (group(result, start)?.end ?? 0) - 1;
    if (end < 0) return result;
    const [numerator, denominator] = [
      result.slice(start + 1, at.index),
      result.slice(at.index + at[0].length, end),
    ];
    // 2{1 \\over 2} is a mixed number: braces around a fraction have no meaning.
    const mixed = start > 0 && /\d/.test(result[start - 1]) ? 1 : 0;
    const [before, after] = [result.slice(0, start + 1 - mixed), result.slice(end + mixed)];
    result = `${before}${prefix}{${numerator}}{${denominator}}${after}`;
  }
  return result;
}

/** One notation for delimiters, sizes, spaces and thousands separators. */
export function prepare(answer: string): string {
  // Control spaces first: trimming would leave their backslash.
  let text = answer
    .replace(/<\|[^|>]{0,40}\|>/g, ' ')
    .replace(/(?<!\\)\\(?:\s|$)/g, '~')
    .replace(/^[\s~]+|[\s~]+$/g, '');
  // Escaped twice, as in JSON inside JSON: everywhere, or in some places (outside of environments, where \\\\ ends a
  // row).
  const runs = text.match(/\\+(?=[a-zA-Z])/g) ?? [];
  if (runs.length > 0 && runs.every((run) => run.length % 2 === 0)) text = text.replace(/\\\\/g, '\\');
  else if (!text.includes('\\begin')) text = text.replace(/\\\\(?=[a-zA-Z])/g, '\\');
  text = text
    .replace(/[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+/g, (run) => `^{${[...run].map((c) => SUPERSCRIPTS[c]).join('')}}`)
    .replace(/(\d)⁄(?=\d)/g, '$1/')
    .replace(/[^\x20-\x7e\n\t]/g, (c) => UNICODE[c] ?? c);
  text = text
    .replace(/\\(?:\[|\]|\(|\))/g, ' ')
    .replace(/\\\$/g, '\\dollar ')
    .replace(/^([^$]*)\$(?=\s*\d)([^$]*)$/, '$1\\dollar $2')
    .replace(/\$/g, ' ')
    .replace(/\\(?:boxed|fbox|framebox)(?=\s*\{)/g, '')
    .replace(
      /\\(?:left|right|bigg?l?r?|Bigg?l?r?|displaystyle|textstyle|limits|mathstrut)(?![a-zA-Z])\.?/g,
      '',
    )
    .replace(/\\(?:[dtcs]frac|nicefrac|flatfrac)(?![a-zA-Z])/g, '\\frac')
    .replace(/\\[dt]binom(?![a-zA-Z])/g, '\\binom')
    .replace(/\\(?:textcolor|color)\s*\{[a-zA-Z]{1,20}\}/g, '')
    .replace(
      /\\(?:underline|underset\{\}|ensuremath|mathop|mathord|smash|bf|it|large|Large)(?![a-zA-Z])/g,
      '',
    )
    .replace(/\\num\s*\{([^{}]*)\}/g, (_, inner: string) => `{${inner.replace(/\s+|\{,\}|\\,/g, '')}}`)
    .replace(/\\ang\s*\{([^{};]*)\}/g, '$1^\\circ')
    .replace(
      /\\(?:SI|qty)\s*\{([^{}]*)\}\s*\{([^{}]*)\}/g,
      (_, value: string, unit: string) => `${value}\\text{ ${siunitx(unit)}}`,
    )
    .replace(/(\d:\d\d)\s*([ap])\.?\s?m(?![a-zA-Z])\.?/gi, '$1\\text{ $2m}')
    .replace(/^(\d{1,2})(?:\s+([ap])\.?m|\s*([ap])\.m)\.?$/gi, '$1\\text{ $2$3m}')
    .replace(
      /\\root\s*(\w|\{[^{}]*\})\s*\\of(?![a-zA-Z])/g,
      (_, index: string) => `\\sqrt[${index.replace(/[{}]/g, '')}]`,
    )
    // 3^{\text{rd}} is 3.
    .replace(/(?<=\d)\s*\^\s*\{?\s*\\(?:text|textrm|mathrm)\s*\{\s*(?:st|nd|rd|th)\s*\}\s*\}?/g, '')
    // 2{\\times}3: braces that only remove the spaces around an operator.
    .replace(/(?<![\^_])\{\s*(\\times|\\cdot|[=+<>])\s*\}/g, ' $1 ')
    // 0{,}5 is a decimal: three digits would be thousands.
    .replace(/(?<![\d}])(\d+)\{,\}(\d{1,2}|\d{4,})(?![\d{])/g, '$1.$2')
    // Separators of thousands that can have no other meaning.
    .replace(/(\d)\s*\{\s*,\s*\}\s*(?:\\[,!;: ]|~)*\s*(?=\d{3})/g, '$1')
    .replace(/(\d),(?:\\[,:;]|~)(?=\d{3}(?!\d))/g, '$1,')
    .replace(/(\d)\s*,\s*\\!\s*(?=\d{3})/g, '$1')
    .replace(/(\d)(?:\\[,;: ]|~)(?=\d{3}(?!\d))/g, '$1')
    .replace(/\\!/g, '')
    .replace(/\\langle(?![a-zA-Z])/g, '(')
    .replace(/\\([lr])brace(?![a-zA-Z])/g, (_, side: string) => (side === 'l' ? '\\{' : '\\}'))
    .replace(/\\colon(?![a-zA-Z])/g, ':')
    .replace(/\\rangle(?![a-zA-Z])/g, ')')
    .replace(/(?<!\\)\\(?:[,;:> ]|quad|qquad|hspace\{[^{}]*\}|phantom\{[^{}]*\})(?![a-zA-Z])/g, ' ')
    .replace(/~/g, ' ')
    .replace(/(?<=[\w)}])\*\*(?=[\d({a-zA-Z-])/g, '^')
    .replace(/\*\*/g, ' ');
  text = infix(infix(text, 'over', '\\frac'), 'choose', '\\binom');
  const trim = (part: string) => part.replace(/^[\s.,;:]+(?!\d)|[\s.,;:]+$/g, '').trim();
  text = trim(text.replace(/(?:\\\\\s*)+$/, '')).replace(/^(?:(?:=|\\(?:approx|simeq)(?![a-zA-Z]))\s*)+/, '');
  // Braces around everything have no meaning; with a comma inside they are a set.
  for (
    let outer = text[0] === '{' ? group(text, 0) : null;
    outer?.end === text.length;
    outer = group(text, 0)
  ) {
    if (outer.content.includes(',') || outer.content === '') break;
    text = trim(outer.content);
    if (text[0] !== '{') break;
  }
  return text;
}

const TEXT_COMMANDS = new Set(['text', 'textbf', 'textit', 'textrm', 'textnormal', 'mbox', 'hbox', 'emph']);
const FONT_COMMANDS = new Set([
  'mathrm',
  'mathbf',
  'mathit',
  'mathsf',
  'mathcal',
  'boldsymbol',
  'bm',
  'rm',
  'vec',
  'overrightarrow',
  'hat',
]);
const WORDS: Readonly<Record<string, string>> = {
  sqrt: 'sqrt',
  pi: 'pi',
  infinity: 'infty',
  inf: 'infty',
  oo: 'infty',
  sin: 'sin',
  cos: 'cos',
  tan: 'tan',
  cot: 'cot',
  sec: 'sec',
  csc: 'csc',
  arcsin: 'arcsin',
  arccos: 'arccos',
  arctan: 'arctan',
  sinh: 'sinh',
  cosh: 'cosh',
  tanh: 'tanh',
  asin: 'arcsin',
  acos: 'arccos',
  atan: 'arctan',
  log: 'log',
  ln: 'ln',
  exp: 'exp',
  abs: 'abs',
};
const SMALL_WORDS = new Set([
  'is',
  'it',
  'of',
  'to',
  'in',
  'an',
  'as',
  'at',
  'be',
  'by',
  'no',
  'so',
  'we',
  'if',
  'are',
]);
const TWO_SIGNS = ['<=', '>=', '!=', '=='];

/** Words of `\text{…}`: separators between answers, else one token of text; numbers are read as numbers. */
function textTokens(content: string, space: boolean): Token[] {
  if (/^\s*[(-]?\s*[\d.]|^[^a-zA-Z,;]*$/.test(content)) {
    return tokenize(content, { thousands: true, scientific: true, decimalComma: false });
  }
  const words = content
    .replace(/\\[a-zA-Z]+\s*|[{}$]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  if (words === '') return [];
  if (/^(?:or|and)$/i.test(words)) return [{ kind: 'sep', text: words.toLowerCase(), space }];
  if (/^(?:,\s*and|,\s*or)$/i.test(words)) return [{ kind: 'sep', text: ',', space }];
  if (/^[,;]$/.test(words)) return [{ kind: 'sep', text: words, space }];
  return [{ kind: 'text', text: words, space: space || /^\s/.test(content) }];
}

/** A run of letters in plain text or a formula: a known word, a word of a sentence, or adjacent symbols. */
function runTokens(run: string, space: boolean, afterOperand: boolean): Token[] {
  const lower = run.toLowerCase();
  if (lower === 'and' || lower === 'or') return [{ kind: 'sep', text: lower, space }];
  const known = Object.hasOwn(WORDS, run) ? WORDS[run] : null;
  if (known) return [{ kind: 'cmd', text: known, space }];
  if (afterOperand && isUnitWord(run) && (space || run.length > 2 || lower === 'cm' || lower === 'km')) {
    return [{ kind: 'text', text: run, space }];
  }
  const word =
    run.length > 3
      ? /[aeiouy]/i.test(run) && run !== run.toUpperCase()
      : SMALL_WORDS.has(run) || SMALL_WORDS.has(run[0].toLowerCase() + run.slice(1));
  if (word) return [{ kind: 'text', text: run, space }];
  return [...run].map((text, i) => ({ kind: 'letter', text, space: space && i === 0 }));
}

/** Tokens of a prepared answer. Never throws. */
export function tokenize(text: string, { thousands, scientific, decimalComma }: Reading): Token[] {
  const tokens: Token[] = [];
  // Commas inside brackets separate entries, unless other commas there are followed by spaces and these are not.
  const spaced = /,\s/.test(text);
  let depth = 0;
  let at = 0;
  let space = false;
  const push = (kind: Token['kind'], value: string, length: number) => {
    tokens.push({ kind, text: value, space });
    at += length;
    space = false;
  };
  while (at < text.length) {
    const rest = text.slice(at, at + 64);
    const white = /^\s+/.exec(rest);
    if (white) {
      at += white[0].length;
      space = true;
      continue;
    }
    const digits =
      (decimalComma ? /^\d+,\d+/.exec(rest) : null) ??
      (thousands && (depth === 0 || spaced) ? /^\d{1,3}(?:,\d{3})+(?!\d|,\d)(?:\.\d+)?/.exec(rest) : null) ??
      /^\d{1,3}(?: \d{3})+(?![\d])(?:\.\d+)?/.exec(rest) ??
      /^(?:\d+(?:\.\d*)?|\.\d+)/.exec(rest);
    if (digits && (at === 0 || digits[0].indexOf(' ') < 0 || !/[\d.]/.test(text[at - 1]))) {
      // A long run of digits may continue beyond the window.
      let end = at + digits[0].length;
      if (digits[0].length === rest.length) while (end < text.length && /[\d.]/.test(text[end])) end++;
      const mantissa = text.slice(at, end).replace(decimalComma ? ',' : /[, ]/g, decimalComma ? '.' : '');
      const exponent = /^[eE]([+-]?)(\d+)(?![\d.])/.exec(text.slice(end, end + 12));
      const certain = exponent && (exponent[1] !== '-' || mantissa.includes('.') || exponent[2].length > 1);
      if (exponent && (certain || scientific)) {
        push('num', `${mantissa}e${exponent[1]}${exponent[2]}`, end - at + exponent[0].length);
      } else push('num', mantissa, end - at);
      continue;
    }
    const run = /^[a-zA-Z]+/.exec(rest);
    if (run) {
      const last = tokens.at(-1);
      const operand =
        last !== undefined && (last.kind === 'num' || last.kind === 'text' || /^[)}\]]$/.test(last.text));
      // "or" and "and" written without spaces: 1orW(x), (1,2)or(2,1).
      const glued = operand && !space ? /^(?:or|and)(?=[A-Z]|$)/.exec(run[0])?.[0] : undefined;
      const word = glued ?? run[0];
      tokens.push(...runTokens(word, space, operand));
      at += word.length;
      space = false;
      continue;
    }
    if (rest[0] === '\\') {
      const name = /^\\([a-zA-Z]+)\*?/.exec(rest);
      if (!name) {
        push('sign', text.slice(at, at + 2), 2);
        continue;
      }
      const after = at + name[0].length;
      const open = /^\s*\{/.exec(text.slice(after, after + 8));
      const inner = open ? group(text, after + open[0].length - 1) : null;
      if (inner && (name[1] === 'begin' || name[1] === 'end')) {
        const columns =
          name[1] === 'begin' ? /^\s*\{[clr|\s]*\}/.exec(text.slice(inner.end, inner.end + 64)) : null;
        push('cmd', `${name[1]}:${inner.content.trim()}`, inner.end + (columns?.[0].length ?? 0) - at);
        continue;
      }
      if (inner && TEXT_COMMANDS.has(name[1])) {
        tokens.push(...textTokens(inner.content, space));
        at = inner.end;
        space = false;
        continue;
      }
      if (inner && FONT_COMMANDS.has(name[1])) {
        const content = inner.content.trim();
        const before = tokens.at(-1);
        const quantity = before !== undefined && (before.kind === 'num' || /^[)}\]]$/.test(before.text));
        if (quantity && name[1] === 'mathrm' && isUnitPhrase(content)) {
          tokens.push({ kind: 'text', text: content, space });
          at = inner.end;
          space = false;
          continue;
        }
        if (/^[a-zA-Z][a-zA-Z ]+$/.test(content) || (name[1] === 'mathrm' && inner.content !== content)) {
          tokens.push(
            ...(Object.hasOwn(WORDS, content)
              ? runTokens(content, space, false)
              : textTokens(content, space)),
          );
          at = inner.end;
          space = false;
          continue;
        }
        // One symbol in another font: the font is dropped and its group is read as usual.
        at = after;
        continue;
      }
      if (name[1] === 'lor' || name[1] === 'vee') push('sep', 'or', name[0].length);
      else if (name[1] === 'land' || name[1] === 'wedge') push('sep', 'and', name[0].length);
      else push('cmd', name[1], name[0].length);
      continue;
    }
    const two = TWO_SIGNS.find((sign) => rest.startsWith(sign));
    if (two) push('sign', two, 2);
    else {
      const character = String.fromCodePoint(text.codePointAt(at) as number);
      if ('([{'.includes(character)) depth++;
      if (')]}'.includes(character)) depth--;
      push(character === ',' || character === ';' ? 'sep' : 'sign', character, character.length);
    }
  }
  return tokens;
}

/** All tokens in one string; answers with equal strings are equal, whatever they mean. */
export const spelling = (tokens: readonly Token[]): string =>
  tokens.map(({ kind, text }) => (kind === 'text' ? `"${text.toLowerCase()}"` : text)).join(' ');
