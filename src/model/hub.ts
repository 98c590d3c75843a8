/**
 * Models by name: a folder is taken as it is, `owner/name` (or `owner/name@revision`) comes from the Hugging Face Hub. A
 * revision is resolved to a commit first, so that all files are of one state; files lie in the Hub's own cache, which
 * other tools share. This is the one place that uses the network, and only for a name that the user gave.
 */
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from './config.js';

export interface ResolveOptions {
  /** Branch, tag or commit, default main. */
  readonly revision?: string;
  /** Default: HF_TOKEN of the environment. */
  readonly token?: string;
  /** Default: where the Hub's own tools have it (HF_HOME, HF_HUB_CACHE). */
  readonly cacheDir?: string;
  /** Default: HF_ENDPOINT of the environment, or the Hub. */
  readonly hubUrl?: string;
  /** Told of each file before it is fetched. */
  readonly onFile?: (path: string, index: number, count: number) => void;
}

export interface ResolvedModel {
  readonly folder: string;
  /** Commit of the Hub; null for a folder of the user's. */
  readonly commit: string | null;
}

const HUB_NAME = /^([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/;
/** What a model is made of: configuration, weights, tokenizer, chat template. */
const WANTED =
  /^(?!.*\/)(config\.json|generation_config\.json|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json|tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|tokenizer\.model|chat_template\.jinja|adapter_config\.json|adapter_model\.safetensors|LICENSE.*)$/;

/**
 * @param name a folder, or a name of the Hub
 * @throws ModelError in one line: no such folder or model, no access, no network
 */
export async function resolveModel(name: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  const found = await stat(name).catch(() => null);
  if (found?.isDirectory()) return { folder: name, commit: null };
  const [, repository, at] = HUB_NAME.exec(name) ?? [];
  if (repository === undefined || found) {
    throw new ModelError(
      `model '${name}': no such folder; allowed is a model's folder, or owner/name on the Hub`,
    );
  }
  const revision = at ?? options.revision ?? 'main';
  const hub = await import('@huggingface/hub');
  const hubUrl = options.hubUrl ?? process.env.HF_ENDPOINT;
  const token = options.token ?? process.env.HF_TOKEN;
  const cacheDir = options.cacheDir ?? hub.getHFHubCachePath();
  const storage = join(cacheDir, `models--${repository.replace('/', '--')}`);
  const access = { ...(hubUrl ? { hubUrl } : {}), ...(token ? { accessToken: token } : {}) };
  try {
    const { sha } = await hub.modelInfo({ name: repository, revision, additionalFields: ['sha'], ...access });
    const paths: string[] = [];
    for await (const entry of hub.listFiles({ repo: repository, revision: sha, ...access })) {
      if (entry.type === 'file' && WANTED.test(entry.path)) paths.push(entry.path);
    }
    // Where there are both, shards and a whole file hold the same: one of them is enough.
    const whole = paths.includes('model.safetensors');
    const needed = paths.filter((path) => !(whole && /^model(-|\.safetensors\.index)/.test(path)));
    for (const [i, path] of needed.entries()) {
      options.onFile?.(path, i, needed.length);
      await quietly(() =>
        hub.downloadFileToCacheDir({ repo: repository, path, revision: sha, cacheDir, ...access }),
      );
    }
    return { folder: join(storage, 'snapshots', sha), commit: sha };
  } catch (error) {
    const status = (error as { statusCode?: number }).statusCode;
    if (status === undefined) {
      const cached = await cachedCommit(storage, revision);
      if (cached) return { folder: join(storage, 'snapshots', cached), commit: cached };
    }
    throw new ModelError(`model '${name}': ${reason(status, error as Error, revision)}`);
  }
}

function reason(status: number | undefined, error: Error, revision: string): string {
  if (status === 401 || status === 403) return 'no access; put a token that may read it in HF_TOKEN';
  if (status === 404) return `not on the Hub, or it has no revision '${revision}'`;
  if (status !== undefined) return `the Hub answers ${status}: ${error.message.split('\n')[0]}`;
  const cause = (error.cause as { code?: string } | undefined)?.code;
  return `no such folder, and the Hub cannot be reached (${cause ?? error.message.split('\n')[0]}); it is not in the cache`;
}

/** A revision's commit as the cache knows it, if that snapshot is there. */
async function cachedCommit(storage: string, revision: string): Promise<string | null> {
  const reference = await readFile(join(storage, 'refs', revision), 'utf8').catch(() => revision);
  const commit = reference.trim();
  return existsSync(join(storage, 'snapshots', commit, 'config.json')) ? commit : null;
}

/** The library tells of downloads on standard output, which belongs to our commands. */
async function quietly<T>(run: () => Promise<T>): Promise<T> {
  const { debug } = console;
  console.debug = () => {};
  try {
    return await run();
  } finally {
    console.debug = debug;
  }
}
