/**
 * The engine on a server of the Tinker API. The server holds the weights: samples come from a snapshot of them, an
 * update is sent as sequences with advantages (data.ts), a checkpoint names what the server saved. If a lost answer
 * leaves it unknown whether the weights took a step, nothing continues until a saved state is loaded, so no gradient is
 * applied twice or lost.
 * A server has no KL term, no entropies, one temperature and the whole vocabulary; `capabilities` say so. Completions
 * that end by their text (`watch`) are cut here.
 */
import type { LossForm, Store } from '../../model/index.js';
import { lossCoefficients } from '../../objective/index.js';
import { Stream } from '../../random/stream.js';
import {
  type ClientOptions,
  type LossBounds,
  type LossName,
  LostError,
  TinkerClient,
  type TrainingModel,
  UnknownOutcomeError,
} from '../../tinker/index.js';
import {
  type Abortable,
  type Capabilities,
  type Engine,
  EngineError,
  NotFiniteError,
  type PolicyOptions,
  type SampleRequest,
  type SamplingOptions,
  StateLostError,
  type TrainExample,
  type TreeExample,
  type TreeScores,
  type UpdateOptions,
  type UpdateResult,
} from '../engine.js';
import type { OptimizerConfig } from '../local/optimizer.js';
import { completion, together } from './completions.js';
import { home, type Reduction, requestsOf, stepData } from './data.js';
import { checkRequest, oldOf, refuseUnsupported } from './guards.js';
import { Live, type LiveOptions } from './live.js';
import { stepLoss } from './objective.js';
import { askServer, type ServerTraits } from './probe.js';
import { readSavedOnServer, writeSaved } from './saved.js';

export interface TinkerEngineOptions extends LiveOptions, Abortable {
  readonly optimizer: OptimizerConfig;
  /** How the server combines several sequences into one gradient; absent: it is detected. */
  readonly reduction?: Reduction;
  /** Token ids are below this number. */
  readonly vocabulary: number;
  /** Maximum of prompt and completion together, in tokens. */
  readonly contextLength: number;
  /** How a KL term is handled: added to the advantages (k1), or refused. */
  readonly kl: 'advantages' | 'refuse';
  /** Whether gradients should be clipped; the server's support is then tested. Default false. */
  readonly clipsGradients?: boolean;
  /** Whether sampling should continue during updates; the server's snapshots are then tested. Default false. */
  readonly samplesAhead?: boolean;
  readonly client: ClientOptions;
}

/** How often an operation without side effects is tried. */
const TRIES = 3;

export class TinkerEngine implements Engine {
  readonly name = 'tinker';
  private live: Live | undefined;
  private lost: string | undefined;
  /** Path of the reference policy's weights on the server. */
  private reference: string | null = null;

  private constructor(
    private readonly options: TinkerEngineOptions,
    private readonly client: TinkerClient,
    private readonly traits: ServerTraits & { readonly reduction: Reduction },
  ) {}

  /** @throws TinkerError for a server that cannot be reached; EngineError for one that lacks the model */
  static async open(options: TinkerEngineOptions): Promise<TinkerEngine> {
    const { baseModel, signal } = options;
    const client = new TinkerClient(options.client);
    const models = await client.models({ signal });
    // Servers accept any name and train the model that they have.
    if (!models.includes(baseModel)) {
      const names = models.length > 0 ? models.join(', ') : 'none';
      throw new EngineError(
        `engine.base_model: expected a model of ${client.transport.server} (${names}), got ${baseModel}`,
      );
    }
    const { reduction, clipsGradients = false, samplesAhead = false } = options;
    const questions = {
      reduction: reduction === undefined,
      clipping: clipsGradients,
      isolation: samplesAhead,
    };
    const answers = Object.values(questions).some(Boolean)
      ? await tried(async () => {
          const live = await Live.begin(client, options, signal);
          try {
            return await askServer(live, questions, signal);
          } finally {
            await live.end();
          }
        })
      : {};
    return new TinkerEngine(options, client, {
      ...answers,
      reduction: answers.reduction ?? reduction ?? 'mean',
    });
  }

  get capabilities(): Capabilities {
    return {
      forms: ['ppo', 'cispo'],
      asymmetricClipping: true,
      clipBound: false,
      kl: this.options.kl === 'advantages',
      referenceSync: false,
      entropyBonus: false,
      rescale: false,
      masks: true,
      watchers: true,
      allowedTokens: false,
      topK: false,
      topP: false,
      momentum: false,
      optimizers: ['adamw'],
      gradientClipping: this.traits.clips === true,
      temperature: false,
      contextLength: this.options.contextLength,
      optimizerState: true,
      otherSampler: true,
      importanceWeights: false,
      int8Sampling: false,
      sampleAhead: this.traits.isolates === true,
    };
  }

  async sample(requests: readonly SampleRequest[], options: SamplingOptions): ReturnType<Engine['sample']> {
    refuseUnsupported(options);
    for (const [i, request] of requests.entries()) checkRequest(request, i, options.maxTokens, this.options);
    if (requests.length === 0) return { completions: [], statistics: { sampledTokens: 0 } };
    const completions = await this.onServer(options.signal, async (live) => {
      const { sampler } = await live.sampler(options);
      return together(requests, options.signal, async ({ prompt, count, key }, signal) => {
        const request = {
          prompt,
          count,
          maxTokens: options.maxTokens,
          temperature: options.temperature,
          seed: new Stream(options.seed, 'tinker', ...key).int(2 ** 31 - 1),
          stop: options.stopTokens,
          ...(options.topK > 0 ? { topK: options.topK } : {}),
          topP: options.topP,
        };
        return (await sampler.sample(request, { signal })).map((row) => completion(row, options));
      });
    });
    const sampledTokens = completions.flat().reduce((n, { tokens }) => n + tokens.length, 0);
    return { completions, statistics: { sampledTokens } };
  }

  async update(batch: readonly TrainExample[], options: UpdateOptions): Promise<UpdateResult> {
    refuseUnsupported(options);
    const { form = 'ppo', klBeta } = options;
    const loss = this.lossName(form, options);
    return this.onServer(options.signal, async (live) => {
      const hasOld = batch.some(({ oldLogprobs }) => oldLogprobs !== undefined);
      // π_old is the policy itself: with its own log-probabilities the ratio is 1.
      const old = hasOld ? batch.map(oldOf) : await this.logprobs(live.model, batch, options);
      const clips = hasOld && form === 'ppo';
      const { reduction } = this.traits;
      const step = stepData(batch, old, { ...this.limits(reduction), clips, klBeta });
      // From here on the step is completed as a whole.
      options.signal?.throwIfAborted();
      const rows: Float32Array[] = [];
      for (const data of requestsOf(step.data)) {
        const part = hasOld ? { data, ...loss } : { data, loss: 'importance_sampling' as const };
        rows.push(...(await live.model.forwardBackward(part)).logprobs);
      }
      const now = home(batch, step, rows);
      const value = stepLoss(batch, old, now, clips, options);
      if (!Number.isFinite(value)) {
        // The server has already added the gradient, which would become part of the next step.
        this.lost = `the loss is ${value}`;
        throw new NotFiniteError(`the loss is ${value}; load the server's weights again`);
      }
      const metrics = await live.model.optimStep(this.adam(options));
      live.moved();
      const gradNorm = Object.entries(metrics).find(([name]) => name.endsWith('grad_norm'))?.[1];
      if (gradNorm !== undefined && !Number.isFinite(gradNorm)) {
        this.lost = `the gradient's norm is ${gradNorm}`;
        throw new NotFiniteError(`the gradient's norm is ${gradNorm}; load the server's weights again`);
      }
      const prompts = batch.reduce((n, { prompt }) => n + prompt.length, 0);
      return {
        logprobs: now,
        loss: value,
        gradNorm,
        treeTokens: batch.reduce((n, { tree }) => n + tree.distinctTokenCount, prompts),
        computedTokens: step.tokens,
        sent: { tokens: step.tokens, saved: step.saved },
      };
    });
  }

  private lossName(
    form: LossForm,
    { clipLow, clipHigh }: UpdateOptions,
  ): { loss: LossName; bounds: LossBounds } {
    if (form === 'gspo') throw new EngineError('form: expected ppo or cispo, got gspo');
    // CISPO's weight is only limited from above.
    const low = form === 'cispo' ? 0 : 1 - clipLow;
    return { loss: form, bounds: { clip_low_threshold: low, clip_high_threshold: 1 + clipHigh } };
  }

  private adam({ learningRate, maxGradNorm }: UpdateOptions): Parameters<TrainingModel['optimStep']>[0] {
    const { optimizer } = this.options;
    if (optimizer.name !== 'adamw') throw new EngineError(`optimizer: expected adamw, got ${optimizer.name}`);
    const { beta1, beta2, epsilon, weightDecay } = optimizer;
    return {
      learning_rate: learningRate,
      beta1,
      beta2,
      eps: epsilon,
      weight_decay: weightDecay,
      ...(maxGradNorm === null ? {} : { grad_clip_norm: maxGradNorm }),
    };
  }

  private limits(reduction: Reduction): { reduction: Reduction; contextLength: number } {
    // Completions consist of the server's own tokens; a tokenizer may know fewer than the model has.
    return { reduction, contextLength: this.options.contextLength };
  }

  /** ln π of each tree token, [examples][distinctTokenCount]. */
  private async logprobs(
    model: TrainingModel,
    batch: readonly TreeExample[],
    { signal }: Abortable,
  ): Promise<Float32Array[]> {
    const examples = batch.map(({ prompt, tree }): TrainExample => {
      const nothing = new Float64Array(tree.groupSize);
      return { prompt, tree, coefficients: lossCoefficients(tree, nothing, nothing, { lambdaExponent: 0 }) };
    });
    const zeros = batch.map(({ tree }) => new Float32Array(tree.distinctTokenCount));
    const step = stepData(examples, zeros, { ...this.limits('sum'), clips: false });
    const rows: Float32Array[] = [];
    for (const data of requestsOf(step.data)) {
      rows.push(...(await model.forward({ data, loss: 'importance_sampling' }, { signal })).logprobs);
    }
    const scores = home(batch, step, rows);
    const wrong = scores.flatMap((values) => [...values]).find((value) => !Number.isFinite(value));
    if (wrong !== undefined)
      throw new NotFiniteError(`ln π of a token is ${wrong}; the weights were not changed`);
    return scores;
  }

  async score(
    batch: readonly TreeExample[],
    policy: 'current' | 'reference',
    options: PolicyOptions,
  ): Promise<TreeScores> {
    refuseUnsupported(options);
    const { reference } = this;
    if (policy === 'reference' && reference === null)
      throw new EngineError('score: expected a reference policy, got none; call freezeReference first');
    return this.onServer(options.signal, async (live) => {
      const model =
        reference !== null && policy === 'reference'
          ? await live.referenceModel(reference, options)
          : live.model;
      return { logprobs: await this.logprobs(model, batch, options) };
    });
  }

  async freezeReference({ signal }: Abortable = {}): Promise<void> {
    this.reference = await this.onServer(signal, (live) => live.saveState({ signal }));
  }

  async syncReference(): Promise<void> {
    throw new EngineError('syncReference: this engine cannot update its reference policy');
  }

  /** Servers reset an optimizer's state only by loading weights without it. */
  async resetOptimizer({ signal }: Abortable = {}): Promise<void> {
    const path = await this.onServer(signal, (live) => live.saveState({ signal }));
    await this.restore(path, false, signal);
  }

  async save(store: Store, { signal }: Abortable = {}): Promise<void> {
    const { baseModel, lora } = this.options;
    const [state, sampler] = await this.onServer(signal, async (live) => [
      await live.saveState({ signal }),
      (await live.sampler({ signal })).path,
    ]);
    const { server } = this.client.transport;
    const { reference } = this;
    await writeSaved(store, { server, base_model: baseModel, rank: lora.rank, state, sampler, reference });
  }

  async load(store: Store, { signal }: Abortable = {}): Promise<void> {
    const saved = await readSavedOnServer(store);
    const { baseModel, lora } = this.options;
    if (saved.base_model !== baseModel || saved.rank !== lora.rank) {
      throw new EngineError(
        `${store.name}: expected an adapter of rank ${lora.rank} for ${baseModel}, got one of rank ${saved.rank} for ${saved.base_model}`,
      );
    }
    await this.restore(saved.state, true, signal);
    this.reference = saved.reference;
  }

  /** A new model with a saved state: some servers load only into a model without earlier requests. */
  private async restore(path: string, optimizer: boolean, signal?: AbortSignal): Promise<void> {
    await tried(async () => {
      if (this.lost !== undefined || !this.live?.isFresh) await this.leave();
      try {
        this.live ??= await Live.begin(this.client, this.options, signal);
        await this.live.model.loadState(path, { optimizer, signal });
        this.lost = undefined;
      } catch (error) {
        this.lost ??= (error as Error).message;
        throw error;
      }
    });
  }

  /** Discards the state on the server. */
  private async leave(): Promise<void> {
    const { live } = this;
    this.live = undefined;
    await live?.end();
  }

  async dispose(): Promise<void> {
    await this.leave();
  }

  /** @throws StateLostError once the server's state is lost or unknown */
  private async onServer<T>(signal: AbortSignal | undefined, work: (live: Live) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    if (this.lost !== undefined) throw new StateLostError(this.lost);
    this.live ??= await tried(() => Live.begin(this.client, this.options, signal));
    try {
      return await work(this.live);
    } catch (error) {
      if (!isLost(error)) throw error;
      this.lost = error.message;
      throw new StateLostError(error.message);
    }
  }
}

const isLost = (error: unknown): error is Error =>
  error instanceof UnknownOutcomeError || error instanceof LostError;

/** Repeats an operation without side effects if the server lost its state during it. */
async function tried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isLost(error) || attempt === TRIES) throw error;
    }
  }
}
