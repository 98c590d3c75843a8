/**
 * A model that is trained on the server: gradients accumulate over forward_backward calls until optim_step. Requests
 * are numbered. On the protobuf wire the server recognises a repeated number and returns the first request's future, so
 * requests are repeated until they are answered. On the JSON wire numbers are ignored and a repeated gradient would
 * count twice: there a lost answer is an UnknownOutcomeError, and this model takes no further step.
 */
import { z } from 'zod';
import type { Abortable, OpenSession } from './client.js';
import { decodeTraining, encodeTraining, readMetrics } from './codec.js';
import { LostError, TinkerError, UnknownOutcomeError } from './errors.js';
import { ProtobufError } from './protobuf.js';
import type { AdamParameters, TrainingAnswer, TrainingRequest } from './types.js';

export interface ModelOptions extends Abortable {
  readonly baseModel: string;
  /** LoRA's rank. */
  readonly rank: number;
  readonly seed?: number;
}

const createdSchema = z.looseObject({ model_id: z.string().min(1) });
const pathSchema = z.object({ path: z.string().min(1) });
const stepSchema = z.object({ metrics: z.record(z.string(), z.number().nullable()).nullish() });

/** Data of one call. */
export type TrainingInput = Pick<TrainingRequest, 'data' | 'loss' | 'bounds'>;

export class TrainingModel {
  private sequence = 1;
  /** Why this model accepts no further training request. */
  private broken: UnknownOutcomeError | LostError | undefined;
  private queue: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly session: OpenSession,
    readonly id: string,
  ) {}

  static async create(
    session: OpenSession,
    number: number,
    { baseModel, rank, seed, signal }: ModelOptions,
  ): Promise<TrainingModel> {
    let id = '';
    await session.client.run({
      path: 'create_model',
      body: {
        session_id: session.id,
        model_seq_id: number,
        base_model: baseModel,
        lora_config: { rank, ...(seed === undefined ? {} : { seed }) },
        type: 'create_model',
      },
      repeatable: true,
      changes: false,
      accepted: (answer) => {
        id = createdSchema.parse(answer).model_id;
      },
      read: () => null,
      signal,
    });
    return new TrainingModel(session, id);
  }

  /** Adds the gradient of the data's loss. @throws UnknownOutcomeError if it is unknown whether it was added */
  forwardBackward(input: TrainingInput, options: Abortable = {}): Promise<TrainingAnswer> {
    return this.train(input, false, options);
  }

  /** Computes only log-probabilities; changes nothing. */
  forward(input: TrainingInput, options: Abortable = {}): Promise<TrainingAnswer> {
    return this.train(input, true, options);
  }

  private train(input: TrainingInput, forwardOnly: boolean, { signal }: Abortable): Promise<TrainingAnswer> {
    return this.inTurn(
      async () => {
        const wire = await this.session.client.wire({ signal });
        const request = { modelId: this.id, seqId: this.sequence, ...input, forwardOnly };
        return this.session.client.run({
          ...encodeTraining(request, wire),
          ordered: true,
          repeatable: forwardOnly || wire === 'protobuf',
          changes: !forwardOnly,
          accepted: () => {
            if (!forwardOnly || wire === 'protobuf') this.sequence++;
          },
          read: (answer) => {
            const result = decodeTraining(answer);
            const misfit = input.data.findIndex(
              ({ targets }, i) => result.logprobs[i]?.length !== targets.length,
            );
            if (misfit >= 0 || result.logprobs.length !== input.data.length) {
              throw new ProtobufError('expected one log-probability for each target token of each datum');
            }
            return result;
          },
          signal,
        });
      },
      !forwardOnly,
      signal,
    );
  }

  /**
   * One step of Adam on the gradients since the last step. @throws UnknownOutcomeError if it is unknown whether it was
   * taken
   */
  optimStep(adam: AdamParameters, { signal }: Abortable = {}): Promise<Record<string, number>> {
    return this.inTurn(
      async () => {
        const wire = await this.session.client.wire({ signal });
        return this.session.client.run({
          path: 'optim_step',
          ordered: true,
          body: { model_id: this.id, seq_id: this.sequence, adam_params: { ...adam }, type: 'optim_step' },
          repeatable: wire === 'protobuf',
          changes: true,
          accepted: () => {
            this.sequence++;
          },
          read: (answer) => readMetrics(stepSchema.parse(answer).metrics),
          signal,
        });
      },
      true,
      signal,
    );
  }

  /**
   * Saves weights and optimizer for continuing. Each attempt uses another name, because after a lost answer the first
   * name may exist.
   * @returns the checkpoint's path on the server
   */
  saveState(name: string, options: Abortable = {}): Promise<string> {
    return this.save('save_weights', name, options);
  }

  /** Saves weights for sampling. @returns the path on the server */
  saveSampler(name: string, options: Abortable = {}): Promise<string> {
    return this.save('save_weights_for_sampler', name, options);
  }

  private save(path: string, name: string, { signal }: Abortable): Promise<string> {
    if (!/^[a-zA-Z0-9_-]+$/.test(name)) {
      throw new TinkerError(`name of a checkpoint: expected letters, digits, _ and -, got '${name}'`);
    }
    return this.inTurn(async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.session.client.run({
            path,
            ordered: true,
            body: { model_id: this.id, path: attempt === 1 ? name : `${name}-${attempt}`, type: path },
            repeatable: false,
            changes: true,
            read: (answer) => pathSchema.parse(answer).path,
            signal,
          });
        } catch (error) {
          if (!(error instanceof UnknownOutcomeError) || attempt === 5) throw withKnownOutcome(error);
        }
      }
    });
  }

  /** Loads weights and optimizer state from a saved path. Some servers allow this only as a model's first request. */
  async loadState(path: string, { optimizer = true, signal }: { optimizer?: boolean } & Abortable = {}) {
    await this.inTurn(() =>
      this.session.client.run({
        path: 'load_weights',
        ordered: true,
        body: { model_id: this.id, path, optimizer, type: 'load_weights' },
        repeatable: false,
        changes: true,
        read: () => null,
        signal,
      }),
    );
  }

  async unload({ signal }: Abortable = {}): Promise<void> {
    await this.session.client.run({
      path: 'unload_model',
      body: { model_id: this.id, type: 'unload_model' },
      repeatable: true,
      changes: false,
      read: () => null,
      signal,
    });
  }

  /** Runs training requests one after another, because their order matters. */
  private inTurn<T>(work: () => Promise<T>, changes = false, signal?: AbortSignal): Promise<T> {
    const result = this.queue.then(async () => {
      signal?.throwIfAborted();
      if (this.broken) throw this.broken;
      this.session.check();
      try {
        return await work();
      } catch (error) {
        if (error instanceof UnknownOutcomeError || error instanceof LostError) this.broken = error;
        // Cancelled while it was being processed: the server may continue with it.
        if (changes && signal?.aborted) {
          const line = this.session.client.transport.line(
            `model ${this.id}`,
            'a training request was cancelled halfway',
          );
          this.broken = new UnknownOutcomeError(line);
        }
        throw error;
      }
    });
    this.queue = result.catch(() => undefined);
    return result;
  }
}

/** A failed save leaves the model unchanged. */
const withKnownOutcome = (error: unknown): unknown =>
  error instanceof UnknownOutcomeError ? new TinkerError(error.message, error.status) : error;
