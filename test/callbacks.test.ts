/**
 * A function with an optional second parameter is not handed to `map` and the like by its name: these call it with the
 * index as second argument. `values.map(rounded)` once rounded the first value to 0 digits, the second to 1.
 */
import { parseSync } from 'vite';
import { expect, it } from 'vitest';
import { isNode, type Node, placeOf, sources } from './syntax.js';

const METHODS = new Set('map flatMap forEach filter find findIndex findLast some every from'.split(' '));

function* nodes(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const part of value) yield* nodes(part);
  if (!isNode(value)) return;
  yield value;
  for (const part of Object.values(value)) if (typeof part === 'object') yield* nodes(part);
}
const nameOf = (value: unknown): string => (isNode(value) ? String(value.name) : '');

/** Name of a function with an optional second parameter; none: another node. */
function optionalSecond(node: Node): string[] {
  const isFunction = node.type === 'FunctionDeclaration';
  const init = node.type === 'VariableDeclarator' && isNode(node.init) ? node.init : null;
  const holder = isFunction ? node : init && /^(Arrow)?Function/.test(init.type) ? init : null;
  const second = (holder?.params as Node[] | undefined)?.[1];
  return second?.type === 'AssignmentPattern' || second?.optional === true ? [nameOf(node.id)] : [];
}

/** Names handed over as callbacks, and where. */
function* callbacks(node: Node): Generator<[name: string, at: number]> {
  const { callee } = node;
  if (node.type !== 'CallExpression' || !isNode(callee) || callee.type !== 'MemberExpression') return;
  if (!METHODS.has(nameOf(callee.property))) return;
  for (const argument of node.arguments as Node[])
    if (argument.type === 'Identifier') yield [nameOf(argument), node.start];
}

/** @param texts of each file */
function findings(texts: ReadonlyMap<string, string>): string[] {
  const files = [...texts].map(([file, text]) => ({
    file,
    text,
    all: [...nodes(parseSync(file, text).program)],
  }));
  const exported = new Set(
    files.flatMap(({ all }) =>
      all
        .filter(({ type }) => type === 'ExportNamedDeclaration')
        .flatMap(({ declaration }) => [...nodes(declaration)].flatMap(optionalSecond)),
    ),
  );
  return files.flatMap(({ file, text, all }) => {
    const imported = all.filter(({ type }) => type === 'ImportSpecifier');
    const risky = new Set([
      ...all.flatMap(optionalSecond),
      ...imported.filter((node) => exported.has(nameOf(node.imported))).map((node) => nameOf(node.local)),
    ]);
    return all
      .flatMap((node) => [...callbacks(node)])
      .filter(([name]) => risky.has(name))
      .map(([name, at]) => `${placeOf(file, text, at)}: ${name}`);
  });
}

it('no function with an optional second parameter is a callback', () => {
  const texts = sources('src', 'web', 'scripts', 'bench', 'recipes', 'test');
  expect(texts.size).toBeGreaterThan(500);
  expect(findings(texts)).toEqual([]);
});

it('the rule sees functions of the file and of others, by the name they are imported under', () => {
  const seen = (use: string) =>
    findings(
      new Map([
        [
          'a.ts',
          'export function rounded(x: number, digits = 4) { return x; } export const half = (x: number, y?: number) => x;',
        ],
        [
          'b.ts',
          `import { rounded, half as h, whole } from './a.js'; const local = (x: number, y = 1) => x; ${use}`,
        ],
      ]),
    );
  expect(seen('list.map(rounded)')).toEqual(['b.ts:1: rounded']);
  expect(seen('list.every(h); Array.from(list, local)')).toEqual(['b.ts:1: h', 'b.ts:1: local']);
  expect(seen('list.map((x) => rounded(x)); list.map(whole); rounded(list, h)')).toEqual([]);
});
