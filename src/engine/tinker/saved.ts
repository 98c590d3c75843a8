/**
 * The checkpoint of a run on a server: the names of what the server saved (weights and optimizer, the snapshot to
 * export, the reference policy), in one small file. The weights themselves stay on the server.
 */
import { z } from 'zod';
import { readText, type Store, writeText } from '../../model/index.js';
import { EngineError } from '../engine.js';

const FILE = 'tinker.json';

const schema = z.object({
  /** Scheme and host, so that a user can find the server. */
  server: z.string(),
  base_model: z.string(),
  rank: z.int(),
  /** Weights and optimizer state. */
  state: z.string().min(1),
  /** The same weights without optimizer state, as an adapter that can be downloaded. */
  sampler: z.string().min(1),
  /** Weights of the reference policy; null: none. */
  reference: z.string().min(1).nullable(),
});

export type SavedOnServer = Readonly<z.output<typeof schema>>;

export async function writeSaved(store: Store, saved: SavedOnServer): Promise<void> {
  await writeText(store, FILE, `${JSON.stringify(saved, null, 2)}\n`);
}

/** @throws EngineError naming the file */
export async function readSavedOnServer(store: Store): Promise<SavedOnServer> {
  try {
    return schema.parse(JSON.parse(await readText(store, FILE)));
  } catch (error) {
    const fault = error instanceof z.ZodError ? error.issues[0].message : (error as Error).message;
    throw new EngineError(
      `${store.path(FILE)}: expected the names of a saved state on a server, got something else (${fault})`,
    );
  }
}
