/**
 * Sampling with the key-value cache: tokens per second at several batch sizes, and what one row for each distinct
 * live prefix saves when samples agree for long (a peaked distribution), against as many rows as samples.
 */
import { LocalEngine, type SamplingOptions } from '../src/engine/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { isMain, median, printRows, type Row } from './measure.js';

const OPTIONS: SamplingOptions = {
  maxTokens: 128,
  temperature: 1,
  topK: 0,
  topP: 1,
  stopTokens: [],
  seed: 0,
};

export async function runDecodeBench(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [layers, width, heads] of [
    [4, 128, 4],
    [6, 384, 6],
  ]) {
    const engine = new LocalEngine({
      backend: nodeBackend(),
      model: { vocabularySize: 256, contextLength: 512, layers, width, heads },
      seed: 0,
      optimizer: { name: 'sgd', momentum: 0, weightDecay: 0 },
    });
    const prompt = Int32Array.from({ length: 16 }, (_, i) => i);
    for (const count of [1, 16, 64]) {
      for (const [name, temperature] of [
        ['apart from the start', 1],
        ['agree for long', 0.005],
      ] as const) {
        const group = [{ prompt, count, key: ['bench'] }];
        // The peer: the same samples as requests of one, so nothing is shared.
        const alone = Array.from({ length: count }, (_, i) => ({ prompt, count: 1, key: ['bench', i] }));
        const times: [number[], number[]] = [[], []];
        let decoded = 0;
        for (let i = 0; i < 4; i++) {
          for (const [side, requests] of [group, alone].entries()) {
            const from = performance.now();
            const { statistics } = await engine.sample(requests, { ...OPTIONS, temperature });
            times[side].push(performance.now() - from);
            if (side === 0) decoded = statistics.decodedTokens;
          }
        }
        const [shared, single] = times.map((list) => median(list.slice(1)));
        rows.push({
          model: `${layers} × ${width}`,
          samples: count,
          completions: name,
          'tokens/s': Math.round((1000 * count * OPTIONS.maxTokens) / shared),
          'ms a step': (shared / OPTIONS.maxTokens).toFixed(2),
          'decoded / sampled': (decoded / (count * OPTIONS.maxTokens)).toFixed(2),
          'one row a sample / ours': (single / shared).toFixed(2),
        });
      }
    }
    await engine.dispose();
  }
  return rows;
}

if (isMain(import.meta.url)) printRows('Decoding', await runDecodeBench());
