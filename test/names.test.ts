/**
 * Names and messages in plain words: a variable is a noun for its value, and a message says what was expected and what
 * came instead.
 */
import { parseSync } from 'vite';
import { describe, expect, it } from 'vitest';
import { isNode, type Node, placeOf, sources } from './syntax.js';

/** Words that name nothing. */
const EMPTY = new Set('of one made own found above below both given taken told here said asked'.split(' '));
/** The same for properties and methods of classes and interfaces. */
const EMPTY_PROPERTIES = new Set('of one made own found above below both'.split(' '));
const PROPERTIES = 'TSPropertySignature TSMethodSignature PropertyDefinition MethodDefinition'.split(' ');
/** Kept: published JSON files have the key `below`. */
const KEPT: Readonly<Record<string, string>> = {
  'src/reproduce/experiments/language-model-structure.ts': 'below',
};
/** Old forms of messages: "found x; allowed is y". */
const OLD_FORMS = /\ballowed (is|are)\b|(^|: )found\b|; wanted (is|are)\b/;

interface Finding {
  readonly at: number;
  readonly what: string;
}

/** The names that a declaration's pattern binds. */
function* bound(pattern: unknown): Generator<Node> {
  if (Array.isArray(pattern)) for (const part of pattern) yield* bound(part);
  if (!isNode(pattern)) return;
  if (pattern.type === 'Identifier') yield pattern;
  if (pattern.type === 'ObjectPattern') yield* bound(pattern.properties);
  if (pattern.type === 'Property') yield* bound(pattern.value);
  if (pattern.type === 'ArrayPattern') yield* bound(pattern.elements);
  if (pattern.type === 'AssignmentPattern') yield* bound(pattern.left);
  if (pattern.type === 'RestElement') yield* bound(pattern.argument);
  if (pattern.type === 'TSParameterProperty') yield* bound(pattern.parameter);
}

/** Declarations of empty names, and messages of old forms, of one file. */
function findings(file: string, text: string): Finding[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`);
  const list: Finding[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isNode(value)) return;
    // A function type's parameters are names for its reader too.
    const patterns = [value.type === 'VariableDeclarator' ? value.id : null, value.params, value.param];
    const named = value.type === 'FunctionDeclaration' ? [...patterns, value.id] : patterns;
    for (const name of bound(named)) {
      if (EMPTY.has(name.name as string)) list.push({ at: name.start, what: `the name ${name.name}` });
    }
    const key = PROPERTIES.includes(value.type) && !value.computed && isNode(value.key) ? value.key : null;
    if (key && EMPTY_PROPERTIES.has(key.name as string) && KEPT[file] !== key.name)
      list.push({ at: key.start, what: `the name ${key.name}` });
    const words = value.type === 'Literal' ? value.value : value.type === 'TemplateElement' && rawOf(value);
    if (typeof words === 'string' && OLD_FORMS.test(words)) list.push({ at: value.start, what: words });
    for (const [key, part] of Object.entries(value)) if (key !== 'type') visit(part);
  };
  visit(program);
  return list;
}

const rawOf = (element: Node): string => (element.value as { readonly raw: string }).raw;

describe('names', () => {
  it('of variables, functions, properties and methods are nouns or verbs, and messages say what is expected', () => {
    const texts = sources('src', 'web', 'scripts', 'bench', 'recipes', 'test');
    // This file has examples.
    texts.delete('test/names.test.ts');
    expect(texts.size).toBeGreaterThan(500);
    const list = [...texts].flatMap(([file, text]) =>
      findings(file, text).map(({ at, what }) => `${placeOf(file, text, at)}: ${what}`),
    );
    expect(list).toEqual([]);
  });

  it('the rule sees every kind of declaration, and no use of a name or key of an object', () => {
    const seen = (text: string) => findings('x.ts', text).map(({ what }) => what.replace('the name ', ''));
    expect(seen('const one = 1; let [of, { made: own = 2, ...found }] = x;')).toEqual([
      'one',
      'of',
      'own',
      'found',
    ]);
    expect(seen('function above(below: number, ...made: string[]) { return (own) => own; }')).toEqual([
      'below',
      'made',
      'above',
      'own',
    ]);
    expect(
      seen('class A { constructor(private readonly of: B) {} m(one?: C) { try {} catch (found) {} } }'),
    ).toEqual(['of', 'one', 'found']);
    expect(seen('for (const of of list) void of; type F = (made: number) => void')).toEqual(['of', 'made']);
    expect(
      seen('const x = { own: 1, of: y.found, below() {} }; Int32Array.of(1); const { made: m } = x;'),
    ).toEqual([]);
    expect(
      seen(
        'interface A { readonly own: B; of(x: C): D } class E { #x = 1; static found = 2; get both() { return 3; } }',
      ),
    ).toEqual(['own', 'of', 'found', 'both']);
    expect(seen("throw new E(`x.yaml: found 'x'; allowed is a number`)")).toHaveLength(1);
    expect(seen("fail('found nothing')")).toHaveLength(1);
    expect(seen("const text = 'expected a number, got x; the best found there';")).toEqual([]);
  });
});
