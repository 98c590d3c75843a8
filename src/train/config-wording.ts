/**
 * Texts generated from the JSON Schema of the configuration: the reference table and one-line error messages.
 * Independent of the keys themselves.
 */
import type { z } from 'zod';

type JsonSchema = z.core.JSONSchema.BaseSchema;
type Path = readonly PropertyKey[];

/**
 * The lines for one error of the schema: place, key, what is expected, what came.
 * @param root the object that was checked
 * @param place file and line of a key, ending in ': ', or nothing
 */
export function issueLine(
  issue: z.core.$ZodIssue,
  root: unknown,
  schema: JsonSchema,
  place: (path: Path) => string,
): string[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(schemaAt(schema, path, root)?.properties ?? {});
    return issue.keys.map(
      (key) => `${place([...path, key])}${dotted([...path, key])}: unknown key; ${suggestion(key, known)}`,
    );
  }
  if (issue.code === 'custom') return [`${place(path)}${dotted(path)}: ${issue.message}`];
  const at = schemaAt(schema, path, root);
  const allowed =
    issue.code === 'invalid_union'
      ? unionNames(schemaAt(schema, path.slice(0, -1), root))
      : at && allowedText(at);
  return [
    `${place(path)}${dotted(path)}: expected ${allowed ?? issue.message}, got ${show(valueAt(root, path))}`,
  ];
}

function dotted(path: Path): string {
  return path.length === 0 ? 'the configuration' : path.join('.');
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key],
    root,
  );
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number') return String(value);
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** The schema of a key; of a union, the member that matches the data. */
function schemaAt(schema: JsonSchema, path: Path, root: unknown): JsonSchema | undefined {
  let at: JsonSchema | undefined = schema;
  for (let i = 0; i <= path.length && at; i++) {
    const members = at.oneOf as JsonSchema[] | undefined;
    if (members) {
      const name = valueAt(root, [...path.slice(0, i), 'name']);
      const member = members.find((candidate) => nameOf(candidate) === name);
      if (member) at = member;
    }
    if (i < path.length) at = at.properties?.[String(path[i])] as JsonSchema | undefined;
  }
  return at;
}

function nameOf(member: JsonSchema): unknown {
  return (member.properties?.name as JsonSchema | undefined)?.const;
}

function unionNames(union: JsonSchema | undefined): string | undefined {
  return (union?.oneOf as JsonSchema[] | undefined)?.map(nameOf).join(' or ');
}

/** The allowed values of a key: `a whole number ≥ 1`, `grpo or lambda-grpo`, `a number > 0 or null`. */
export function allowedText(schema: JsonSchema): string {
  if (schema.anyOf) return (schema.anyOf as JsonSchema[]).map(allowedText).join(' or ');
  if (schema.oneOf) return `a section with name ${unionNames(schema)}`;
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum) return schema.enum.join(' or ');
  const types = [schema.type].flat();
  const orNull = types.includes('null') && types.length > 1 ? ' or null' : '';
  if (types.includes('integer') || types.includes('number')) {
    return `${types.includes('integer') ? 'a whole number' : 'a number'}${range(schema)}${orNull}`;
  }
  if (types.includes('boolean')) return 'true or false';
  if (types.includes('object')) return 'a section (a mapping of keys)';
  if (types.includes('array'))
    return `a list of ${pluralOf(schema.items as JsonSchema | undefined)}${orNull}`;
  return types.map((type) => (type === 'string' ? 'a string' : String(type))).join(' or ');
}

/** A description of the elements of a list. */
function pluralOf(items: JsonSchema | undefined): string {
  const allowed = items ? allowedText(items) : 'values';
  return allowed.replace(/^a string/, 'strings').replace(/^a (whole )?number/, '$1numbers');
}

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const bounds: string[] = [];
  const isBound = (bound: unknown) => typeof bound === 'number' && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  if (isBound(minimum)) bounds.push(`≥ ${minimum}`);
  if (isBound(exclusiveMinimum)) bounds.push(`> ${exclusiveMinimum}`);
  if (isBound(maximum)) bounds.push(`≤ ${maximum}`);
  if (isBound(exclusiveMaximum)) bounds.push(`< ${exclusiveMaximum}`);
  return bounds.length > 0 ? ` ${bounds.join(', ')}` : '';
}

function suggestion(key: string, known: readonly string[]): string {
  const nearest = known
    .map((name) => ({ name, distance: editDistance(key, name) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const near = nearest && nearest.distance <= Math.max(2, key.length / 3);
  return `${near ? `did you mean ${nearest.name}? ` : ''}expected ${known.join(', ')}`;
}

/** Number of insertions, deletions, replacements and swaps of neighbours that turn a into b. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = Array.from({ length: a.length + 1 }, (_, i) => [i]);
  for (let j = 0; j <= b.length; j++) rows[0][j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[a.length][b.length];
}

/**
 * key | default | allowed | meaning, with sections and union members in the order of the schema.
 * @param within a filter for the outermost keys; default: all
 */
export function markdownTable(schema: JsonSchema, within: (key: string) => boolean = () => true): string {
  const rows: string[][] = [
    ['key', 'default', 'allowed', 'meaning'],
    ['---', '---', '---', '---'],
  ];
  const walk = (node: JsonSchema, before: string) => {
    for (const [name, child] of Object.entries(node.properties ?? {}) as [string, JsonSchema][]) {
      if (before === '' && !within(name)) continue;
      const key = `${before}${name}`;
      const required = (node.required ?? []).includes(name);
      const nested = child.oneOf !== undefined || child.properties !== undefined;
      const value = nested ? '' : required ? '(required)' : `\`${JSON.stringify(child.default)}\``;
      if (!nested || child.description) {
        rows.push([
          nested ? `**${key}**` : `\`${key}\``,
          value,
          nested ? '' : allowedText(child),
          `${child.description ?? ''}${child.changeable === true ? ' (may change with --resume)' : ''}`,
        ]);
      }
      for (const member of membersOf(child)) walk(member, `${key}.`);
    }
  };
  walk(schema, '');
  return rows
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

/** The variants of a section that define its keys; a section may also be null. */
function membersOf(schema: JsonSchema): JsonSchema[] {
  return ((schema.oneOf ?? schema.anyOf) as JsonSchema[] | undefined) ?? [schema];
}
