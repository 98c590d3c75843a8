/** Reads an adapter that a server saved, from its archive: an independent way to see what the server trained. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderStore, openCheckpoint } from '../../src/model/files.js';
import { adapterIn, type ModelConfig, type ParameterSet } from '../../src/model/index.js';

/** @param path as the server named it, tinker://model/name */
export async function fetchAdapter(
  url: string,
  path: string,
  folder: string,
  base: string,
): Promise<{ readonly config: ModelConfig; readonly adapter: ParameterSet }> {
  const [, model, name] = /^tinker:\/\/([^/]+)\/(?:sampler_weights\/)?([^/]+)$/.exec(path) ?? [];
  const answer = await fetch(`${url}/api/v1/training_runs/${model}/checkpoints/${name}/archive`);
  if (!answer.ok) throw new Error(`archive of ${path}: status ${answer.status}`);
  mkdirSync(folder, { recursive: true });
  const archive = join(folder, 'adapter.tar.gz');
  writeFileSync(archive, new Uint8Array(await answer.arrayBuffer()));
  execFileSync('tar', ['-xzf', archive, '-C', folder]);
  // The server leaves open which modules it trained: all linear ones.
  const file = join(folder, 'adapter_config.json');
  const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  const targets = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];
  writeFileSync(file, JSON.stringify({ ...json, target_modules: targets }));
  const checkpoint = await openCheckpoint(base);
  return adapterIn(folderStore(folder), checkpoint.config);
}
