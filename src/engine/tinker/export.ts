/** Exports the adapter of a checkpoint whose weights are on a server. */
import type { Store } from '../../model/index.js';
import { type ClientOptions, TinkerClient } from '../../tinker/index.js';
import { type AdapterFiles, adapterFiles } from './adapter.js';
import { readSavedOnServer } from './saved.js';

/**
 * @param store of the checkpoint, which names the server's saved files
 * @returns content by file name, as PEFT reads it
 * @throws EngineError, TinkerError
 */
export async function adapterFromServer(store: Store, options: ClientOptions): Promise<AdapterFiles> {
  const { sampler, base_model: base } = await readSavedOnServer(store);
  return adapterFiles(await new TinkerClient(options).archive(sampler), base);
}
