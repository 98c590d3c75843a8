/**
 * Reads YAML as plain data with bounded work: limited size and depth, aliases only to earlier anchors, text keys, no
 * custom tags, and whole numbers that a double holds.
 */
import {
  type Document,
  isAlias,
  isCollection,
  isPair,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';

/** Limits in bytes and levels; a configuration has a few thousand bytes and about five levels. */
const LONGEST = 1 << 20;
const DEEPEST = 100;
/** Maximum number of reported faults. */
const TOLD = 10;

export interface YamlProblem {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export type Yaml =
  | {
      readonly value: unknown;
      /** Line of a key, or of the nearest existing section; null: there is none. */
      readonly lineOf: (path: readonly PropertyKey[]) => number | null;
    }
  | { readonly problems: readonly YamlProblem[] };

export function readYaml(text: string): Yaml {
  if (text.length > LONGEST)
    return problem(1, `expected at most ${LONGEST} characters of YAML, got ${text.length}`);
  const lines = new LineCounter();
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line);
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const faults = [...document.errors, ...document.warnings].map(({ pos, message }) => ({
    line: lineAt(pos[0]),
    message,
  }));
  // The parser is recursive and reports when the stack is exhausted.
  const spent = faults.find(({ message }) => /call stack/.test(message));
  if (spent) return problem(spent.line, TOO_DEEP);
  if (faults.length === 0) faults.push(...faultsOf(document, lineAt));
  if (faults.length > 0) return { problems: faults.slice(0, TOLD) };
  const lineOf = (path: readonly PropertyKey[]): number | null => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length), true) as Node | undefined;
      if (node?.range) return lineAt(node.range[0]);
    }
    return null;
  };
  try {
    return { value: document.toJS(), lineOf };
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    return problem(
      1,
      /alias count/.test(why) ? 'expected aliases that expand to few values, got too many' : why,
    );
  }
}

const problem = (line: number, message: string): Yaml => ({ problems: [{ line, message }] });

const TOO_DEEP = `expected at most ${DEEPEST} levels of sections and lists, got more`;

/** YAML features that the parser accepts but a configuration does not. */
function faultsOf(document: Document.Parsed, lineAt: (offset: number) => number): YamlProblem[] {
  const faults: YamlProblem[] = [];
  const add = (node: { range?: readonly number[] | null }, message: string) =>
    faults.push({ line: lineAt(node.range?.[0] ?? 0), message });
  visit(document, (_, node, path) => {
    if (path.length > DEEPEST && path.filter(isCollection).length > DEEPEST) {
      add((isPair(node) ? node.key : node) as Node, TOO_DEEP);
      return visit.BREAK;
    }
    if (isPair(node) && !isScalar(node.key) && !isAlias(node.key))
      add((node.key ?? {}) as Node, 'expected keys that are text, got a section or a list as a key');
    if (isAlias(node)) {
      const meant = node.resolve(document);
      if (meant === undefined) add(node, `expected an alias of an earlier anchor, got *${node.source}`);
      else if (path.includes(meant))
        add(node, `expected an alias outside its anchor, got *${node.source} inside it`);
    }
    if (isScalar(node) && typeof node.value === 'number' && node.source !== undefined) {
      const { value, source } = node;
      if (Number.isInteger(value) && !Number.isSafeInteger(value) && /^[-+]?(0x|0o)?[\da-f]+$/i.test(source))
        add(node, `expected whole numbers of at most 2^53, got ${source}`);
      if (!Number.isFinite(value) && /\d/.test(source)) add(node, `expected a finite number, got ${source}`);
    }
    return undefined;
  });
  return faults;
}
