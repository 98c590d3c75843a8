/**
 * Tests what works on this machine (`lambda-grpo doctor`): a training step, a task in TypeScript, Parquet, a local
 * server. Uses no network and leaves no files.
 */
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeTemporaryFolder, remove, writeWhole } from '../files/index.js';
import { openDuckDB } from '../input/files.js';
import { resolveConfig } from './config-sources.js';
import { run } from './run.js';

/** A feature, and the reason if it does not work; null: it works. */
export interface SelfTest {
  readonly feature: string;
  readonly fault: string | null;
  readonly seconds: number;
}

const SMALL = {
  model: { layers: 1, heads: 1, width: 16 },
  sampling: { group_size: 2 },
  train: { steps: 1 },
  evaluation: { every: 0 },
};
const TASK = `import { defineTask } from 'lambda-grpo';
const letters: readonly string[] = ['a', 'b'];
export default defineTask<string>({
  name: 'letters', vocabulary: { pieces: ['<bos>', ...letters], bos: '<bos>' },
  problems: letters, heldOut: letters, maxCompletionTokens: 1,
  prompt: (letter) => letter, reward: ({ text }, letter) => Number(text === letter),
});
`;

export async function selfTest(): Promise<readonly SelfTest[]> {
  let place: string;
  try {
    place = await makeTemporaryFolder(join(tmpdir(), 'lambda-grpo-doctor'));
  } catch (error) {
    return [tested('temporary files', performance.now(), error)];
  }
  const inPlace = (name: string): string => join(place, name);
  const train = async (task: unknown, out: string): Promise<void> => {
    const config = resolveConfig({ ...SMALL, task });
    await run({ config, out: inPlace(out), threads: 1 });
  };
  try {
    return [
      await attempt('train: one step on the binary tree', () => train({ name: 'binary-tree' }, 'tree')),
      await attempt('train: a task in TypeScript', async () => {
        await writeWhole(inPlace('task.ts'), TASK);
        await train({ name: 'module', path: inPlace('task.ts') }, 'task');
      }),
      await attempt('analyze: logs in Parquet', async () => {
        const database = await openDuckDB('64MB');
        const connection = await database.connect();
        await connection.run('SELECT 1');
        connection.closeSync();
      }),
      await attempt('dashboard: a server on 127.0.0.1', serve),
    ];
  } finally {
    await remove(place);
  }
}

async function attempt(feature: string, act: () => Promise<void>): Promise<SelfTest> {
  const began = performance.now();
  try {
    await act();
    return tested(feature, began, null);
  } catch (error) {
    return tested(feature, began, error);
  }
}

function tested(feature: string, began: number, error: unknown): SelfTest {
  const seconds = (performance.now() - began) / 1000;
  if (error === null) return { feature, fault: null, seconds };
  const [fault] = (error instanceof Error ? error.message : String(error)).split('\n');
  return { feature, fault, seconds };
}

function serve(): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => server.close(() => resolve()));
  });
}
