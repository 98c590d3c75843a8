import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  escapeBytes,
  joinPieces,
  openBytes,
  parseGroup,
  pieceOf,
  serializeGroup,
  shownPieces,
} from '../rollouts/index.js';
import { ProcessTree } from '../tree/index.js';
import { analyzeGroup } from './analyze-group.js';
import { stepTexts } from './step-texts.js';
import { treeSvg } from './tree-svg.js';
import { treeView } from './tree-view.js';

const utf8 = new TextEncoder();
/** A vocabulary of single bytes: token id = byte. */
const byteText = (id: number): string => escapeBytes(Uint8Array.of(id));
const tokens = (...texts: string[]): Int32Array[] => texts.map((text) => Int32Array.from(utf8.encode(text)));
const textsOf = (...texts: string[]): string[] =>
  stepTexts(ProcessTree.build(tokens(...texts)), { tokenText: byteText });

describe('bytes of tokens as text', () => {
  it('escaped and joined they are the text that their bytes are, however they are cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.array(fc.nat({ max: 3 })), (text, cuts) => {
        const bytes = utf8.encode(text);
        const pieces: string[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const length = 1 + (cuts[i % Math.max(1, cuts.length)] ?? 0);
          pieces.push(escapeBytes(bytes.subarray(at, at + length)));
          at += length;
        }
        expect(joinPieces(pieces)).toBe(text);
        expect(joinPieces(JSON.parse(JSON.stringify(pieces)) as string[])).toBe(text);
      }),
    );
  });

  it('any bytes, joined, say which bytes they are: no two are shown alike', () => {
    const unescaped = (text: string): number[] =>
      Array.from(text).flatMap((c) => {
        const code = c.codePointAt(0) as number;
        return code >= 0xdc80 && code <= 0xdcff ? [code - 0xdc00] : [...utf8.encode(c)];
      });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(), (bytes, cut) => {
        const at = cut % (bytes.length + 1);
        const joined = joinPieces([escapeBytes(bytes.subarray(0, at)), escapeBytes(bytes.subarray(at))]);
        expect(joined).toBe(escapeBytes(bytes));
        expect(unescaped(joined)).toEqual([...bytes]);
        expect(shownPieces([joined])).toBe(shownPieces([joined]).replace(/\p{Surrogate}/gu, ''));
      }),
    );
    const shown = new Set(Array.from({ length: 256 }, (_, byte) => shownPieces([byteText(byte)])));
    expect(shown.size).toBe(256);
    const halves = Array.from({ length: 0x800 }, (_, i) => shownPieces([String.fromCharCode(0xd800 + i)]));
    expect(new Set(halves).size).toBe(0x800);
    expect(shownPieces(['\ud83d', '\ude00'])).toBe('\u{1f600}');
    expect(shownPieces([byteText(0xf0), byteText(0x9f)])).toBe('⟨F0⟩⟨9F⟩');
  });

  it('a decoder that reads byte by byte finds the same open bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat({ max: 3 }), (text, less) => {
        const bytes = utf8.encode(text);
        const cut = bytes.subarray(0, Math.max(0, bytes.length - less));
        const open = openBytes(escapeBytes(cut)).length;
        const stream = new TextDecoder('utf-8', { ignoreBOM: true });
        const settled = utf8.encode(stream.decode(cut, { stream: true })).length;
        expect(cut.length - open).toBe(settled);
      }),
    );
  });

  it('a token of an older log that is only � is shown by its id', () => {
    expect(pieceOf({ 1: '\ufffd', 2: 'a' }, 1)).toBe('⟨1⟩');
    expect(pieceOf({ 1: '\ufffd', 2: 'a' }, 2)).toBe('a');
    expect(pieceOf(undefined, 3)).toBe('⟨3⟩');
  });
});

describe('texts of steps', () => {
  it('a character that two branches share the beginning of is whole at the step that completes it', () => {
    // 😀 F0 9F 98 80, 🤖 F0 9F A4 96; д D0 B4, ж D0 B6; 日 E6 97 A5, 本 E6 9C AC
    expect(textsOf('a😀!', 'a🤖?')).toEqual(['a⟨F0⟩⟨9F⟩', '😀!', '🤖?']);
    expect(textsOf('дом', 'жук')).toEqual(['⟨D0⟩', 'дом', 'жук']);
    expect(textsOf('日', '本', '月')).toEqual(['⟨E6⟩', '日', '⟨9C⟩', '本', '月']);
    expect(textsOf('日本語', '日本人')).toEqual(['日本', '語', '人']);
  });

  it('a character that is never completed, or broken, is bytes at the step that they are of', () => {
    const [grin] = tokens('😀');
    const build = (...all: number[][]) =>
      stepTexts(ProcessTree.build(all.map((ids) => Int32Array.from(ids))), { tokenText: byteText });
    expect(build([...grin.subarray(0, 2)], [...grin])).toEqual(['⟨F0⟩⟨9F⟩', '', '😀']);
    expect(build([...grin.subarray(0, 3), 65], [...grin.subarray(0, 3), 66])).toEqual([
      '⟨F0⟩⟨9F⟩⟨98⟩',
      'A',
      'B',
    ]);
    expect(build([0x80], [0x81])).toEqual(['', '⟨80⟩', '⟨81⟩']);
  });

  it('along every path they give the completion’s text, for any texts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 }),
        (all) => {
          const tree = ProcessTree.build(tokens(...all));
          const texts = stepTexts(tree, { tokenText: byteText });
          all.forEach((text, completion) => {
            let path = '';
            const nodes: number[] = [];
            for (let node = tree.leaf[completion]; node >= 0; node = tree.parent[node]) nodes.unshift(node);
            for (const node of nodes) path += texts[node];
            // Only the bytes at a branch within a character are shown as bytes.
            expect(path.replace(/⟨[0-9A-F]{2}⟩/g, '')).toBe(text.replace(/⟨[0-9A-F]{2}⟩/g, ''));
          });
        },
      ),
    );
  });

  it('names of tokens are put side by side, with what separates them', () => {
    const tree = ProcessTree.build([Int32Array.of(1, 2), Int32Array.of(1, 3)]);
    const named = stepTexts(tree, { tokenText: (id) => `⟨${id}⟩`, separator: ' ' });
    expect(named).toEqual(['⟨1⟩', '⟨2⟩', '⟨3⟩']);
  });

  it('view and picture say the same, also of a log that was written and read', () => {
    const group = {
      id: 'g',
      step: 1,
      prompt: { tokens: Int32Array.of(1) },
      completions: tokens('a😀!', 'a🤖?').map((ids, i) => ({ tokens: ids, reward: i })),
      tokens: 'exact' as const,
      groups: 'explicit' as const,
      tokenTexts: Object.fromEntries(Array.from({ length: 256 }, (_, byte) => [byte, byteText(byte)])),
    };
    const read = parseGroup(Buffer.from(serializeGroup(group)).toString('utf8'), 'log.jsonl:1');
    const tokenText = (id: number): string => pieceOf(read.tokenTexts, id);
    const analysis = analyzeGroup(read);
    const texts = treeView(analysis, { tokenText }).steps.map(({ text }) => text);
    expect(texts).toEqual(['a⟨F0⟩⟨9F⟩', '😀!', '🤖?']);
    const svg = treeSvg(analysis, { tokenText });
    for (const text of texts) expect(svg).toContain(`${text}: |λ|`);
    expect(svg).not.toContain('\ufffd');
  });
});
