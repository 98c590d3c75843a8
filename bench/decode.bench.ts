/**
 * Sampling with the key-value cache: tokens per second at several batch sizes. When samples agree for long (a peaked
 * distribution), each distinct live prefix needs only one row; the peer uses one row for each sample.
 */
import { LocalEngine, type SamplingOptions } from '../src/engine/index.js';
import { Stream } from '../src/random/stream.js';
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

/** Rows that are decoded at the same time. */
const ROWS = 64;

/**
 * Completions of 8 to 256 tokens, most of them short: a new request starts as soon as another has ended. The peer waits
 * until all requests of a batch have ended.
 */
async function unequalLengths(engine: LocalEngine, model: string): Promise<Row> {
  const count = 8 * ROWS;
  const stream = new Stream('lengths');
  const lengths = Array.from({ length: count }, () =>
    Math.min(256, 8 + Math.floor(-60 * Math.log(1 - stream.uniform()))),
  );
  const requests = lengths.map((_, i) => ({
    prompt: Int32Array.of(1, i % 256),
    count: 1,
    key: ['unequal', i],
  }));
  const sample = (from: number, to: number): Promise<unknown> => {
    let next = from;
    const watch = () => {
      const length = lengths[next++];
      let seen = 0;
      return () => ++seen === length;
    };
    return engine.sample(requests.slice(from, to), { ...OPTIONS, maxTokens: 256, watch });
  };
  const timed = async (run: () => Promise<unknown>): Promise<number> => {
    const from = performance.now();
    await run();
    return performance.now() - from;
  };
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < 4; i++) {
    times[0].push(await timed(() => sample(0, count)));
    times[1].push(
      await timed(async () => {
        for (let at = 0; at < count; at += ROWS) await sample(at, at + ROWS);
      }),
    );
  }
  const [admitted, waves] = times.map((list) => median(list.slice(1)));
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  return {
    model,
    samples: count,
    completions: `of 8 to 256 tokens, ${ROWS} rows at a time; peer: in batches`,
    'tokens/s': Math.round((1000 * tokens) / admitted),
    'ms a step': '',
    'decoded / sampled': '1.00',
    'peer / ours': (waves / admitted).toFixed(2),
  };
}

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
      decode: { maxRows: ROWS },
    });
    const prompt = Int32Array.from({ length: 16 }, (_, i) => i);
    for (const count of [1, 16, 64]) {
      for (const [name, temperature] of [
        ['apart from the start', 1],
        ['agree for long', 0.005],
      ] as const) {
        const group = [{ prompt, count, key: ['bench'] }];
        // The peer: the same samples as requests of one completion each, so nothing is shared.
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
          'peer / ours': (single / shared).toFixed(2),
        });
      }
    }
    rows.push(await unequalLengths(engine, `${layers} × ${width}`));
    await engine.dispose();
  }
  return rows;
}

if (isMain(import.meta.url)) printRows('Decoding', await runDecodeBench());
