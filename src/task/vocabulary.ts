/**
 * A small vocabulary defined by its pieces: the id of a piece is its index in the list. Texts are split greedily,
 * longest piece first. No merges, no bytes: tokenizers of trained models are in src/text.
 */
import { TaskError, type Vocabulary } from './task.js';

export interface PieceOptions {
  /** Text of each token, [size]; bos and eos by their display names. */
  readonly pieces: readonly string[];
  /** The piece that opens a prompt. */
  readonly bos: string;
  /** The piece that ends a completion, if there is one. */
  readonly eos?: string;
}

export function pieceVocabulary({ pieces, bos, eos }: PieceOptions): Vocabulary {
  const ids = new Map(pieces.map((piece, id) => [piece, id]));
  const idOf = (piece: string) => {
    const id = ids.get(piece);
    if (id === undefined)
      throw new TaskError(`vocabulary: piece ${JSON.stringify(piece)} is not in its list`);
    return id;
  };
  const special = new Set(eos === undefined ? [bos] : [bos, eos]);
  const spelling = pieces.filter((piece) => !special.has(piece)).sort((a, b) => b.length - a.length);
  const tokenText = (id: number) => {
    const piece = pieces[id];
    if (piece === undefined)
      throw new TaskError(`token id ${id} is outside the vocabulary, 0 … ${pieces.length - 1}`);
    return piece;
  };
  const vocabulary: Vocabulary = {
    size: pieces.length,
    bos: idOf(bos),
    eos: eos === undefined ? null : idOf(eos),
    tokenText,
    encode(text) {
      const tokens: number[] = [];
      for (let at = 0; at < text.length; ) {
        const piece = spelling.find((candidate) => text.startsWith(candidate, at));
        if (piece === undefined) {
          const character = JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0));
          throw new TaskError(`cannot spell ${character} at character ${at}; expected ${spelling.join(' ')}`);
        }
        tokens.push(idOf(piece));
        at += piece.length;
      }
      return Int32Array.from(tokens);
    },
    encodePrompt: (text) => promptOf(vocabulary, text),
    decode(tokens) {
      return Array.from(tokens, (id) => (special.has(tokenText(id)) ? '' : tokenText(id))).join('');
    },
  };
  return vocabulary;
}

/** Token ids with bos before them, if there is one. */
export function promptOf(vocabulary: Vocabulary, text: string): Int32Array {
  const start = vocabulary.bos === null ? [] : [vocabulary.bos];
  return Int32Array.from([...start, ...vocabulary.encode(text)]);
}

/** @throws TaskError unless value is a whole number in [low, high] */
export function checkWhole(key: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new TaskError(`task.${key}: expected a whole number from ${low} to ${high}, got ${value}`);
  }
}

/** @throws TaskError unless value is a finite number in [low, high] */
export function checkNumber(
  key: string,
  value: number,
  low = -Number.MAX_VALUE,
  high = Number.MAX_VALUE,
): void {
  if (!(value >= low && value <= high)) {
    const range = low === -Number.MAX_VALUE ? 'a finite number' : `a number from ${low} to ${high}`;
    throw new TaskError(`task.${key}: expected ${range}, got ${value}`);
  }
}
