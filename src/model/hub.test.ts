/** The real Hub client against a small server that speaks the Hub's protocol over real files. */
import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HubServer, startHub } from '../../test/hub-server.js';
import { loadParameters } from './checkpoint.js';
import { withCheckpoint } from './files.js';
import { type FetchProgress, resolveModel } from './hub.js';

const model = join(dirname(fileURLToPath(import.meta.url)), '../../test/models/qwen2');
const COMMIT = 'c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00';

let hub: HubServer;
let hubUrl: string;
let cacheDir: string;

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'lambda-grpo-hub-'));
  const files = new Map<string, Buffer>([['README.md', Buffer.from('not wanted')]]);
  for (const name of ['config.json', 'model.safetensors']) files.set(name, await readFile(join(model, name)));
  hub = await startHub(files, COMMIT);
  hubUrl = hub.url;
});
afterEach(async () => {
  await hub.close();
  await rm(cacheDir, { recursive: true, force: true });
});

describe('a model by name', () => {
  it('is fetched at one commit into the shared cache, and can be loaded', async () => {
    const progress: FetchProgress[] = [];
    const resolved = await resolveModel('me/tiny', { hubUrl, cacheDir, onFetch: (p) => progress.push(p) });
    expect(resolved).toEqual({
      folder: join(cacheDir, 'models--me--tiny', 'snapshots', COMMIT),
      commit: COMMIT,
    });
    const total = hub.size('config.json') + hub.size('model.safetensors');
    expect(progress.map(({ file }) => file)).toEqual([
      'config.json',
      'model.safetensors',
      'model.safetensors',
    ]);
    expect(progress.map(({ bytes }) => bytes)).toEqual([0, hub.size('config.json'), total]);
    for (const { total: reported } of progress) expect(reported).toBe(total);
    expect((await readdir(resolved.folder)).sort()).toEqual(['config.json', 'model.safetensors']);
    expect((await lstat(join(resolved.folder, 'config.json'))).isSymbolicLink()).toBe(true);
    const { flat } = await withCheckpoint(resolved.folder, loadParameters);
    expect(flat.length).toBeGreaterThan(10_000);

    hub.requests.length = 0;
    progress.length = 0;
    await resolveModel('me/tiny@main', { hubUrl, cacheDir, onFetch: (p) => progress.push(p) });
    expect(hub.requests.some((line) => line.includes('/resolve/'))).toBe(false);
    expect(progress).toEqual([]);
    // A separate revision takes precedence over the one in the name.
    hub.commit = 'b'.repeat(40);
    expect((await resolveModel('me/tiny@main', { hubUrl, cacheDir, revision: COMMIT })).commit).toBe(COMMIT);
    // Without network, a cached commit is enough.
    await hub.close();
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
    hub.wantsToken = true;
    await expect(resolveModel('me/tiny', { hubUrl, cacheDir })).rejects.toThrow(
      'set HF_TOKEN to a token with read access',
    );
    expect((await resolveModel('me/tiny', { hubUrl, cacheDir, token: 'hf_right' })).commit).toBe(COMMIT);
  });

  it('is a folder, where there is one; a file or another name is refused', async () => {
    expect(await resolveModel(model)).toEqual({ folder: model, commit: null });
    await writeFile(join(cacheDir, 'file'), '');
    for (const name of [join(cacheDir, 'file'), '/no/such/folder', 'a/b/c', 'https://x.org/a']) {
      await expect(resolveModel(name, { hubUrl, cacheDir })).rejects.toThrow(
        `model: expected a model's folder, or owner/name on the Hub, got '${name}'`,
      );
    }
  });
});
