/**
 * The engine on this machine: a decoder in ONNX Runtime. Training packs every group into its tree and computes each
 * distinct token once. Forward, loss and backward are one run of one model; gradients are returned once per run, and
 * the optimizer is a loop over the flat weights. Programs are compiled when first needed and work for every batch size.
 */
import {
  adapterIn,
  architectureOf,
  blockDecodeProgram,
  type ContextReading,
  freshAdapter,
  LOSS_FORMS,
  type ModelConfig,
  type NamedTensor,
  ParameterSet,
  Parameters,
  parameterSpecs,
  type QuantizedWeights,
  quantizedWeights,
  readTensors,
  type Store,
  type StoredWeights,
  scoreProgram,
  slotDecodeProgram,
  toHuggingFaceConfig,
  type UpdateVariant,
  updateProgram,
  type WeightBatch,
  writeAdapterFiles,
  writeTensors,
} from '../../model/index.js';
import { Stream } from '../../random/stream.js';
import { type Backend, Program, type ProgramDefinition, type SessionOptions } from '../../runtime/index.js';
import {
  type Abortable,
  type Capabilities,
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
import { checkLogprobs, collectScores, emptyScores, logitBias, treeBatch, updateBatch } from './batches.js';
import { type DecodeLimits, decode } from './decode.js';
import { type HeldWeights, Memory, type RunLimits } from './memory.js';
import { Optimizer, type OptimizerConfig, squaredNorm } from './optimizer.js';
import { type PackedRows, packBatch } from './pack.js';
import { type Holding, ProgramCache } from './program-cache.js';
import { flatten, named, WEIGHTS_FILE, writeModelShape } from './saved.js';

export interface LocalEngineOptions {
  /** The runtime that executes the programs. */
  readonly backend: Backend;
  readonly model: ModelConfig;
  readonly optimizer: OptimizerConfig;
  /** Seed of the initial weights. */
  readonly seed: number;
  /** Initial weights instead of random ones. They are used in place, not copied. */
  readonly parameters?: Parameters;
  /** Weights that the runtime reads from their files; then only an adapter is trained. */
  readonly stored?: StoredWeights;
  /** Weights of the adapter that `model.adapter` describes; default: a new adapter. */
  readonly adapter?: ParameterSet;
  /** Threads within one operation; default: as many as the machine has cores. */
  readonly threads?: number;
  /**
   * Maximum number of tokens in one run of the update program; larger batches accumulate gradients over several runs.
   */
  readonly maxTokensPerRun?: number;
  /**
   * Maximum number of logits (rows × vocabulary) that an update or score computes at once; it limits the memory of the
   * head.
   */
  readonly maxLogits?: number;
  /**
   * Maximum number of tokens that attention reads at once (rows × the tokens before and in each); default: all rows at
   * once.
   */
  readonly maxSeen?: number;
  /**
   * Gradient checkpointing: layers keep only their input and recompute what the gradient needs. An update takes about a
   * third longer, and holds the values of one layer instead of all.
   */
  readonly checkpointing?: boolean;
  /** Tokens per row of a packed batch. */
  readonly rowLength?: number;
  /** Memory budget in bytes for weights, updates and sampling together; default: unlimited. */
  readonly memory?: number;
  readonly decode?: Partial<DecodeLimits>;
}

/** Properties of an update that this engine always reports. */
export type LocalUpdate = UpdateResult & Required<Pick<UpdateResult, 'entropies' | 'gradNorm'>>;

const NOTHING = new ParameterSet([]);
const ROW_LENGTH = 64;
const MAX_TOKENS_PER_RUN = 4096;
const MAX_ROWS = 256;
const PREFILL_TOKENS = 4096;
const PREFILL_LENGTH = 1024;
const BLOCK_WIDTH = 64;
/** Values of a layer's cache per step from which reading prompts once is worth the operations that it needs. */
const SHARED_VALUES = 2 ** 20;
/** 128 MiB for each array of a chunk. */
const MAX_LOGITS = 2 ** 25;
const OPTIMIZER_FILE = 'optimizer.safetensors';
const REFERENCE_FILE = 'reference.safetensors';

export class LocalEngine implements Engine {
  readonly name = 'local';
  /** The model's weights; null: the runtime reads them from their files. */
  readonly held: Parameters | null;
  /** The adapter's weights; null: all weights are trained. */
  readonly adapter: ParameterSet | null;
  readonly optimizer: Optimizer;
  /** The reference policy's values of the trainable weights. */
  private reference: ParameterSet | null = null;
  private readonly memory: Memory;
  /** Chosen when decoding begins. */
  private packing: boolean | null = null;
  /** Frozen weights in int8; null: they have not been needed yet. */
  private quantized: { readonly weights: Promise<QuantizedWeights>; readonly bytes: number } | null = null;
  /** Programs for updates and scores. */
  private readonly programs = new ProgramCache();
  private readonly decoders = new ProgramCache();

  constructor(private readonly options: LocalEngineOptions) {
    this.held = options.stored
      ? null
      : (options.parameters ?? Parameters.initialize(options.model, options.seed));
    this.adapter = options.model.adapter
      ? (options.adapter ?? freshAdapter(options.model, options.seed))
      : null;
    this.optimizer = new Optimizer(options.optimizer, this.trainable.specs);
    this.memory = new Memory(options.model, options.memory ?? Number.POSITIVE_INFINITY);
  }

  get capabilities(): Capabilities {
    return {
      forms: LOSS_FORMS,
      asymmetricClipping: true,
      clipBound: true,
      kl: true,
      referenceSync: true,
      entropyBonus: true,
      rescale: true,
      masks: true,
      watchers: true,
      allowedTokens: true,
      topK: true,
      topP: true,
      momentum: true,
      optimizers: ['adamw', 'sgd'],
      gradientClipping: true,
      temperature: true,
      contextLength: this.options.model.contextLength,
      optimizerState: true,
      otherSampler: false,
      importanceWeights: true,
      int8Sampling: this.frozen,
      sampleAhead: false,
    };
  }

  /** The model as it runs, including its adapter. */
  get model(): ModelConfig {
    return this.options.model;
  }

  /**
   * The model's weights; with an adapter they do not change.
   * @throws EngineError if they are not held in memory but read from their files
   */
  get parameters(): Parameters {
    if (!this.held)
      throw new EngineError(
        'expected weights in memory, got weights that are read from their files; load them first',
      );
    return this.held;
  }

  /** The weights that updates change: the adapter's or the model's; empty if those are read from their files. */
  get trainable(): ParameterSet {
    return this.adapter ?? this.held ?? NOTHING;
  }

  async sample(requests: readonly SampleRequest[], options: SamplingOptions): ReturnType<typeof decode> {
    const { model } = this.options;
    const weights = this.weights(this.trainable);
    // Decided first, because it counts towards the memory that weights in int8 have.
    const { packs: pack } = this;
    const quantized = options.precision === 'int8' ? await this.quantizedWeights() : null;
    const holding = this.memory.decoder(this.heldWeights);
    return decode(
      requests,
      options,
      { model, logitBias: logitBias(options.allowedTokens, model.vocabularySize) },
      this.decodeLimits(requests, options.maxTokens),
      async (batch) => {
        // Prompts are read as float32: their first token has values far above all others, and in int8 one factor counts
        // for all of them.
        const int8 = batch.newTokens === 1 ? quantized : null;
        const weighting = int8 ? { quantized: int8 } : { pack };
        const [name, held] = int8
          ? [', int8', this.memory.quantizedDecoder(this.heldWeights)]
          : ['', holding];
        const sharing = batch.prompts !== undefined;
        const variant = `${name}${sharing ? ', shared prompts' : ''}`;
        if ('slots' in batch) {
          const compile = () =>
            this.compile(slotDecodeProgram(model, sharing), { ...weighting, planMemory: true });
          return this.decoders.run(`slots${variant}`, compile, { ...batch, weights }, held);
        }
        const compile = () => this.compile(blockDecodeProgram(model, sharing), weighting);
        return this.decoders.run(`blocks${variant}`, compile, { ...batch, weights }, held);
      },
    );
  }

  /** @throws EngineError if the weights are trained, or the memory does not suffice */
  private async quantizedWeights(): Promise<QuantizedWeights> {
    const { stored, model } = this.options;
    if (!this.frozen) {
      throw new EngineError(
        'sample: int8 needs frozen weights (an adapter, or weights read from their files)',
      );
    }
    if (!this.quantized) {
      const { held } = this;
      const bytes = this.memory.quantizedBytes(this.heldWeights);
      const read = (name: string) => held?.views.get(name) ?? (stored as StoredWeights).read(name);
      this.quantized = { weights: quantizedWeights(model, read), bytes };
    }
    return this.quantized.weights;
  }

  private decodeLimits(requests: readonly SampleRequest[], maxTokens: number): DecodeLimits {
    const { memory, heldWeights: held } = this;
    const prompt = requests.reduce((n, request) => Math.max(n, request.prompt.length), 0);
    const tokens = requests.reduce((n, request) => n + (request.count - 1) * request.prompt.length, 0);
    const { keyValueHeads, headWidth } = architectureOf(this.model);
    const limits = {
      // Decoders with a copy of the weights would need two copies if they shared prompts only sometimes.
      sharesPrompts: this.packs || 2 * keyValueHeads * headWidth * tokens >= SHARED_VALUES,
      maxRows: MAX_ROWS,
      prefillTokens: PREFILL_TOKENS,
      prefillLength: PREFILL_LENGTH,
      blockWidth: BLOCK_WIDTH,
    };
    const wanted = { ...limits, ...this.options.decode };
    return {
      rowsThatFit: (size) => memory.decodeRows(size, held),
      ...wanted,
      prefillTokens: memory.prefillTokens(prompt + Math.min(maxTokens, 32), held, wanted.prefillTokens),
    };
  }

  private get heldWeights(): HeldWeights {
    const { flat } = this.trainable;
    const weights = this.held?.flat.length ?? parameterSpecs(this.model).reduce((n, { size }) => n + size, 0);
    return {
      weights,
      trainable: flat.length,
      copies: this.optimizer.state.size + (this.reference ? 1 : 0),
      packed: this.packing ? weights : 0,
      quantized: this.quantized?.bytes ?? 0,
    };
  }

  /** Whether the model's weights never change: they are in files, or under an adapter. */
  private get frozen(): boolean {
    return this.options.stored !== undefined || this.adapter !== null;
  }

  /** Whether decoding has a second copy of frozen weights. */
  private get packs(): boolean {
    // Weights held in memory are copied into the model's bytes and again by the runtime while it reads them.
    this.packing ??= this.frozen && this.memory.packs(this.heldWeights, this.held ? 2 : 0);
    return this.packing;
  }

  /** Runs of a batch and their limits. */
  private plan(batch: readonly TreeExample[]): { runs: PackedRows[]; limits: RunLimits } {
    const {
      rowLength = ROW_LENGTH,
      maxTokensPerRun = MAX_TOKENS_PER_RUN,
      maxLogits = MAX_LOGITS,
      maxSeen = Number.POSITIVE_INFINITY,
      checkpointing = false,
      model,
    } = this.options;
    const longest = batch.reduce(
      (most, { prompt, tree }) =>
        tree.lengths.reduce((n, length) => Math.max(n, prompt.length + length), most),
      0,
    );
    const wanted = { maxTokens: maxTokensPerRun, maxLogits, maxSeen, checkpointing };
    const limits = this.memory.runLimits(longest, rowLength, this.heldWeights, wanted);
    const runs = packBatch(batch, {
      rowLength,
      maxTokens: limits.maxTokens,
      vocabularySize: model.vocabularySize,
      contextLength: model.contextLength,
      maxSeen: limits.maxSeen,
    });
    return { runs, limits };
  }

  async update(batch: readonly TrainExample[], options: UpdateOptions): Promise<LocalUpdate> {
    const { gradients, ...result } = await this.gradients(batch, options);
    const { loss, gradNorm } = result;
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
      const what = Number.isFinite(loss) ? `the gradient's norm is ${gradNorm}` : `the loss is ${loss}`;
      throw new NotFiniteError(`${what}; the weights were not changed`);
    }
    const rescale = options.normOf && (await this.rescale(options.normOf, gradNorm, options));
    // From here on the step is completed as a whole.
    options.signal?.throwIfAborted();
    const norm = gradNorm * (rescale ?? 1);
    const { maxGradNorm } = options;
    const clip = maxGradNorm !== null && norm > maxGradNorm ? maxGradNorm / norm : 1;
    const factor = clip * (rescale ?? 1);
    const changed = this.optimizer.apply(this.trainable.flat, gradients, options.learningRate, factor);
    return { ...result, rescale, changed };
  }

  /** Factor from a gradient's norm to that of another batch's gradient; a gradient of 0 is not scaled. */
  private async rescale(
    batch: readonly TrainExample[],
    gradNorm: number,
    options: UpdateOptions,
  ): Promise<number> {
    const wanted = (await this.gradients(batch, options)).gradNorm;
    if (!Number.isFinite(wanted)) {
      throw new NotFiniteError(`the gradient norm to scale to is ${wanted}; the weights were not changed`);
    }
    return gradNorm > 0 ? wanted / gradNorm : 1;
  }

  /** Loss and gradients of a batch without a step: one array for each weight, in the order of the specs. */
  async gradients(
    batch: readonly TrainExample[],
    options: UpdateOptions,
  ): Promise<LocalUpdate & { readonly gradients: readonly Float32Array[] }> {
    if (this.trainable === NOTHING) {
      throw new EngineError(
        'update: expected an adapter, got none (the weights are read from their files and cannot be trained)',
      );
    }
    const clipped = batch.some(({ oldLogprobs }) => oldLogprobs !== undefined);
    const kl = options.klBeta > 0;
    const corrected = batch.some(({ samplerLogprobs }) => samplerLogprobs !== undefined);
    if (corrected && options.form === 'gspo') {
      throw new EngineError(
        'update: samplerLogprobs: expected none with the form gspo, which has no tokens to weight',
      );
    }
    batch.forEach((example, i) => {
      checkLogprobs(example, i, 'samplerLogprobs', corrected);
      checkLogprobs(example, i, 'oldLogprobs', clipped);
      checkLogprobs(example, i, 'referenceLogprobs', kl);
    });
    const { runs, limits } = this.plan(batch);
    const scores = emptyScores(batch);
    let gradients: Float32Array[] = [];
    let loss = 0;
    const { model } = this.options;
    const weights = this.weights(this.trainable);
    for (const forest of runs) {
      options.signal?.throwIfAborted();
      const variant: UpdateVariant = {
        context: contextReading(forest),
        chunks: headChunks(forest, model, limits),
        checkpointing: limits.checkpointing,
        clipped,
        kl,
        form: options.form ?? 'ppo',
        entropy: (options.entropyBonus ?? 0) > 0,
        corrected,
      };
      const tree = treeBatch(forest, weights, variant.chunks, options, model.vocabularySize);
      const values = await this.programs.run(
        `update ${JSON.stringify(variant)}`,
        () => this.compile(updateProgram(model, variant)),
        updateBatch(tree, forest, batch, options, this.dropoutSeed()),
        this.holding(forest, variant),
      );
      loss += values.loss;
      collectScores(scores, forest.edges, values);
      const fresh = values.gradients as Float32Array[];
      if (gradients.length === 0) gradients = fresh;
      else for (let i = 0; i < fresh.length; i++) addTo(gradients[i], fresh[i]);
    }
    if (gradients.length === 0) gradients = this.trainable.specs.map(({ size }) => new Float32Array(size));
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
  ): Promise<Required<TreeScores>> {
    const parameters = policy === 'current' ? this.trainable : this.reference;
    if (!parameters)
      throw new EngineError('score: expected a reference policy, got none; call freezeReference first');
    const scores = emptyScores(batch);
    const { model } = this.options;
    const weights = this.weights(parameters);
    const { runs, limits } = this.plan(batch);
    for (const forest of runs) {
      options.signal?.throwIfAborted();
      const variant = { context: contextReading(forest), chunks: headChunks(forest, model, limits) };
      const tree = treeBatch(forest, weights, variant.chunks, options, model.vocabularySize);
      const values = await this.programs.run(
        `score ${JSON.stringify(variant)}`,
        () => this.compile(scoreProgram(model, variant)),
        tree,
        // With recomputation, the values of a layer are released when the next layer has been computed.
        this.holding(forest, { ...variant, checkpointing: true }),
      );
      collectScores(scores, forest.edges, values);
    }
    return scores;
  }

  async freezeReference({ signal }: Abortable = {}): Promise<void> {
    signal?.throwIfAborted();
    this.reference = new ParameterSet(this.trainable.specs, this.trainable.flat.slice());
  }

  async syncReference(share: number, { signal }: Abortable = {}): Promise<void> {
    signal?.throwIfAborted();
    if (!this.reference)
      throw new EngineError(
        'syncReference: expected a reference policy, got none; call freezeReference first',
      );
    const [from, to] = [this.trainable.flat, this.reference.flat];
    for (let i = 0; i < to.length; i++) to[i] += share * (from[i] - to[i]);
  }

  async resetOptimizer({ signal }: Abortable = {}): Promise<void> {
    signal?.throwIfAborted();
    this.optimizer.reset();
  }

  async save(store: Store, { signal }: Abortable = {}): Promise<void> {
    signal?.throwIfAborted();
    await writeModelShape(store, this.options.model);
    if (this.adapter) await writeAdapterFiles(store, this.options.model, this.adapter);
    else {
      const { parameters } = this;
      await writeTensors(store, WEIGHTS_FILE, named(parameters, parameters.flat), {
        config: JSON.stringify(toHuggingFaceConfig(this.options.model)),
      });
    }
    const state = new Map<string, NamedTensor>();
    for (const [name, flat] of this.optimizer.state) {
      for (const [key, tensor] of named(this.trainable, flat)) state.set(`${name}/${key}`, tensor);
    }
    await writeTensors(store, OPTIMIZER_FILE, state, {
      optimizer: this.optimizer.config.name,
      step: String(this.optimizer.step),
    });
    if (this.reference) {
      await writeTensors(store, REFERENCE_FILE, named(this.reference, this.reference.flat));
    }
  }

  async load(store: Store, { signal }: Abortable = {}): Promise<void> {
    signal?.throwIfAborted();
    // Everything is read and checked before anything is overwritten.
    const weights = await this.savedWeights(store);
    const optimizerFile = store.path(OPTIMIZER_FILE);
    const { tensors, metadata } = await readTensors(store, OPTIMIZER_FILE);
    if (metadata.optimizer !== this.optimizer.config.name) {
      throw new EngineError(
        `${optimizerFile}: expected the state of optimizer '${this.optimizer.config.name}', as in the configuration, got that of '${metadata.optimizer}'`,
      );
    }
    const states = [...this.optimizer.state].map(([name, flat]) => ({
      flat,
      values: flatten(this.trainable.specs, optimizerFile, tensors, `${name}/`),
    }));
    if (this.reference) {
      const saved = await readTensors(store, REFERENCE_FILE);
      this.reference.flat.set(flatten(this.trainable.specs, store.path(REFERENCE_FILE), saved.tensors));
    }
    this.trainable.flat.set(weights);
    for (const { flat, values } of states) flat.set(values);
    this.optimizer.step = Number(metadata.step);
  }

  async dispose(): Promise<void> {
    await this.programs.dispose();
    await this.decoders.dispose();
  }

  /** With `pack`, frozen weights become part of the program, in the layout that products read fastest. */
  private compile<Batch, Result>(
    definition: ProgramDefinition<Batch, Result>,
    {
      pack = false,
      planMemory = false,
      quantized,
    }: Pick<SessionOptions, 'pack' | 'planMemory' | 'quantized'> = {},
  ): Promise<Program<Batch, Result>> {
    const { backend, stored, threads } = this.options;
    const constants = pack ? this.held?.views : undefined;
    return Program.compile(backend, definition, { threads, stored, pack, planMemory, constants, quantized });
  }

  /** Memory of a run of an update or score. */
  private holding(
    { rows, chunkRows, length, contextLength, edges }: PackedRows,
    { context, chunks, checkpointing }: Pick<UpdateVariant, 'context' | 'chunks' | 'checkpointing'>,
  ): Holding {
    const size = {
      tokens: rows * length,
      rowLength: length,
      context: contextLength,
      chunkRows: context === 'in chunks' ? chunkRows : null,
      logits: Math.ceil(edges.rowCount / chunks) * this.model.vocabularySize,
      checkpointing,
    };
    return this.memory.run(size, this.heldWeights);
  }

  /** Weights of a checkpoint, in the order of the trainable ones. */
  private async savedWeights(store: Store): Promise<Float32Array> {
    if (this.adapter) {
      const { config, adapter } = await adapterIn(store, this.options.model);
      const { r, alpha } = this.options.model.adapter ?? { r: 0, alpha: 0 };
      if (adapter.flat.length !== this.adapter.flat.length || config.adapter?.alpha !== alpha) {
        throw new EngineError(
          `${store.name}: expected an adapter with r ${r} and alpha ${alpha}, as in this run, got r ${config.adapter?.r} and alpha ${config.adapter?.alpha}`,
        );
      }
      return adapter.flat;
    }
    const { tensors } = await readTensors(store, WEIGHTS_FILE);
    return flatten(this.parameters.specs, store.path(WEIGHTS_FILE), tensors);
  }

  /** @param trainable values of the trainable weights: the current ones or the reference policy's */
  private weights(trainable: ParameterSet): WeightBatch['weights'] {
    const sets = this.adapter && this.held ? [trainable, this.held] : [trainable];
    return (name) => {
      for (const { views } of sets) {
        const view = views.get(name);
        if (view) return view;
      }
      throw new EngineError(`the model needs the tensor '${name}', but the weights do not contain it`);
    };
  }

  /**
   * The seed of an update's dropout follows from the number of earlier updates, so a continued run draws the same
   * numbers.
   */
  private dropoutSeed(): number {
    if (!this.options.model.adapter?.dropout) return 0;
    return 1000 * new Stream(this.options.seed, 'dropout', this.optimizer.step).uniform();
  }
}

const contextReading = ({ rows, chunkRows, contextLength }: PackedRows): ContextReading => {
  if (contextLength === 0) return 'none';
  return chunkRows < rows ? 'in chunks' : 'at once';
};

/**
 * As few chunks as the limit allows, but a power of four: each number of chunks is a separate program and slow to
 * compile.
 */
function headChunks(
  { edges }: PackedRows,
  { vocabularySize }: ModelConfig,
  { maxLogits }: RunLimits,
): number {
  const needed = (edges.rowCount * vocabularySize) / maxLogits;
  return Math.min(edges.rowCount, 4 ** Math.max(0, Math.ceil(Math.log2(needed) / 2)));
}

function addTo(target: Float32Array, source: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i] += source[i];
}
