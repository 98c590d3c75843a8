/** The built front end's files. Vite names those in assets/ after their content, so browsers may keep them. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openInside } from './inside.js';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json',
  map: 'application/json',
  svg: 'image/svg+xml',
  png: 'image/png',
  ico: 'image/x-icon',
  woff2: 'font/woff2',
  txt: 'text/plain; charset=utf-8',
  wasm: 'application/wasm',
  jsonl: 'application/x-ndjson',
  safetensors: 'application/octet-stream',
};
const HASHED = /^assets\/.+-[\w-]{8,}\.\w+$/;

export interface Page {
  readonly body: Buffer;
  readonly type: string;
  readonly cache: string;
}

/** The folder of the built front end, relative to the built program or to its source. */
export function builtFolder(): string {
  const [beside, fromSource] = ['../web/', '../../dist/web/'].map((way) =>
    fileURLToPath(new URL(way, import.meta.url)),
  );
  return existsSync(`${beside}index.html`) ? beside : fromSource;
}

/**
 * @param path of the address, from `/`
 * @returns null if there is no such file
 */
export async function readPage(folder: string, path: string): Promise<Page | null> {
  const name = path === '/' ? 'index.html' : path.slice(1);
  const type = TYPES[/\.(\w+)$/.exec(name)?.[1] ?? ''];
  const file = type === undefined ? null : await openInside(folder, name.split('/'));
  if (file === null) return path === '/' ? NOT_BUILT : null;
  try {
    const cache = HASHED.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache';
    return { body: await file.readFile(), type, cache };
  } finally {
    await file.close();
  }
}

const NOT_BUILT: Page = {
  body: Buffer.from(
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>λ-GRPO dashboard</title>' +
      '<h1>The dashboard’s pages are not built</h1><p>Run <code>npm run build</code> and load this page again. ' +
      'The figures are at <a href="/api/runs">/api/runs</a>.</p></html>\n',
  ),
  type: TYPES.html,
  cache: 'no-store',
};
