/** The layers of src/: a room imports only from the rooms below it, and the core needs no Node.js. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const src = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src');

/** What each room may import; `errors.ts`, `random`, `statistics` and `files` may be imported by every room but tree, objective and graph. */
const MAY: Record<string, readonly string[]> = {
  tree: [],
  objective: ['tree'],
  graph: [],
  random: [],
  statistics: [],
  files: [],
  text: [],
  runtime: ['graph'],
  model: ['graph'],
  tinker: [],
  engine: ['tree', 'objective', 'model', 'runtime', 'tinker'],
  input: [],
  task: ['input'],
  rollouts: ['tree', 'input'],
  train: ['engine', 'model', 'text', 'task', 'objective', 'rollouts', 'tree', 'input'],
  analysis: ['tree', 'objective', 'rollouts', 'input'],
  dashboard: ['analysis', 'rollouts', 'train'],
  reproduce: [
    'tree',
    'objective',
    'graph',
    'text',
    'runtime',
    'model',
    'engine',
    'task',
    'rollouts',
    'train',
    'analysis',
  ],
  cli: [
    'tree',
    'objective',
    'graph',
    'text',
    'runtime',
    'model',
    'engine',
    'task',
    'rollouts',
    'train',
    'analysis',
    'dashboard',
    'reproduce',
  ],
};
const PURE = ['tree', 'objective', 'graph'];

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import|require)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]);
}

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return files(path);
    return entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts') ? [path] : [];
  });
}

describe('rooms', () => {
  for (const room of readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    it(`${room.name} imports only from the rooms below it`, () => {
      const allowed = MAY[room.name];
      expect(allowed, `src/${room.name} is no room of the house`).toBeDefined();
      for (const file of files(join(src, room.name))) {
        for (const target of importsOf(file)) {
          const where = `${relative(src, file)} imports ${target}`;
          if (!target.startsWith('.')) {
            if (PURE.includes(room.name)) expect.fail(`${where}: this room depends on nothing`);
            // A client of HTTP runs wherever fetch does.
            if (room.name === 'tinker') expect(target, where).toBe('zod');
            if (target === 'onnxruntime-node') expect(relative(src, file)).toBe(join('runtime', 'node.ts'));
            continue;
          }
          const other = relative(src, resolve(dirname(file), target)).split('/');
          if (other.length === 1) {
            expect(['errors.js'], where).toContain(other[0]);
            expect(PURE, where).not.toContain(room.name);
          } else if (other[0] !== room.name) {
            const alone = PURE.includes(room.name) || room.name === 'tinker';
            const common = alone ? [] : ['random', 'files', 'statistics'];
            expect([...allowed, ...common], where).toContain(other[0]);
          }
        }
      }
    });
  }
});

/** A circle of a graph, as the path that comes back to where it began; null: there is none. */
function circle(arrows: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (place: string): string[] | null => {
    if (path.includes(place)) return [...path.slice(path.indexOf(place)), place];
    if (done.has(place)) return null;
    path.push(place);
    for (const next of arrows.get(place) ?? []) {
      const closed = visit(next);
      if (closed) return closed;
    }
    path.pop();
    done.add(place);
    return null;
  };
  for (const place of arrows.keys()) {
    const closed = visit(place);
    if (closed) return closed;
  }
  return null;
}

describe('circles', () => {
  /** Each file of src with the files that it imports, types included. */
  const arrows = new Map(
    files(src).map((file) => [
      relative(src, file),
      importsOf(file)
        .filter((target) => target.startsWith('.'))
        .map((target) => relative(src, resolve(dirname(file), target)).replace(/\.js$/, '.ts')),
    ]),
  );

  it('no file of src imports itself, over however many others', () => {
    expect([...arrows.values()].flat().filter((target) => target.endsWith('.ts')).length).toBeGreaterThan(
      500,
    );
    expect(circle(arrows)?.join(' → ')).toBeUndefined();
  });

  it('arrows between rooms go one way', () => {
    const room = (file: string): string => (file.includes('/') ? file.split('/')[0] : file);
    const rooms = new Map<string, string[]>();
    for (const [file, targets] of arrows) {
      const others = targets.map(room).filter((name) => name !== room(file));
      rooms.set(room(file), [...(rooms.get(room(file)) ?? []), ...others]);
    }
    expect(rooms.size).toBeGreaterThan(10);
    expect(circle(rooms)?.join(' → ')).toBeUndefined();
    expect(circle(new Map(Object.entries(MAY)))?.join(' → ')).toBeUndefined();
  });

  it('the rule sees what it forbids', () => {
    const graph = (text: string) =>
      new Map(text.split(' ').map((entry) => [entry[0], [...entry.slice(2)]] as const));
    expect(circle(graph('a>bc b>d c>d d>'))).toBeNull();
    expect(circle(graph('a>a'))).toEqual(['a', 'a']);
    expect(circle(graph('a>b b>cd c> d>eb e>'))).toEqual(['b', 'd', 'b']);
    expect(circle(graph('x>y y> a>b b>c c>a'))).toEqual(['a', 'b', 'c', 'a']);
  });
});

/** Rooms that run in a browser, but for the files beside them that read and write files, or name a package of ONNX Runtime. */
const ANYWHERE = [
  'tree',
  'objective',
  'random',
  'statistics',
  'graph',
  'runtime',
  'model',
  'text',
  'engine',
  'task',
  'input',
  'rollouts',
];
const EDGE = [
  'runtime/node.ts',
  'model/files.ts',
  'model/hub.ts',
  'text/files.ts',
  'task/files.ts',
  'input/files.ts',
  'input/duckdb.ts',
  'input/gzip.ts',
  'rollouts/files.ts',
  'rollouts/own-files.ts',
  'engine/open.ts',
];

/** Source without comments, texts and types: what is left says which globals a file uses. */
const bare = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '').replace(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, "''");

/** What ties a file to Node.js, or to a package of ONNX Runtime. */
function tiesOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const named = [...code.matchAll(/(?:from|import|require)\s*\(?\s*['"`]([^'"`]+)['"`]/g)].map(
    ([, name]) => name,
  );
  const types = [...code.matchAll(/(?:import|export) type [^;]*? from '([^']+)'/g)].map(([, name]) => name);
  return [
    ...named.filter((name) => isBuiltin(name) || (name.startsWith('onnxruntime-') && !types.includes(name))),
    ...types.filter((name) => name.startsWith('onnxruntime-') && name !== 'onnxruntime-common'),
    ...[
      ...bare(text).matchAll(/(?<![.\w])(Buffer|process|__dirname|__filename|require|NodeJS)\s*[.[(]/g),
    ].map(([, name]) => name),
    // A name that is put together cannot be looked at.
    ...[...code.matchAll(/\bimport\(\s*(?!['"])/g)].map(() => 'import(…)'),
  ];
}

/** A file and all that it loads, sooner or later; what it takes the types of alone is not loaded. */
function loadedBy(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const code = readFileSync(file, 'utf8').replace(/(?:import|export) type [^;]*? from '[^']+';/g, '');
  for (const [, target] of code.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    const path = resolve(dirname(file), target).replace(/\.js$/, '.ts');
    if (existsSync(path)) loadedBy(path, seen);
  }
  return seen;
}

describe('what runs anywhere', () => {
  const named = (path: string): string => relative(src, path).split(sep).join('/');

  for (const room of ANYWHERE) {
    it(`${room} names nothing of Node.js and no package of ONNX Runtime, and loads no file that does`, () => {
      for (const file of files(join(src, room)).filter((path) => !EDGE.includes(named(path)))) {
        expect(tiesOf(readFileSync(file, 'utf8')), named(file)).toEqual([]);
        for (const loaded of loadedBy(file)) {
          expect(tiesOf(readFileSync(loaded, 'utf8')), `${named(file)} loads ${named(loaded)}`).toEqual([]);
        }
      }
    });
  }

  it('lambda-grpo/core, the training step with it, loads nothing else', () => {
    const loaded = [...loadedBy(join(src, 'core.ts'))];
    for (const file of loaded) expect(tiesOf(readFileSync(file, 'utf8')), named(file)).toEqual([]);
    const names = loaded.map(named);
    expect(names).toEqual(
      expect.arrayContaining([
        'engine/local/local-engine.ts',
        'train/learner.ts',
        'analysis/analyze-group.ts',
      ]),
    );
    expect(names.filter((name) => name.startsWith('files/') || EDGE.includes(name))).toEqual([]);
  });

  it('the rule sees what it forbids, and each exception needs to be one', () => {
    for (const text of [
      "import { open } from 'node:fs/promises';",
      "import path from 'path';",
      "export * from 'node:os';",
      "const { open } = await import('fs');",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a program
      "await import(`node:${'fs'}`);",
      "import * as ort from 'onnxruntime-web';",
      "import type { Env } from 'onnxruntime-node';",
      'const head = Buffer.alloc(8);',
      'const { platform } = process.versions;',
      "process['exit'](1);",
      'const text = (error: NodeJS.ErrnoException) => error.code;',
    ]) {
      expect(tiesOf(text), text).not.toEqual([]);
    }
    for (const text of [
      "import type { Tensor } from 'onnxruntime-common';",
      '/** As in `process.exit`; Buffer.alloc is not used. */',
      "throw new Error('expected process.exit, got Buffer.from(x)');",
      'const memory = new ArrayBuffer(4); this.process.run();',
    ]) {
      expect(tiesOf(text), text).toEqual([]);
    }
    for (const file of EDGE) {
      const ties = [...loadedBy(join(src, file))].flatMap((path) => tiesOf(readFileSync(path, 'utf8')));
      expect(ties, file).not.toEqual([]);
    }
  });
});

describe('names of files', () => {
  it('reach DuckDB only through src/input/duckdb.ts, where no name is a pattern', () => {
    const reads =
      /DuckDBInstance\.create|\b(read_\w+|parquet_scan|parquet_\w+|glob|sniff_csv)\s*\(|\bTO '|FROM '/;
    const places = files(src).filter((file) => reads.test(readFileSync(file, 'utf8')));
    expect(places.map((file) => relative(src, file))).toEqual(['input/duckdb.ts']);
  });
});

describe('outlets', () => {
  it('text leaves the program in one place: no other file writes to standard output or standard error', () => {
    const outlet = join('cli', 'terminal.ts');
    const writes =
      /\bconsole\s*[.[]|\bprocess\s*\.\s*(stdout|stderr|_rawDebug|emitWarning)\b|\{[^}]*\bstd(out|err)\b[^}]*\}\s*=\s*process|writeSync\(\s*[12]\b|\/dev\/std|['"](node:)?console['"]/;
    const breaking = files(src).filter((file) => {
      // A library's debug lines are silenced; a child only listens whether its output fails; comments may show an example.
      const code = readFileSync(file, 'utf8').replace(
        /\/\*[\s\S]*?\*\/|^\s*\/\/.*$|\bconsole\.debug = .*$|^.*stream\.on\('error', \(\) => \{\}\);$/gm,
        '',
      );
      return writes.test(code);
    });
    expect(breaking.map((file) => relative(src, file))).toEqual([outlet]);
  });

  it('tables for spreadsheets are written in one place', () => {
    const rows = files(src).filter((file) => readFileSync(file, 'utf8').includes('\\r\\n`'));
    expect(rows.map((file) => relative(src, file))).toEqual([join('analysis', 'csv.ts')]);
  });
});

describe('writing', () => {
  const changing =
    /^(writeFile|appendFile|rename|rm|rmdir|unlink|mkdir|mkdtemp|copyFile|cp|link|symlink|truncate|ftruncate|write|writev|utimes|chmod|createWriteStream)(Sync)?$/;
  const outside = files(src).filter((file) => !relative(src, file).startsWith('files/'));

  it('is done only in src/files: elsewhere files are only read', () => {
    for (const file of outside) {
      const text = readFileSync(file, 'utf8');
      const where = relative(src, file);
      for (const [, names] of text.matchAll(/import\s*(.*?)\s*from\s*'(?:node:)?fs(?:\/promises)?'/gs)) {
        expect(names, `${where}: name what you import`).toMatch(/^(type )?\{.*\}$/s);
        for (const name of names.replace(/[{}]/g, '').split(',')) {
          expect(name.trim().split(/\s+as\s+/)[0], where).not.toMatch(changing);
        }
      }
      expect(text, where).not.toMatch(/(import|require)\(\s*'(node:)?fs/);
      // A file is opened to be read.
      expect(text, where).not.toMatch(/\bopen(Sync)?\([^)]*,\s*'(w|a|r\+|as|ax|wx)/);
      expect(text, where).not.toMatch(/O_(WRONLY|RDWR|CREAT|APPEND|TRUNC)/);
    }
  });

  it('the rule sees what it forbids', () => {
    expect(['writeFile', 'rmSync', 'createWriteStream'].every((name) => changing.test(name))).toBe(true);
    expect(['readFile', 'stat', 'open'].some((name) => changing.test(name))).toBe(false);
    expect(outside.length).toBeGreaterThan(100);
  });
});

describe('decisions', () => {
  it('each has its own number, which its heading repeats', () => {
    const folder = join(dirname(src), 'docs', 'decisions');
    const pages = readdirSync(folder);
    expect(pages.length).toBeGreaterThan(10);
    expect(new Set(pages.map((page) => page.slice(0, 4))).size).toBe(pages.length);
    for (const page of pages) {
      expect(readFileSync(join(folder, page), 'utf8')).toMatch(
        new RegExp(`^# ${Number(page.slice(0, 4))}\\. `),
      );
    }
  });
});

describe('lockfile', () => {
  const lock = JSON.parse(readFileSync(join(dirname(src), 'package-lock.json'), 'utf8')) as {
    packages: Record<
      string,
      { version?: string; resolved?: string; optionalDependencies?: Record<string, string> }
    >;
  };

  it('names every platform’s package, so that `npm ci` works on all of them', () => {
    const missing = Object.entries(lock.packages).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).filter(
        (name) =>
          !(`node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages),
      ),
    );
    expect(missing).toEqual([]);
  });

  it('pins versions and names no registry', () => {
    for (const [path, entry] of Object.entries(lock.packages)) {
      expect(entry.version, path).toMatch(/^\d+\.\d+\.\d+/);
      expect(entry.resolved, path).toBeUndefined();
    }
  });
});
