/**
 * LoRA updates and decoding of a model with half a billion parameters (the shape of Qwen2.5-0.5B, random weights in a
 * safetensors file): time and peak resident memory, compared with PyTorch, transformers and peft on the same file
 * (model_peer.py). Each measurement runs in its own process. `npx tsx bench/model.bench.ts` writes
 * docs/results/model.md. The peer needs a Python with these packages: LAMBDA_GRPO_PYTHON, or the one that `npm run
 * test:python` installs.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findPython } from '../scripts/python.mjs';
import { LocalEngine } from '../src/engine/index.js';
import { storedWeights, withCheckpoint, writeCheckpoint } from '../src/model/files.js';
import { type LoraConfig, Parameters, readModelConfig } from '../src/model/index.js';
import { groupAdvantages, lossCoefficients, sequenceWeights } from '../src/objective/index.js';
import { nodeBackend } from '../src/runtime/node.js';
import { ProcessTree } from '../src/tree/index.js';
import { machine, markdownTable, median, type Row } from './measure.js';

/** Qwen2.5-0.5B's config.json. */
const QWEN = {
  architectures: ['Qwen2ForCausalLM'],
  model_type: 'qwen2',
  vocab_size: 151_936,
  hidden_size: 896,
  intermediate_size: 4864,
  num_hidden_layers: 24,
  num_attention_heads: 14,
  num_key_value_heads: 2,
  max_position_embeddings: 32_768,
  rope_theta: 1_000_000,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
};
const LORA: LoraConfig = { r: 64, alpha: 128, dropout: 0, targets: 'all-linear' };
const K = 6;

interface Group {
  readonly prompt: readonly number[];
  readonly completions: readonly (readonly number[])[];
  readonly rewards: readonly number[];
}

/** Completions of equal length with a common prefix. */
function group(prompt: number, shared: number, length: number): Group {
  return {
    prompt: Array.from({ length: prompt }, (_, t) => 1000 + t),
    completions: Array.from({ length: K }, (_, i) =>
      Array.from({ length }, (__, t) => (t < shared ? 100 + t : 1000 * (i + 1) + t)),
    ),
    rewards: Array.from({ length: K }, (_, i) => i % 2),
  };
}

const JOBS = {
  short: { what: 'update', group: group(32, 16, 64), checkpointing: false, repetitions: 4 },
  'short-checkpointing': { what: 'update', group: group(32, 16, 64), checkpointing: true, repetitions: 4 },
  long: { what: 'update', group: group(128, 64, 352), checkpointing: false, repetitions: 3 },
  'long-checkpointing': { what: 'update', group: group(128, 64, 352), checkpointing: true, repetitions: 3 },
  decode: { what: 'decode', group: group(32, 16, 64), checkpointing: false, repetitions: 4 },
} as const;
type JobName = keyof typeof JOBS;
/** Tokens per sample in the decoding job. */
const NEW_TOKENS = 32;

interface Figures {
  /** The first run compiles the program. */
  readonly seconds: readonly number[];
  /** GiB */
  readonly peak: number;
  readonly computed?: number;
  readonly version?: string;
}

async function measure(folder: string, name: JobName): Promise<Figures> {
  const job = JOBS[name];
  const { config, stored } = await withCheckpoint(folder, async (checkpoint) => ({
    config: checkpoint.config,
    stored: await storedWeights(checkpoint),
  }));
  if (!stored) throw new Error(`${folder}: cannot be read in place`);
  const engine = new LocalEngine({
    backend: nodeBackend(),
    model: job.what === 'update' ? { ...config, adapter: LORA } : config,
    stored,
    optimizer: { name: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    seed: 0,
    checkpointing: job.checkpointing,
  });
  const prompt = Int32Array.from(job.group.prompt);
  const seconds: number[] = [];
  let computed = 0;
  const tree = ProcessTree.build(job.group.completions.map((tokens) => Int32Array.from(tokens)));
  const weights = sequenceWeights(tree.lengths, 'token', {
    tokens: tree.tokenCount,
    sequences: K,
    maxTokens: tree.lengths[0],
  });
  const coefficients = lossCoefficients(tree, groupAdvantages(job.group.rewards), weights, {
    lambdaExponent: 1,
  });
  for (let i = 0; i < job.repetitions; i++) {
    const started = performance.now();
    if (job.what === 'update') {
      const result = await engine.update([{ prompt, tree, coefficients }], {
        temperature: 1,
        learningRate: 1e-6,
        maxGradNorm: 1,
        clipLow: 0.2,
        clipHigh: 0.2,
        klBeta: 0,
      });
      computed = result.treeTokens;
    } else {
      const { statistics } = await engine.sample([{ prompt, count: K, key: [i] }], {
        maxTokens: NEW_TOKENS,
        temperature: 1,
        topK: 0,
        topP: 1,
        stopTokens: [],
        seed: 0,
      });
      computed = statistics.decodedTokens;
    }
    seconds.push((performance.now() - started) / 1000);
  }
  return { seconds, computed, peak: process.resourceUsage().maxRSS / 1024 ** 2 };
}

const file = fileURLToPath(import.meta.url);
const root = join(file, '../..');

function child(command: string, args: readonly string[]): Figures {
  const out = execFileSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1e8,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return JSON.parse(out.trim().split('\n').at(-1) as string) as Figures;
}

function rowsOf(name: JobName, folder: string, python: string | null): { rows: Row[]; version?: string } {
  const job = JOBS[name];
  const threads = availableParallelism();
  const ours = child(process.execPath, ['--import', 'tsx', file, folder, name]);
  const request = {
    ...job.group,
    what: job.what,
    folder,
    checkpointing: job.checkpointing,
    repetitions: job.repetitions,
    samples: K,
    tokens: NEW_TOKENS,
    threads,
  };
  const peer = python ? child(python, [join(root, 'bench/model_peer.py'), JSON.stringify(request)]) : null;
  const length = job.group.prompt.length + job.group.completions[0].length;
  const tokens = job.what === 'update' ? K * length : K * NEW_TOKENS;
  const what =
    job.what === 'decode' ? 'decoding' : `LoRA update${job.checkpointing ? ', gradient checkpointing' : ''}`;
  const row = (by: string, { seconds, peak, computed = tokens }: Figures): Row => {
    const time = median(seconds.slice(1));
    return {
      what,
      by,
      'tokens of all sequences': tokens,
      'tokens computed': computed,
      seconds: time.toFixed(2),
      'tokens of sequences a second': (tokens / time).toFixed(1),
      'peak resident memory, GiB': peak.toFixed(2),
    };
  };
  const rows = [row('lambda-grpo', ours)];
  if (peer) {
    const computed = job.what === 'update' ? tokens : job.group.prompt.length + tokens;
    rows.push(row('PyTorch', { ...peer, computed }));
  }
  return { rows, version: peer?.version };
}

const [folderAsked, jobAsked] = process.argv.slice(2);
if (jobAsked !== undefined) {
  console.log(JSON.stringify(await measure(folderAsked, jobAsked as JobName)));
} else {
  const folder = folderAsked ?? join(tmpdir(), `lambda-grpo-bench-${process.pid}`);
  if (!existsSync(folder)) {
    console.error(`writing random weights to ${folder} …`);
    await writeCheckpoint(folder, Parameters.initialize(readModelConfig(QWEN, 'Qwen2.5-0.5B'), 0));
  }
  try {
    const python = findPython(['torch', 'transformers', 'peft']);
    if (!python) console.error('no Python with torch, transformers and peft: no peer');
    const rows: Row[] = [];
    let version = 'not there';
    for (const name of Object.keys(JOBS) as JobName[]) {
      console.error(`${name} …`);
      const measured = rowsOf(name, folder, python);
      rows.push(...measured.rows);
      version = measured.version ?? version;
    }
    const { short, long } = JOBS;
    const shape = ({ group: { prompt, completions } }: (typeof JOBS)[JobName], shared: number): string =>
      `completions of ${completions[0].length} tokens that share their first ${shared} after a prompt of ${prompt.length}`;
    const text = `# A model of half a billion parameters

Qwen2.5-0.5B's shape (24 layers × 896, 14 heads on 2 of keys and values, vocabulary 151,936, tied head: 494 M parameters,
1.84 GiB as float32), random weights read in place from one safetensors file. Update: LoRA of r 64 on all linear maps (35.2 M
trained), ${K} ${shape(short, 16)}; or ${K} ${shape(long, 64)}. We
compute the tree's tokens once; PyTorch (${version}, transformers, peft: bench/model_peer.py) computes ${K} sequences in one batch. Decoding: ${K} samples of
${NEW_TOKENS} tokens. Medians after the first repetition, which compiles; each row a process of its own, the rows of one job one after the other.

${markdownTable(rows)}

\`npx tsx bench/model.bench.ts\`, ${machine()}, ${(totalmem() / 1024 ** 3).toFixed(0)} GiB.
`;
    writeFileSync(join(root, 'docs/results/model.md'), text);
    console.log(text);
  } finally {
    if (folderAsked === undefined) await rm(folder, { recursive: true, force: true });
  }
}
