/**
 * An engine's state on a server: a session, the model that is trained in it, the snapshot that is sampled, and the
 * model of the reference policy. It is discarded as a whole when the server loses it or another state is loaded.
 */
import {
  type Abortable,
  type Sampler,
  Session,
  type TinkerClient,
  TinkerError,
  type TrainingModel,
} from '../../tinker/index.js';

export interface LiveOptions {
  readonly baseModel: string;
  readonly lora: { readonly rank: number; readonly seed: number };
}

/**
 * A new model may get the slot of a model that ended between a gradient and its step, and inherit that gradient. So a
 * temporary model takes a step with learning rate 0, which clears the slot; the next model gets that slot, because
 * servers use the first free one.
 */
async function clear(model: TrainingModel, signal?: AbortSignal): Promise<void> {
  await model.optimStep({ learning_rate: 0, beta1: 0.9, beta2: 0.95, eps: 1e-8 }, { signal });
  await model.unload({ signal });
}

/** The error for a server without a free slot for a model, with advice. */
function full(error: unknown): unknown {
  if (!(error instanceof TinkerError) || !/maximum number of .*adapters/i.test(error.message)) return error;
  return new TinkerError(
    `${error.message}; the adapter slot of a killed run becomes free when its session expires, after 5 minutes; try again then, or start the server with more adapter slots`,
    error.status,
  );
}

/** Longest wait for a model to be unloaded, ms. */
const FAREWELL = 10_000;

export class Live {
  /** The model has had no request yet, so a state can be loaded into it. */
  isFresh = true;
  private snapshot: Promise<{ readonly path: string; readonly sampler: Sampler }> | undefined;
  private reference: { readonly path: string; readonly model: Promise<TrainingModel> } | undefined;
  private snapshots = 0;
  private states = 0;

  private constructor(
    private readonly session: Session,
    readonly trained: TrainingModel,
    private readonly options: LiveOptions,
  ) {}

  static async begin(client: TinkerClient, options: LiveOptions, signal?: AbortSignal): Promise<Live> {
    const session = await Session.open(client, { signal });
    try {
      const model = { baseModel: options.baseModel, ...options.lora, signal };
      await clear(await session.createModel(model), signal);
      return new Live(session, await session.createModel(model), options);
    } catch (error) {
      session.close();
      throw full(error);
    }
  }

  /** The model, for a request after which it is no longer fresh. */
  get model(): TrainingModel {
    this.isFresh = false;
    return this.trained;
  }

  /** The weights have changed: the next sampling needs a new snapshot. */
  moved(): void {
    this.snapshot = undefined;
  }

  /** Samples from the current weights. Every snapshot has a new name; older ones are never sampled again. */
  async sampler({ signal }: Abortable = {}): Promise<{ readonly path: string; readonly sampler: Sampler }> {
    if (this.snapshot) return this.snapshot;
    const begun = this.takeSnapshot(signal);
    this.snapshot = begun;
    begun.catch(() => {
      if (this.snapshot === begun) this.snapshot = undefined;
    });
    return begun;
  }

  private async takeSnapshot(signal?: AbortSignal): Promise<{ path: string; sampler: Sampler }> {
    const path = await this.model.saveSampler(`sampler-${++this.snapshots}`, { signal });
    return { path, sampler: await this.session.sampler(path, { signal }) };
  }

  /** Saves weights and optimizer. @returns the state's path */
  saveState(options: Abortable = {}): Promise<string> {
    return this.model.saveState(`state-${++this.states}`, options);
  }

  /** Loads the reference policy: the weights of a saved state, in a second model. */
  async referenceModel(path: string, { signal }: Abortable = {}): Promise<TrainingModel> {
    if (this.reference?.path !== path) {
      const begun = { path, model: this.loadReference(path, signal) };
      begun.model.catch(() => {
        if (this.reference === begun) this.reference = undefined;
      });
      this.reference = begun;
    }
    return this.reference.model;
  }

  private async loadReference(path: string, signal?: AbortSignal): Promise<TrainingModel> {
    const { baseModel, lora } = this.options;
    const model = await this.session.createModel({ baseModel, ...lora, signal });
    await model.loadState(path, { optimizer: false, signal });
    return model;
  }

  /** Unloads the models to free the server's memory, if the server answers. */
  async end(): Promise<void> {
    const signal = AbortSignal.timeout(FAREWELL);
    const reference = await this.reference?.model.catch(() => undefined);
    const models = [this.trained, ...(reference ? [reference] : [])];
    await Promise.all(models.map((model) => model.unload({ signal }).catch(() => undefined)));
    this.session.close();
  }

  /** Lets the session expire: the server has lost it or does not answer. */
  abandon(): void {
    this.session.close();
  }
}
