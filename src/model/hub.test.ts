/** The real client against a small server that speaks the Hub's protocol over real files. */
import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadParameters, openCheckpoint } from './checkpoint.js';
import { resolveModel } from './hub.js';

const model = join(dirname(fileURLToPath(import.meta.url)), '../../test/models/qwen2');
const COMMIT = 'c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00';

let server: Server;
let hubUrl: string;
let cacheDir: string;
let asked: string[];
let wantsToken: boolean;

beforeEach(async () => {
  asked = [];
  wantsToken = false;
  cacheDir = await mkdtemp(join(tmpdir(), 'lambda-grpo-hub-'));
  const files = new Map<string, Buffer>([['README.md', Buffer.from('not wanted')]]);
  for (const name of ['config.json', 'model.safetensors']) files.set(name, await readFile(join(model, name)));
  const oid = (name: string): string =>
    createHash('sha1')
      .update(files.get(name) as Buffer)
      .digest('hex');
  const entry = (path: string) => ({
    type: 'file',
    path,
    oid: oid(path),
    size: (files.get(path) as Buffer).length,
    lastCommit: { id: COMMIT, title: '', date: new Date(0).toISOString() },
  });
  server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    asked.push(`${request.method} ${url.pathname}`);
    const json = (value: unknown): void => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(value));
    };
    if (wantsToken && request.headers.authorization !== 'Bearer hf_right') {
      response.statusCode = 401;
      json({ error: 'Invalid username or password.' });
      return;
    }
    const base = '/api/models/me/tiny';
    if (url.pathname === `${base}/revision/main`)
      json({
        _id: '1',
        id: 'me/tiny',
        sha: COMMIT,
        private: false,
        downloads: 0,
        likes: 0,
        gated: false,
        lastModified: new Date(0).toISOString(),
      });
    else if (url.pathname === `${base}/tree/${COMMIT}`) json([...files.keys()].map(entry));
    else if (url.pathname === `${base}/paths-info/${COMMIT}`) {
      let body = '';
      request.on('data', (part) => {
        body += part;
      });
      request.on('end', () => json((JSON.parse(body) as { paths: string[] }).paths.map(entry)));
    } else if (url.pathname.startsWith(`/me/tiny/resolve/${COMMIT}/`)) {
      const name = url.pathname.split('/').at(-1) as string;
      const bytes = files.get(name) as Buffer;
      const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '');
      const [from, to] = range
        ? [Number(range[1]), range[2] ? Number(range[2]) : bytes.length - 1]
        : [0, bytes.length - 1];
      response.statusCode = range ? 206 : 200;
      response.setHeader('etag', `"${oid(name)}"`);
      response.setHeader('content-range', `bytes ${from}-${to}/${bytes.length}`);
      response.end(bytes.subarray(from, to + 1));
    } else {
      response.statusCode = 404;
      json({ error: 'Repository not found' });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  hubUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(cacheDir, { recursive: true, force: true });
});

describe('a model by name', () => {
  it('is fetched at one commit into the shared cache, and can be loaded', async () => {
    const told: string[] = [];
    const resolved = await resolveModel('me/tiny', { hubUrl, cacheDir, onFile: (path) => told.push(path) });
    expect(resolved).toEqual({
      folder: join(cacheDir, 'models--me--tiny', 'snapshots', COMMIT),
      commit: COMMIT,
    });
    expect(told.sort()).toEqual(['config.json', 'model.safetensors']);
    expect((await readdir(resolved.folder)).sort()).toEqual(['config.json', 'model.safetensors']);
    expect((await lstat(join(resolved.folder, 'config.json'))).isSymbolicLink()).toBe(true);
    const checkpoint = await openCheckpoint(resolved.folder);
    const { flat } = await loadParameters(checkpoint);
    await checkpoint.close();
    expect(flat.length).toBeGreaterThan(10_000);

    asked = [];
    await resolveModel('me/tiny@main', { hubUrl, cacheDir });
    expect(asked.some((line) => line.includes('/resolve/'))).toBe(false);
    // Without the network a commit that is there is enough.
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect((await resolveModel('me/tiny', { hubUrl, cacheDir, revision: COMMIT })).commit).toBe(COMMIT);
    await expect(resolveModel('me/other', { hubUrl, cacheDir })).rejects.toThrow(
      /^model 'me\/other': no such folder, and the Hub cannot be reached \(ECONNREFUSED\); it is not in the cache$/,
    );
  });

  it('needs the right to read it, and must be there', async () => {
    await expect(resolveModel('me/none', { hubUrl, cacheDir })).rejects.toThrow(
      "model 'me/none': not on the Hub, or it has no revision 'main'",
    );
    await expect(resolveModel('me/tiny', { hubUrl, cacheDir, revision: 'v9' })).rejects.toThrow(
      "no revision 'v9'",
    );
    wantsToken = true;
    await expect(resolveModel('me/tiny', { hubUrl, cacheDir })).rejects.toThrow(
      'put a token that may read it in HF_TOKEN',
    );
    expect((await resolveModel('me/tiny', { hubUrl, cacheDir, token: 'hf_right' })).commit).toBe(COMMIT);
  });

  it('is a folder, where there is one; a file or another name is refused', async () => {
    expect(await resolveModel(model)).toEqual({ folder: model, commit: null });
    await writeFile(join(cacheDir, 'file'), '');
    for (const name of [join(cacheDir, 'file'), '/no/such/folder', 'a/b/c', 'https://x.org/a']) {
      await expect(resolveModel(name, { hubUrl, cacheDir })).rejects.toThrow(
        `model '${name}': no such folder; allowed is`,
      );
    }
  });
});
