/** The cost of a long shared prompt on a server that computes it again for each completion. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startServer, TINY } from '../../scripts/skyrl.mjs';
import { Session, TinkerClient } from '../../src/tinker/index.js';
import { fact, version } from './facts.js';

const COMPLETIONS = 16;
const LENGTH = 16;

/** Processor seconds of a group of processes so far: wall time says little where other programs run. */
function processorSeconds(group: number): number {
  const pids = execFileSync('ps', ['-eo', 'pid=,pgid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, owner]) => owner === group);
  const ticks = pids.map(([pid]) => {
    // User's and system's, after the name in parentheses; a hundredth of a second each.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((a, b) => a + b, 0) / 100;
}

it.runIf(process.platform === 'linux')(
  `SkyRL ${version} takes several times as long for completions of a long prompt as of a short one`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skyrl-'));
    const config = { max_lora_adapters: 3, max_lora_rank: 8, train_micro_batch_size: COMPLETIONS };
    const server = await startServer({ version, model: TINY, folder, config });
    try {
      const session = await Session.open(new TinkerClient({ url: server.url }));
      const model = await session.createModel({ baseModel: TINY, rank: 4, seed: 0 });
      const times: number[] = [];
      for (const [shared, repeats] of [
        [16, 20],
        [480, 4],
      ]) {
        const n = shared + LENGTH - 1;
        const data = Array.from({ length: COMPLETIONS }, (_, i) => ({
          tokens: Int32Array.from({ length: n }, (_, t) => (t < shared ? t % 200 : (t * i) % 200)),
          targets: new Int32Array(n).fill(19),
          logprobs: new Float32Array(n),
          advantages: new Float32Array(n),
          weights: new Float32Array(n).fill(1, shared - 1),
        }));
        const step = () => model.forwardBackward({ data, loss: 'cross_entropy' });
        // Compiles.
        await step();
        const before = processorSeconds(server.pid);
        for (let repeat = 0; repeat < repeats; repeat++) await step();
        times.push((processorSeconds(server.pid) - before) / repeats);
        const name = `gradient of 16 × (${shared} shared + 16) tokens, processor seconds`;
        fact(name, times[times.length - 1].toFixed(2));
      }
      session.close();
      fact('the longer one takes … times as much', (times[1] / times[0]).toFixed(0));
      expect(times[1]).toBeGreaterThan(2 * times[0]);
    } finally {
      await server.end();
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
