/**
 * Compares GRPO in TRL on PyTorch (trl_peer.py) with this package; both sides alternate in one run. Parts: a step of a
 * real model, updates at three overlaps, random models, sampling with OpenVINO GenAI on the same prompts, and the whole
 * loop on sums until 80% are right.
 *
 *     npx tsx bench/trl.bench.ts <SmolLM2-135M-Instruct as F32> [--only real,overlap,random,openvino,loop] [--out <folder>]
 *
 * Results are kept in <folder>/results.json (default runs/bench-trl). A second run continues with the missing parts;
 * parts named with --only are measured again. The script writes docs/performance.md. The peers' Pythons are made in
 * .venv-bench if needed; LAMBDA_GRPO_BENCH_PYTHON and LAMBDA_GRPO_OPENVINO_PYTHON name other ones. It takes a quarter
 * of an hour on two cores, without the loop, which takes half an hour and runs only if it is named.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { LocalEngine, type SamplingPrecision, type TrainExample } from '../src/engine/index.js';
import { storedWeights, withCheckpoint, writeCheckpoint } from '../src/model/files.js';
import { loadParameters, type ModelConfig, Parameters } from '../src/model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../src/objective/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { loadChatTemplate, loadTokenizer } from '../src/text/files.js';
import { ProcessTree } from '../src/tree/index.js';
import { machine, markdownTable, median, type Row } from './measure.js';

const GROUPS = 4;
const SAMPLES = 8;
const TOKENS = 48;
const TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj'];
const LEARNING_RATE = 1e-4;
/** The loop's settings are those of recipes/smollm2-sums.yaml, with which sums are learnt in tens of steps. */
const LOOP = { tokens: 24, learningRate: 2.5e-4 };
const PARTS = ['real', 'overlap', 'random', 'openvino', 'loop'] as const;
type Part = (typeof PARTS)[number];

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const option = (name: string): string | undefined => {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? undefined : args.splice(at, 2)[1];
};
const only = option('only')?.split(',');
const out = resolve(option('out') ?? join(root, 'runs/bench-trl'));
const [folder] = args;
if (!folder) throw new Error('expected the folder of SmolLM2-135M-Instruct as F32, got nothing');
mkdirSync(out, { recursive: true });
const resultsFile = join(out, 'results.json');

interface Step {
  readonly sampling: number;
  readonly update: number;
  readonly sampled: number;
  readonly accuracy?: number;
  /** The same sampling in int8, beside the step. */
  readonly int8?: number;
}
/** Steps of one comparison on both sides; our first step includes compiling the programs. */
interface Pair {
  readonly ours: readonly Step[];
  readonly trl: readonly Step[];
  /** Share of completion tokens that the tree saves (our side). */
  readonly overlap: number;
}
interface Results {
  versions?: Record<string, string>;
  machine?: string;
  real?: Pair;
  overlap?: Record<string, Pair>;
  random?: Record<string, { sampled: Pair; update: Pair }>;
  openvino?: { version: string; rates: Record<SamplingPrecision, { ours: number; theirs: number }> };
  loop?: Record<'ours' | 'trl', { seconds: number; steps: number; accuracy: number[] }>;
}
const results: Results = existsSync(resultsFile)
  ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as Results)
  : {};
const save = (): void => writeFileSync(resultsFile, JSON.stringify(results, null, 1));

/** Each peer has its own environment, because they need different versions of the same packages. */
const PEERS = {
  trl: { variable: 'LAMBDA_GRPO_BENCH_PYTHON', packages: ['trl==1.16.0', 'peft', 'torch'] },
  openvino: {
    variable: 'LAMBDA_GRPO_OPENVINO_PYTHON',
    packages: ['openvino-genai', 'optimum-intel[openvino]', 'torch'],
  },
} as const;

/** The peer's Python: the one named in the environment, or a new one in .venv-bench. */
function pythonOf(peer: keyof typeof PEERS): string {
  const { variable, packages } = PEERS[peer];
  const named = process.env[variable];
  if (named) return named;
  const venv = join(root, '.venv-bench', peer);
  const local = join(venv, 'bin', 'python');
  if (!existsSync(local)) {
    console.error(`installing ${packages.join(', ')} in .venv-bench/${peer} (once, some minutes) …`);
    const run = (command: string, ...rest: string[]) =>
      execFileSync(command, rest, { stdio: ['ignore', 'inherit', 'inherit'] });
    run('python3', '-m', 'venv', venv);
    run(local, '-m', 'pip', 'install', '--quiet', ...packages);
  }
  return local;
}

/** TRL's side: waits between steps. */
class Trl {
  private readonly waiting: ((line: Record<string, unknown>) => void)[] = [];
  private readonly lines: Record<string, unknown>[] = [];
  private ended: Error | null = null;

  private constructor(private readonly child: ChildProcess) {
    let errors = '';
    child.stderr?.on('data', (data: Buffer) => {
      errors = (errors + data.toString()).slice(-4000);
    });
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (!line.startsWith('@ ')) return;
      const message = JSON.parse(line.slice(2)) as Record<string, unknown>;
      const next = this.waiting.shift();
      if (next) next(message);
      else this.lines.push(message);
    });
    child.on('exit', (code) => {
      this.ended = new Error(`the peer ended with code ${code}:\n${errors}`);
      for (const next of this.waiting) next({ error: this.ended.message });
    });
  }

  static async start(job: Record<string, unknown>): Promise<Trl> {
    const request = {
      tokenizer: resolve(folder),
      threads: availableParallelism(),
      scratch: join(out, 'trl'),
      samples: SAMPLES,
      groups: GROUPS,
      tokens: TOKENS,
      targets: TARGETS,
      learningRate: LEARNING_RATE,
      rewards: 'alternating',
      wholeLength: true,
      completions: null,
      answers: null,
      heldOut: [],
      evaluateEvery: 5,
      ...job,
    };
    const trl = new Trl(
      spawn(pythonOf('trl'), [join(root, 'bench/trl_peer.py'), JSON.stringify(request)], {
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
    );
    const { versions } = await trl.next();
    results.versions = { ...results.versions, ...(versions as Record<string, string>) };
    return trl;
  }

  private async next(): Promise<Record<string, unknown>> {
    const message =
      this.lines.shift() ??
      (await new Promise<Record<string, unknown>>((take) => {
        if (this.ended) take({ error: this.ended.message });
        else this.waiting.push(take);
      }));
    if (message.error) throw new Error(String(message.error));
    return message;
  }

  async step(): Promise<Step> {
    this.child.stdin?.write('\n');
    const { seconds, sampling, sampled, accuracy } = (await this.next()) as Record<string, number>;
    return { sampling, update: seconds - sampling, sampled, ...(accuracy === undefined ? {} : { accuracy }) };
  }

  end(): void {
    this.child.kill();
  }
}

const ADAMW = { name: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 } as const;

async function smollm2(): Promise<LocalEngine> {
  const { config, stored } = await withCheckpoint(folder, async (checkpoint) => ({
    config: checkpoint.config,
    stored: await storedWeights(checkpoint),
  }));
  if (!stored) throw new Error(`${folder}: expected weights stored as F32, got others`);
  const adapter = { r: 16, alpha: 32, dropout: 0, targets: TARGETS };
  return new LocalEngine({
    backend: nodeBackend(),
    model: { ...config, adapter },
    stored,
    optimizer: ADAMW,
    seed: 0,
  });
}

interface Sampled {
  readonly prompts: readonly Int32Array[];
  /** [groups][samples] */
  readonly completions: readonly (readonly Int32Array[])[];
}

async function sample(
  engine: LocalEngine,
  prompts: readonly Int32Array[],
  step: number,
  stopTokens: readonly number[] = [],
  precision: SamplingPrecision = 'float32',
  maxTokens = TOKENS,
): Promise<Sampled> {
  const { completions } = await engine.sample(
    prompts.map((prompt, i) => ({ prompt, count: SAMPLES, key: [step, i] })),
    { maxTokens, temperature: 1, topK: 0, topP: 1, stopTokens, seed: 0, precision },
  );
  return { prompts, completions: completions.map((group) => group.map(({ tokens }) => tokens)) };
}

/** One update with TRL's default normalisation: by the tokens of the step. Groups with equal rewards are left out. */
async function update(
  engine: LocalEngine,
  { prompts, completions }: Sampled,
  rewards: readonly (readonly number[])[],
  learningRate = LEARNING_RATE,
): Promise<void> {
  const trees = completions.map((group) => ProcessTree.build(group));
  const totals = {
    tokens: trees.reduce((n, { tokenCount }) => n + tokenCount, 0),
    sequences: trees.length * SAMPLES,
    maxTokens: TOKENS,
  };
  const examples = trees.map((tree, i): TrainExample => {
    const weights = sequenceWeights(tree.lengths, 'token', totals);
    const advantages = groupAdvantages(rewards[i]);
    const coefficients = lossCoefficients(tree, advantages, weights, { lambdaExponent: 0 });
    return { prompt: prompts[i], tree, coefficients };
  });
  await engine.update(
    examples.filter((_, i) => rewards[i].some((reward) => reward !== rewards[i][0])),
    { temperature: 1, learningRate, maxGradNorm: 1, clipLow: 0.2, clipHigh: 0.2, klBeta: 0 },
  );
}

const alternating = ({ completions }: Sampled): number[][] =>
  completions.map((group) => group.map((_, i) => i % 2));
const tokensOf = ({ completions }: Sampled): number =>
  completions.flat().reduce((n, { length }) => n + length, 0);

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const from = performance.now();
  const value = await work();
  return [value, (performance.now() - from) / 1000];
}

/** Steps of both sides, alternating. @param fixed completions of every step; absent: each side samples its own */
async function inTurn(
  engine: LocalEngine,
  prompts: readonly Int32Array[],
  steps: number,
  job: Record<string, unknown>,
  { fixed, int8 = false }: { readonly fixed?: Sampled; readonly int8?: boolean } = {},
): Promise<Pair> {
  const trl = await Trl.start({
    prompts: prompts.map((prompt) => [...prompt]),
    completions: fixed ? fixed.completions.map((group) => group.map((tokens) => [...tokens])) : null,
    steps: steps + 1,
    ...job,
  });
  const ours: Step[] = [];
  const theirs: Step[] = [];
  let saved = 0;
  for (let step = 0; step < steps; step++) {
    const [sampled, sampling] = await timed(async () => fixed ?? (await sample(engine, prompts, step)));
    const [, updating] = await timed(() => update(engine, sampled, alternating(sampled)));
    const rounded = int8 ? (await timed(() => sample(engine, prompts, step, [], 'int8')))[1] : undefined;
    ours.push({ sampling, update: updating, sampled: tokensOf(sampled), int8: rounded });
    theirs.push(await trl.step());
    const distinct = sampled.completions.reduce(
      (n, group) => n + ProcessTree.build(group).distinctTokenCount,
      0,
    );
    saved += 1 - distinct / tokensOf(sampled);
    console.error(`  step ${step}: ours ${shown(ours.at(-1))}, TRL ${shown(theirs.at(-1))}`);
  }
  trl.end();
  return { ours, trl: theirs, overlap: saved / steps };
}

const shown = (step: Step | undefined): string =>
  `${step?.sampling.toFixed(2)} s + ${step?.update.toFixed(2)} s`;

/** Sums as prompts of a chat model. */
async function sums(
  count: number,
  digits: number,
): Promise<{ prompts: Int32Array[]; answers: string[]; stop: number[] }> {
  const tokenizer = await loadTokenizer(folder);
  const template = await loadChatTemplate(folder, tokenizer.config);
  if (!template) throw new Error(`${folder}: expected a chat template, got none`);
  const prompts: Int32Array[] = [];
  const answers: string[] = [];
  for (let i = 0; i < count; i++) {
    // All pairs of small numbers in a pseudorandom order.
    const size = 10 ** digits;
    const pair = (i * 7919) % (size * size);
    const [a, b] = [Math.floor(pair / size), pair % size];
    const content = `What is ${a} + ${b}? Answer with the number.`;
    prompts.push(tokenizer.encode(template.render([{ role: 'user', content }])));
    answers.push(String(a + b));
  }
  return { prompts, answers, stop: [...tokenizer.eos] };
}

const parts: Record<Part, () => Promise<void>> = {
  async real() {
    const engine = await smollm2();
    const { prompts } = await sums(GROUPS, 2);
    results.real = await inTurn(engine, prompts, 5, { folder: resolve(folder) }, { int8: true });
    await engine.dispose();
  },

  async overlap() {
    const engine = await smollm2();
    const { prompts } = await sums(GROUPS, 2);
    const { completions } = await sample(engine, prompts, 99);
    results.overlap = {};
    for (const share of [0.04, 0.2, 0.5]) {
      // The completions of a group share the first tokens of the first completion, so (k − 1) of k copies are saved.
      const common = Math.round((share * TOKENS * SAMPLES) / (SAMPLES - 1));
      const fixed = {
        prompts,
        completions: completions.map((group) =>
          group.map((tokens, i) => {
            const copy = tokens.slice();
            copy.set(group[0].subarray(0, common));
            // After these, the first token already differs.
            if (common < TOKENS) copy[common] = 1000 + i;
            return copy;
          }),
        ),
      };
      console.error(`overlap ${share}`);
      results.overlap[String(share)] = await inTurn(
        engine,
        prompts,
        3,
        { folder: resolve(folder) },
        { fixed },
      );
      save();
    }
    await engine.dispose();
  },

  async random() {
    results.random = {};
    for (const [layers, width] of [
      [6, 384],
      [12, 768],
    ]) {
      const config: ModelConfig = {
        vocabularySize: 4096,
        contextLength: 256,
        width,
        layers,
        heads: width / 64,
      };
      const name = `${layers}x${width}`;
      const at = join(out, name);
      if (!existsSync(at)) await writeCheckpoint(at, Parameters.initialize(config, 0));
      const parameters = await withCheckpoint(at, loadParameters);
      const engine = new LocalEngine({
        backend: nodeBackend(),
        model: config,
        parameters,
        optimizer: ADAMW,
        seed: 0,
      });
      const prompts = Array.from({ length: GROUPS }, (_, p) =>
        Int32Array.from({ length: 40 }, (__, t) => 100 + ((p * 613 + t * 37) % 3900)),
      );
      const job = { folder: at, targets: null };
      console.error(`random ${name}`);
      const sampled = await inTurn(engine, prompts, 3, job);
      const { completions } = await sample(engine, prompts, 99);
      const common = Math.round((0.2 * TOKENS * SAMPLES) / (SAMPLES - 1));
      const fixed = {
        prompts,
        completions: completions.map((group) =>
          group.map((tokens) => {
            const copy = tokens.slice();
            copy.set(group[0].subarray(0, common));
            return copy;
          }),
        ),
      };
      results.random[name] = { sampled, update: await inTurn(engine, prompts, 3, job, { fixed }) };
      await engine.dispose();
      save();
    }
  },

  async openvino() {
    const engine = await smollm2();
    const { prompts } = await sums(GROUPS, 2);
    const peer = (precision: SamplingPrecision): { tokensPerSecond: number; version: string } =>
      JSON.parse(
        execFileSync(
          pythonOf('openvino'),
          [
            join(root, 'bench/openvino_peer.py'),
            JSON.stringify({
              folder: resolve(folder),
              cache: join(out, `openvino-${precision}`),
              precision,
              prompts: prompts.map((prompt) => [...prompt]),
              samples: SAMPLES,
              tokens: TOKENS,
              repetitions: 3,
              threads: availableParallelism(),
            }),
          ],
          { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
        )
          .trim()
          .split('\n')
          .at(-1) as string,
      );
    const all = { float32: { ours: [], theirs: [] }, int8: { ours: [], theirs: [] } } as Record<
      SamplingPrecision,
      { ours: number[]; theirs: number[] }
    >;
    let version = '';
    for (let turn = 0; turn < 2; turn++) {
      for (const precision of ['float32', 'int8'] as const) {
        const { ours, theirs } = all[precision];
        const result = peer(precision);
        version = result.version;
        theirs.push(result.tokensPerSecond);
        for (let step = 0; step < 4; step++) {
          const [sampled, seconds] = await timed(() => sample(engine, prompts, step, [], precision));
          // The first call includes compilation.
          if (turn > 0 || step > 0) ours.push(tokensOf(sampled) / seconds);
        }
      }
    }
    const rate = ({ ours, theirs }: (typeof all)['int8']) => ({
      ours: median(ours),
      theirs: median(theirs),
    });
    results.openvino = { version, rates: { float32: rate(all.float32), int8: rate(all.int8) } };
    await engine.dispose();
  },

  async loop() {
    const held = 30;
    const most = 60;
    const every = 5;
    const { prompts, answers, stop } = await sums(100, 1);
    const tokenizer = await loadTokenizer(folder);
    const heldOut = prompts.map((_, i) => i).slice(-held);
    const training = prompts.map((_, i) => i).slice(0, -held);
    const right = (tokens: Int32Array, i: number): boolean =>
      /\d+/.exec(tokenizer.decode(tokens.filter((token) => !stop.includes(token))))?.[0] === answers[i];
    const ours = { seconds: 0, steps: 0, accuracy: [] as number[] };
    const theirs = { seconds: 0, steps: 0, accuracy: [] as number[] };
    const engine = await smollm2();
    const trl = await Trl.start({
      folder: resolve(folder),
      prompts: prompts.map((prompt) => [...prompt]),
      answers,
      rewards: 'right',
      heldOut,
      evaluateEvery: every,
      wholeLength: false,
      steps: most + 1,
      ...LOOP,
    });
    const done = ({ accuracy }: typeof ours): boolean => (accuracy.at(-1) ?? 0) >= 0.8;
    for (let step = 0; step < most && !(done(ours) && done(theirs)); step++) {
      if (!done(ours)) {
        const chosen = Array.from(
          { length: GROUPS },
          (_, g) => training[(step * GROUPS + g) % training.length],
        );
        const [, seconds] = await timed(async () => {
          const sampled = await sample(
            engine,
            chosen.map((i) => prompts[i]),
            step,
            stop,
            'float32',
            LOOP.tokens,
          );
          const rewards = sampled.completions.map((group, g) =>
            group.map((tokens) => Number(right(tokens, chosen[g]))),
          );
          await update(engine, sampled, rewards, LOOP.learningRate);
        });
        ours.seconds += seconds;
        ours.steps++;
        if (ours.steps % every === 0) {
          const { completions } = await engine.sample(
            heldOut.map((i) => ({ prompt: prompts[i], count: 1, key: [i] })),
            { maxTokens: LOOP.tokens, temperature: 0, topK: 0, topP: 1, stopTokens: stop, seed: 0 },
          );
          const hits = completions.filter(([{ tokens }], j) => right(tokens, heldOut[j])).length;
          ours.accuracy.push(hits / heldOut.length);
        }
      }
      if (!done(theirs)) {
        const { sampling, update: updating, accuracy } = await trl.step();
        theirs.seconds += sampling + updating;
        theirs.steps++;
        if (accuracy !== undefined) theirs.accuracy.push(accuracy);
      }
      console.error(`  step ${step + 1}: ours ${ours.accuracy.join(' ')}; TRL ${theirs.accuracy.join(' ')}`);
    }
    trl.end();
    await engine.dispose();
    results.loop = { ours, trl: theirs };
  },
};

/** Medians without the first step, which includes compilation and warm-up. */
const later = (steps: readonly Step[], value: (step: Step) => number): number =>
  median(steps.slice(1).map(value));

function comparison(what: string, ours: number, trl: number, digits = 2): Row {
  return { what, ours: ours.toFixed(digits), TRL: trl.toFixed(digits), ratio: (trl / ours).toFixed(1) };
}

function page(): string {
  const sections: string[] = [];
  const { real, overlap, random, openvino, loop } = results;
  const perToken = (steps: readonly Step[]): number =>
    later(steps, ({ sampling, sampled }) => sampling / sampled);
  if (real) {
    const sampled = later(real.ours, (step) => step.sampled);
    const first = real.ours[0].update;
    const usual = later(real.ours, ({ update: seconds }) => seconds);
    sections.push(`## A step of SmolLM2-135M-Instruct

LoRA r 16 on q, k, v, o; ${GROUPS} prompts × ${SAMPLES} completions of ${TOKENS} tokens (${sampled} in all; ${(100 * real.overlap).toFixed(0)}% of them shared in our trees), no group skipped. Seconds, medians after the first step.

${markdownTable([
  comparison('sampling', perToken(real.ours) * sampled, perToken(real.trl) * sampled),
  comparison(
    'update',
    usual,
    later(real.trl, ({ update: seconds }) => seconds),
  ),
  comparison(
    'whole step',
    later(real.ours, (step) => step.sampling + step.update),
    later(real.trl, (step) => step.sampling + step.update),
  ),
  comparison(
    'sampling in int8',
    later(real.ours, ({ int8 = Number.NaN, sampled: count }) => int8 / count) * sampled,
    perToken(real.trl) * sampled,
  ),
  comparison(
    'whole step, sampling in int8',
    later(real.ours, ({ int8 = Number.NaN, update: seconds }) => int8 + seconds),
    later(real.trl, (step) => step.sampling + step.update),
  ),
])}

The first update after the start takes ${first.toFixed(1)} s, ${(first / usual).toFixed(1)} times a later one.`);
  }
  if (overlap) {
    sections.push(`## Updates by overlap

The same completions on both sides. Overlap is the share of completion tokens that others of the group begin with too: we compute those once.

${markdownTable(
  Object.entries(overlap).map(([share, pair]) =>
    comparison(
      `${(100 * Number(share)).toFixed(0)}%`,
      later(pair.ours, ({ update: seconds }) => seconds),
      later(pair.trl, ({ update: seconds }) => seconds),
    ),
  ),
)}`);
  }
  if (random) {
    sections.push(`## Random models

GPT-2's architecture, vocabulary 4,096, all weights trained; prompts of 40 tokens. Updates at 20% overlap.

${markdownTable(
  Object.entries(random).flatMap(([name, { sampled, update: fixed }]) => [
    comparison(
      `${name}, sampling`,
      later(sampled.ours, (s) => s.sampling),
      later(sampled.trl, (s) => s.sampling),
    ),
    comparison(
      `${name}, update`,
      later(fixed.ours, (s) => s.update),
      later(fixed.trl, (s) => s.update),
    ),
  ]),
)}`);
  }
  if (openvino) {
    const { version, rates } = openvino;
    sections.push(`## Sampling beside OpenVINO GenAI

OpenVINO GenAI ${version} with continuous batching and prefix caching, ${GROUPS} prompts × ${SAMPLES} completions of ${TOKENS} tokens; tokens a second, ours with the adapter. int8: the weights in 8 bits, and what they multiply rounded when it runs (ours: \`sampling.precision: int8\`).

${markdownTable(
  Object.entries(rates).map(([precision, { ours, theirs }]) => ({
    precision,
    ours: ours.toFixed(0),
    OpenVINO: theirs.toFixed(0),
    ratio: (ours / theirs).toFixed(2),
  })),
)}`);
  }
  if (loop) {
    const row = (by: string, { seconds, steps, accuracy }: NonNullable<typeof loop>['ours']): Row => ({
      by,
      steps,
      'training, s': seconds.toFixed(0),
      'greedy accuracy every five steps': accuracy.map((share) => share.toFixed(2)).join(', '),
    });
    sections.push(`## Until 80% of one-digit sums are right

The same prompts in the same order, each side with its own samples and one seed, at most ${LOOP.tokens} tokens, learning rate ${LOOP.learningRate}; groups of equal rewards are left out on our side. Time without evaluation.

${markdownTable([row('ours', loop.ours), row('TRL', loop.trl)])}`);
  }
  return `# Performance

TRL ${results.versions?.trl} on PyTorch ${results.versions?.torch} and this package in turn in one run, on the processor alone.
\`npx tsx bench/trl.bench.ts <SmolLM2-135M-Instruct as F32>\`, ${results.machine}.

${sections.join('\n\n')}
${profile()}`;
}

/** The unmeasured part of the page is kept: everything from "## Profile" on. */
function profile(): string {
  const file = join(root, 'docs/performance.md');
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const at = before.indexOf('## Profile');
  return at < 0 ? '' : `\n${before.slice(at)}`;
}

for (const part of PARTS) {
  // The loop takes half an hour, so it runs only if it is named.
  if (only ? !only.includes(part) : part === 'loop' || results[part] !== undefined) continue;
  console.error(`${part} …`);
  await parts[part]();
  results.machine = machine();
  save();
  if (!process.env.LAMBDA_GRPO_BENCH_DRY) writeFileSync(join(root, 'docs/performance.md'), page());
}
console.log(page());
process.exit(0);
