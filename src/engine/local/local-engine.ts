/**
 * The engine on this machine: a decoder in ONNX Runtime. Training packs every group into its tree and computes
 * each distinct token once; forward, loss and backward are one run of one model; gradients come out once per
 * run and the optimizer is a loop over the flat weights. Programs are compiled when first needed and serve
 * every batch size.
 */
import { join } from 'node:path';
import {
  decodeGraph,
  GRADIENT,
  type GraphOutputs,
  type ModelConfig,
  type NamedTensor,
  Parameters,
  readSafetensors,
  scoreGraph,
  toHuggingFaceConfig,
  updateGraph,
  writeSafetensors,
} from '../../model/index.js';
import { type Feed, Program, type RuntimeOptions } from '../../runtime/index.js';
import {
  type Engine,
  EngineError,
  NotFiniteError,
  type PolicyOptions,
  type SampleRequest,
  type SamplingOptions,
  type TrainExample,
  type TreeExample,
  type TreeScores,
  type UpdateOptions,
  type UpdateResult,
} from '../engine.js';
import { type PackedRows, packBatch } from './batch.js';
import { type DecodeLimits, decode } from './decode.js';
import { Optimizer, type OptimizerConfig, squaredNorm } from './optimizer.js';

export interface LocalEngineOptions {
  readonly model: ModelConfig;
  readonly optimizer: OptimizerConfig;
  /** Of the initial weights. */
  readonly seed: number;
  readonly runtime?: RuntimeOptions;
  /** Tokens of one run of the update program; larger batches accumulate gradients over several runs. */
  readonly maxTokensPerRun?: number;
  /** Tokens of one row of a packed batch. */
  readonly rowLength?: number;
  readonly decode?: Partial<DecodeLimits>;
}

/** Added to the logits of tokens that are not allowed. */
const FORBIDDEN = -1e9;

const WEIGHTS_FILE = 'model.safetensors';
const OPTIMIZER_FILE = 'optimizer.safetensors';
const REFERENCE_FILE = 'reference.safetensors';

export class LocalEngine implements Engine {
  readonly parameters: Parameters;
  readonly optimizer: Optimizer;
  private reference: Parameters | null = null;
  private readonly programs = new Map<string, Promise<Program>>();

  constructor(private readonly options: LocalEngineOptions) {
    this.parameters = Parameters.initialize(options.model, options.seed);
    this.optimizer = new Optimizer(options.optimizer, this.parameters.specs);
  }

  async sample(requests: readonly SampleRequest[], options: SamplingOptions): ReturnType<Engine['sample']> {
    const program = await this.program('decode', () => decodeGraph(this.options.model));
    const weights = this.weightFeeds(this.parameters);
    return decode(
      requests,
      options,
      { parameters: this.parameters, logitBias: this.logitBias(options.allowedTokens) },
      { maxRows: 256, prefillTokens: 4096, ...this.options.decode },
      (feeds) => program.run({ ...weights, ...feeds }),
    );
  }

  async update(batch: readonly TrainExample[], options: UpdateOptions): Promise<UpdateResult> {
    const { gradients, ...result } = await this.gradients(batch, options);
    const { loss, gradNorm } = result;
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
      const what = Number.isFinite(loss) ? `the gradient's norm is ${gradNorm}` : `the loss is ${loss}`;
      throw new NotFiniteError(`${what}; the weights were not touched`);
    }
    const rescale = options.normOf && (await this.rescale(options.normOf, gradNorm, options));
    const norm = gradNorm * (rescale ?? 1);
    const { maxGradNorm } = options;
    const clip = maxGradNorm !== null && norm > maxGradNorm ? maxGradNorm / norm : 1;
    this.optimizer.apply(this.parameters.flat, gradients, options.learningRate, clip * (rescale ?? 1));
    return { ...result, rescale };
  }

  /** Factor from a gradient's norm to that of another batch's gradient; a gradient of 0 stays as it is. */
  private async rescale(
    batch: readonly TrainExample[],
    gradNorm: number,
    options: UpdateOptions,
  ): Promise<number> {
    const wanted = (await this.gradients(batch, options)).gradNorm;
    if (!Number.isFinite(wanted)) {
      throw new NotFiniteError(`the norm to be scaled to is ${wanted}; the weights were not touched`);
    }
    return gradNorm > 0 ? wanted / gradNorm : 1;
  }

  /** Loss and gradients of a batch without a step: one array for each weight, in the order of the specs. */
  async gradients(
    batch: readonly TrainExample[],
    options: UpdateOptions,
  ): Promise<UpdateResult & { readonly gradients: readonly Float32Array[] }> {
    const clipped = batch.some(({ oldLogprobs }) => oldLogprobs !== undefined);
    const kl = options.klBeta > 0;
    batch.forEach((example, i) => {
      checkLogprobs(example, i, 'oldLogprobs', clipped);
      checkLogprobs(example, i, 'referenceLogprobs', kl);
    });
    const runs = this.pack(batch);
    const scores = emptyScores(batch);
    let gradients: Float32Array[] = [];
    let loss = 0;
    for (const rows of runs) {
      const context = rows.contextLength > 0;
      const program = await this.program(`update ${context} ${clipped} ${kl}`, () =>
        updateGraph(this.options.model, { context, clipped, kl }),
      );
      const outputs = await program.run({
        ...this.weightFeeds(this.parameters),
        ...this.treeFeeds(rows, options),
        ...lossFeeds(rows, batch, options, clipped, kl),
      });
      loss += outputs.loss.data[0];
      collectScores(scores, rows, outputs.logprobs.data, outputs.entropy.data);
      const fresh = this.parameters.specs.map(({ name }) => outputs[GRADIENT + name].data);
      if (gradients.length === 0) gradients = fresh;
      else for (let i = 0; i < fresh.length; i++) addTo(gradients[i], fresh[i]);
    }
    if (gradients.length === 0) gradients = this.parameters.specs.map(({ size }) => new Float32Array(size));
    return {
      ...scores,
      gradients,
      loss,
      gradNorm: Math.sqrt(squaredNorm(gradients)),
      treeTokens: runs.reduce((n, rows) => n + rows.tokenCount, 0),
      computedTokens: runs.reduce((n, rows) => n + rows.tokens.length, 0),
    };
  }

  async score(
    batch: readonly TreeExample[],
    policy: 'current' | 'reference',
    options: PolicyOptions,
  ): Promise<TreeScores> {
    const parameters = policy === 'current' ? this.parameters : this.reference;
    if (!parameters) throw new EngineError('score: no reference policy was frozen');
    const scores = emptyScores(batch);
    for (const rows of this.pack(batch)) {
      const context = rows.contextLength > 0;
      const program = await this.program(`score ${context}`, () =>
        scoreGraph(this.options.model, { context }),
      );
      const outputs = await program.run({
        ...this.weightFeeds(parameters),
        ...this.treeFeeds(rows, options),
      });
      collectScores(scores, rows, outputs.logprobs.data, outputs.entropy.data);
    }
    return scores;
  }

  freezeReference(): void {
    this.reference = this.parameters.clone();
  }

  resetOptimizer(): void {
    this.optimizer.reset();
  }

  async save(folder: string): Promise<void> {
    await writeSafetensors(join(folder, WEIGHTS_FILE), named(this.parameters, this.parameters.flat), {
      config: JSON.stringify(toHuggingFaceConfig(this.options.model)),
    });
    const state = new Map<string, NamedTensor>();
    for (const [name, flat] of this.optimizer.state) {
      for (const [key, tensor] of named(this.parameters, flat)) state.set(`${name}/${key}`, tensor);
    }
    await writeSafetensors(join(folder, OPTIMIZER_FILE), state, {
      optimizer: this.optimizer.config.name,
      step: String(this.optimizer.step),
    });
    if (this.reference) {
      await writeSafetensors(join(folder, REFERENCE_FILE), named(this.reference, this.reference.flat));
    }
  }

  async load(folder: string): Promise<void> {
    // Everything is read and checked before anything is overwritten.
    const weightsFile = join(folder, WEIGHTS_FILE);
    const weights = this.flatten(weightsFile, (await readSafetensors(weightsFile)).tensors);
    const optimizerFile = join(folder, OPTIMIZER_FILE);
    const { tensors, metadata } = await readSafetensors(optimizerFile);
    if (metadata.optimizer !== this.optimizer.config.name) {
      throw new EngineError(
        `${optimizerFile}: state of '${metadata.optimizer}', but the configuration says '${this.optimizer.config.name}'`,
      );
    }
    const states = [...this.optimizer.state].map(([name, flat]) => ({
      flat,
      values: this.flatten(optimizerFile, tensors, `${name}/`),
    }));
    if (this.reference) {
      const file = join(folder, REFERENCE_FILE);
      this.reference.flat.set(this.flatten(file, (await readSafetensors(file)).tensors));
    }
    this.parameters.flat.set(weights);
    for (const { flat, values } of states) flat.set(values);
    this.optimizer.step = Number(metadata.step);
  }

  async dispose(): Promise<void> {
    for (const program of this.programs.values()) await (await program).dispose();
    this.programs.clear();
  }

  private program(key: string, build: () => GraphOutputs): Promise<Program> {
    let program = this.programs.get(key);
    if (!program) {
      program = Program.compile(build(), this.options.runtime);
      this.programs.set(key, program);
    }
    return program;
  }

  private pack(batch: readonly TreeExample[]): PackedRows[] {
    return packBatch(batch, {
      rowLength: this.options.rowLength ?? 64,
      maxTokens: this.options.maxTokensPerRun ?? 4096,
      vocabularySize: this.options.model.vocabularySize,
      contextLength: this.options.model.contextLength,
    });
  }

  private weightFeeds(parameters: Parameters): Record<string, Feed> {
    const feeds: Record<string, Feed> = {};
    for (const { name, shape } of parameters.specs) {
      feeds[name] = { data: parameters.views.get(name) as Float32Array, dims: shape };
    }
    return feeds;
  }

  private treeFeeds(rows: PackedRows, options: PolicyOptions): Record<string, Feed> {
    const { vocabularySize } = this.options.model;
    const grid = [rows.rows, rows.length];
    return {
      tokens: { data: rows.tokens, dims: [rows.tokens.length] },
      positions: { data: rows.positions, dims: [rows.tokens.length] },
      index: { data: rows.index, dims: grid },
      subtree_end: { data: rows.subtreeEnd, dims: grid },
      context: { data: rows.context, dims: [rows.context.length] },
      context_end: { data: rows.contextEnd, dims: [rows.rows, rows.contextLength] },
      head_rows: { data: rows.headRows, dims: [rows.headRows.length] },
      edges: { data: rows.edges, dims: [rows.edgeRow.length, 2] },
      inverse_temperature: { data: Float32Array.of(1 / (options.temperature || 1)), dims: [] },
      logit_bias: { data: this.logitBias(options.allowedTokens), dims: [vocabularySize] },
    };
  }

  private logitBias(allowed: readonly number[] | undefined): Float32Array {
    const bias = new Float32Array(this.options.model.vocabularySize);
    if (!allowed) return bias;
    bias.fill(FORBIDDEN);
    for (const token of allowed) bias[token] = 0;
    return bias;
  }

  /** Tensors of a file as one flat array; every one of them must be there with its shape, and no other. */
  private flatten(file: string, tensors: ReadonlyMap<string, NamedTensor>, prefix = ''): Float32Array {
    const flat = new Float32Array(this.parameters.flat.length);
    const wanted = new Set(this.parameters.specs.map(({ name }) => prefix + name));
    for (const name of tensors.keys()) {
      if (name.startsWith(prefix) && !wanted.has(name)) {
        throw new EngineError(`${file}: tensor '${name}' does not belong to this model`);
      }
    }
    for (const { name, shape, offset } of this.parameters.specs) {
      const tensor = tensors.get(prefix + name);
      if (!tensor) throw new EngineError(`${file}: tensor '${prefix}${name}' is missing`);
      if (tensor.shape.join() !== shape.join()) {
        throw new EngineError(
          `${file}: tensor '${prefix}${name}' has shape [${tensor.shape.join(', ')}], this model wants [${shape.join(', ')}]`,
        );
      }
      flat.set(tensor.data, offset);
    }
    return flat;
  }
}

function named(parameters: Parameters, flat: Float32Array): Map<string, NamedTensor> {
  return new Map(
    parameters.specs.map(({ name, shape, offset, size }) => [
      name,
      { shape, data: flat.subarray(offset, offset + size) },
    ]),
  );
}

function addTo(target: Float32Array, source: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i] += source[i];
}

function checkLogprobs(
  example: TrainExample,
  i: number,
  key: 'oldLogprobs' | 'referenceLogprobs',
  needed: boolean,
): void {
  if (needed && example[key]?.length !== example.tree.distinctTokenCount) {
    throw new EngineError(
      `update: example ${i} needs ${key} with ${example.tree.distinctTokenCount} values, found ${example[key]?.length ?? 'none'}`,
    );
  }
}

function emptyScores(batch: readonly TreeExample[]): TreeScores {
  const make = (): Float32Array[] => batch.map(({ tree }) => new Float32Array(tree.distinctTokenCount));
  return { logprobs: make(), entropies: make() };
}

function collectScores(
  scores: TreeScores,
  rows: PackedRows,
  logprobs: Float32Array,
  entropy: Float32Array,
): void {
  for (const { example, firstEdge, packed } of rows.parts) {
    const count = packed.length - packed.promptLength;
    scores.logprobs[example].set(logprobs.subarray(firstEdge, firstEdge + count));
    for (let e = 0; e < count; e++) scores.entropies[example][e] = entropy[rows.edgeRow[firstEdge + e]];
  }
}

/** Coefficients of every edge, from those of the node its token belongs to. */
function lossFeeds(
  rows: PackedRows,
  batch: readonly TrainExample[],
  options: UpdateOptions,
  clipped: boolean,
  kl: boolean,
): Record<string, Feed> {
  const count = rows.edgeRow.length;
  const plus = new Float32Array(count);
  const minus = new Float32Array(count);
  const weight = new Float32Array(count);
  const old = new Float32Array(clipped ? count : 0);
  const reference = new Float32Array(kl ? count : 0);
  for (const { example, firstEdge, packed } of rows.parts) {
    const { coefficients, oldLogprobs, referenceLogprobs } = batch[example];
    for (let j = packed.promptLength, e = firstEdge; j < packed.length; j++, e++) {
      const node = packed.node[j];
      plus[e] = coefficients.plus[node];
      minus[e] = coefficients.minus[node];
      weight[e] = options.klBeta * coefficients.kl[node];
    }
    if (clipped) old.set(oldLogprobs as Float32Array, firstEdge);
    if (kl) reference.set(referenceLogprobs as Float32Array, firstEdge);
  }
  const edge = (data: Float32Array): Feed => ({ data, dims: [count] });
  const scalar = (value: number): Feed => ({ data: Float32Array.of(value), dims: [] });
  return {
    plus: edge(plus),
    minus: edge(minus),
    ...(clipped
      ? { old_logprobs: edge(old), clip_low: scalar(options.clipLow), clip_high: scalar(options.clipHigh) }
      : {}),
    ...(kl ? { reference_logprobs: edge(reference), kl_weight: edge(weight) } : {}),
  };
}
