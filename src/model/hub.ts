/**
 * Opens models by name: a folder is used directly, `owner/name` (or `owner/name@revision`) is downloaded from the
 * Hugging Face Hub. A revision is resolved to a commit first, so that all files belong together; files are stored in
 * the Hub's cache, which other tools share. Only this module uses the network, and only for a name that the user gave.
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
  /** Default: the cache of the Hub's own tools (HF_HOME, HF_HUB_CACHE). */
  readonly cacheDir?: string;
  /** Default: HF_ENDPOINT of the environment, or the Hub. */
  readonly hubUrl?: string;
  /** Called while files are downloaded, and once when all are complete; never called if all are in the cache. */
  readonly onFetch?: (progress: FetchProgress) => void;
}

export interface FetchProgress {
  /** Name of the file being downloaded. */
  readonly file: string;
  /** Of all files that are not in the cache. */
  readonly bytes: number;
  readonly total: number;
}

export interface ResolvedModel {
  readonly folder: string;
  /** Commit of the Hub; null for a local folder. */
  readonly commit: string | null;
}

const HUB_NAME = /^([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/;
/** Files of a model: configuration, weights, tokenizer, chat template. */
const WANTED =
  /^(?!.*\/)(config\.json|generation_config\.json|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json|tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|tokenizer\.model|chat_template\.jinja|adapter_config\.json|adapter_model\.safetensors|LICENSE.*)$/;

/** Pause between two checks of a download's progress, ms. */
const LOOK_MS = 250;

/**
 * @param name a folder, or a name on the Hub
 * @throws ModelError in one line: no such folder or model, no access, no network
 */
export async function resolveModel(name: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  const local = await stat(name).catch(() => null);
  if (local?.isDirectory()) return { folder: name, commit: null };
  const [, repository, at] = HUB_NAME.exec(name) ?? [];
  if (repository === undefined || local) {
    throw new ModelError(`model: expected a model's folder, or owner/name on the Hub, got '${name}'`);
  }
  const revision = options.revision ?? at ?? 'main';
  const hub = await import('@huggingface/hub');
  const hubUrl = options.hubUrl ?? process.env.HF_ENDPOINT;
  const token = options.token ?? process.env.HF_TOKEN;
  const cacheDir = options.cacheDir ?? hub.getHFHubCachePath();
  const storage = join(cacheDir, `models--${repository.replace('/', '--')}`);
  const access = { ...(hubUrl ? { hubUrl } : {}), ...(token ? { accessToken: token } : {}) };
  try {
    const { sha } = await hub.modelInfo({ name: repository, revision, additionalFields: ['sha'], ...access });
    const files = new Map<string, HubFile>();
    for await (const entry of hub.listFiles({ repo: repository, revision: sha, ...access })) {
      if (entry.type === 'file' && WANTED.test(entry.path)) files.set(entry.path, entry);
    }
    // If there are both shards and a single file, they hold the same weights, so one of them is enough.
    const whole = files.has('model.safetensors');
    const needed = [...files.values()].filter(
      ({ path }) =>
        !(whole && /^model(-|\.safetensors\.index)/.test(path)) &&
        !existsSync(join(storage, 'snapshots', sha, path)),
    );
    const progress = new FetchObserver(storage, needed, options.onFetch);
    for (const file of needed) {
      await progress.during(file, () =>
        quietly(() =>
          hub.downloadFileToCacheDir({
            repo: repository,
            path: file.path,
            revision: sha,
            cacheDir,
            ...access,
          }),
        ),
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

/** A file as the Hub lists it. */
interface HubFile {
  readonly path: string;
  readonly size: number;
  /** The file's name in the cache: the hash of its content if it is large, else of its git object. */
  readonly oid?: string;
  readonly lfs?: { readonly oid: string };
  readonly xetHash?: string;
}

/** The library reports no progress, so the size of the file that it writes is checked. */
class FetchObserver {
  private readonly total: number;
  private fetched = 0;

  constructor(
    private readonly storage: string,
    files: readonly HubFile[],
    private readonly tell: ResolveOptions['onFetch'],
  ) {
    this.total = files.reduce((n, { size }) => n + size, 0);
  }

  async during(
    { path: file, size, lfs, xetHash, oid }: HubFile,
    fetch: () => Promise<unknown>,
  ): Promise<void> {
    const { tell, total, storage } = this;
    tell?.({ file, bytes: this.fetched, total });
    const partial = join(storage, 'blobs', `${lfs?.oid ?? xetHash ?? oid}.incomplete`);
    let over = false;
    const timer = setInterval(async () => {
      const partialFile = await stat(partial).catch(() => null);
      if (partialFile && !over) tell?.({ file, bytes: this.fetched + partialFile.size, total });
    }, LOOK_MS);
    try {
      await fetch();
    } finally {
      over = true;
      clearInterval(timer);
    }
    this.fetched += size;
    if (this.fetched === total) tell?.({ file, bytes: total, total });
  }
}

function reason(status: number | undefined, error: Error, revision: string): string {
  if (status === 401 || status === 403) return 'no access; set HF_TOKEN to a token with read access';
  if (status === 404) return `not on the Hub, or it has no revision '${revision}'`;
  if (status !== undefined) return `the Hub answers ${status}: ${error.message.split('\n')[0]}`;
  const cause = (error.cause as { code?: string } | undefined)?.code;
  return `no such folder, and the Hub cannot be reached (${cause ?? error.message.split('\n')[0]}); it is not in the cache`;
}

/** A revision's commit according to the cache, if that snapshot is there. */
async function cachedCommit(storage: string, revision: string): Promise<string | null> {
  const reference = await readFile(join(storage, 'refs', revision), 'utf8').catch(() => revision);
  const commit = reference.trim();
  return existsSync(join(storage, 'snapshots', commit, 'config.json')) ? commit : null;
}

/** The library prints downloads on standard output, which belongs to our commands. */
async function quietly<T>(run: () => Promise<T>): Promise<T> {
  const { debug } = console;
  console.debug = () => {};
  try {
    return await run();
  } finally {
    console.debug = debug;
  }
}
