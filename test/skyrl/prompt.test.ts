/** What a long shared prompt costs on a server that computes it again for each completion. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startServer, TINY } from '../../scripts/skyrl.mjs';
import { Session, TinkerClient } from '../../src/tinker/index.js';
import { fact, version } from './facts.js';

const COMPLETIONS = 16;
const LENGTH = 16;

it(`SkyRL ${version} takes several times as long for completions of a long prompt as of a short one`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skyrl-'));
  const config = { max_lora_adapters: 3, max_lora_rank: 8, train_micro_batch_size: COMPLETIONS };
  const server = await startServer({ version, model: TINY, folder, config });
  try {
    const session = await Session.open(new TinkerClient({ url: server.url }));
    const model = await session.createModel({ baseModel: TINY, rank: 4, seed: 0 });
    const times: number[] = [];
    for (const shared of [16, 480]) {
      const n = shared + LENGTH - 1;
      const data = Array.from({ length: COMPLETIONS }, (_, i) => ({
        tokens: Int32Array.from({ length: n }, (_, t) => (t < shared ? t % 200 : (t * i) % 200)),
        targets: new Int32Array(n).fill(19),
        logprobs: new Float32Array(n),
        advantages: new Float32Array(n),
        weights: new Float32Array(n).fill(1, shared - 1),
      }));
      // The first compiles.
      for (let repeat = 0; repeat < 4; repeat++) {
        await model.forwardBackward({ data, loss: 'cross_entropy' });
      }
      // As the server's log has it, without waiting and network: the fastest of the last three.
      const taken = readFileSync(server.log, 'utf8').matchAll(/forward_backward, n=1\) took ([\d.]+)s/g);
      const seconds = [...taken].slice(-3).map((match) => Number(match[1]));
      expect(seconds).toHaveLength(3);
      times.push(Math.min(...seconds));
      fact(`gradient of 16 × (${shared} shared + 16) tokens, s`, times.at(-1)?.toFixed(2));
    }
    session.close();
    fact('the longer one takes … times as long', (times[1] / times[0]).toFixed(1));
    expect(times[1]).toBeGreaterThan(2 * times[0]);
  } finally {
    await server.end();
    rmSync(folder, { recursive: true, force: true });
  }
});
