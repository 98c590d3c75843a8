/**
 * AdamW over all weights of a model: our loop over the flat array against the same step as an ONNX graph (the design's
 * alternative). Both start from gradients in memory. The graph's time includes copying its three outputs out of the
 * runtime, which is what makes it slower.
 */
import { Optimizer } from '../src/engine/local/optimizer.js';
import * as g from '../src/graph/index.js';
import { parameterSpecs } from '../src/model/index.js';
import { Session } from '../src/runtime/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { isMain, median, printRows } from './measure.js';

/** AdamW of one flat tensor as a graph: outputs the new weights and both moments. */
function adamwGraph(count: number): Record<string, g.Tensor> {
  const graph = new g.Graph();
  const [w, m, v, gradient] = ['w', 'm', 'v', 'g'].map((name) => graph.input(name, 'float32', [count]));
  const [rate, correction] = ['rate', 'correction'].map((name) => graph.input(name, 'float32', []));
  const first = g.add(m, g.mul(g.sub(gradient, m), 0.1));
  const second = g.add(v, g.mul(g.sub(g.mul(gradient, gradient), v), 0.001));
  const step = g.div(g.mul(first, rate), g.add(g.mul(g.sqrt(second), correction), 1e-8));
  return { w2: g.sub(w, step), m2: first, v2: second };
}

export async function runOptimizerBench(): Promise<Record<string, string | number>[]> {
  const rows: Record<string, string | number>[] = [];
  for (const [layers, width] of [
    [2, 64],
    [4, 128],
    [6, 384],
  ]) {
    const specs = parameterSpecs({ vocabularySize: 256, contextLength: 512, width, layers, heads: 2 });
    const count = specs.reduce((n, { size }) => n + size, 0);
    const gradients = specs.map(({ size }) => new Float32Array(size).fill(1e-3));
    const weights = new Float32Array(count).fill(0.1);
    const optimizer = new Optimizer(
      { name: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
      specs,
    );
    const program = await Session.open(nodeBackend(), adamwGraph(count));
    const flat = (): { data: Float32Array; dims: number[] } => ({
      data: new Float32Array(count).fill(0.1),
      dims: [count],
    });
    const feeds = {
      w: flat(),
      m: flat(),
      v: flat(),
      g: flat(),
      rate: { data: Float32Array.of(1e-3), dims: [] },
      correction: { data: Float32Array.of(1), dims: [] },
    };
    const loop: number[] = [];
    const graph: number[] = [];
    for (let i = 0; i < 12; i++) {
      let from = performance.now();
      optimizer.apply(weights, gradients, 1e-3, 1);
      loop.push(performance.now() - from);
      from = performance.now();
      await program.run(feeds);
      graph.push(performance.now() - from);
    }
    await program.dispose();
    const [a, b] = [median(loop.slice(3)), median(graph.slice(3))];
    rows.push({
      model: `${layers} × ${width}`,
      weights: count,
      'loop ms': a.toFixed(2),
      'graph ms': b.toFixed(2),
      'graph / loop': (b / a).toFixed(2),
    });
  }
  return rows;
}

if (isMain(import.meta.url)) printRows('AdamW step', await runOptimizerBench());
