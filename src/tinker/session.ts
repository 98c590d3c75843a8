/**
 * A session and its heartbeats. Servers let a session expire 300 s after the last heartbeat and silently unload its
 * models, but continue to answer heartbeats. So the interval between two heartbeats is measured here, and a session
 * that may have expired is refused before anything is sent.
 */
import { z } from 'zod';
import type { Abortable, OpenSession, TinkerClient } from './client.js';
import { LostError } from './errors.js';
import { Sampler } from './sampler.js';
import { type ModelOptions, TrainingModel } from './training-model.js';

export interface SessionOptions extends Abortable {
  /** Between two heartbeats, ms; default 30,000. */
  readonly every?: number;
  /** Longest interval that a session survives, ms; default 300,000. */
  readonly expiry?: number;
  /** The clock, ms; it must continue while the machine sleeps. */
  readonly now?: () => number;
  readonly tags?: readonly string[];
}

const sessionSchema = z.object({ session_id: z.string().min(1) });
const samplerSchema = z.object({ sampling_session_id: z.string().min(1) });

export class Session implements OpenSession {
  private readonly timer: ReturnType<typeof setInterval>;
  private readonly ending = new AbortController();
  private readonly expiry: number;
  private readonly now: () => number;
  private last: number;
  private lost: string | undefined;
  private models = 0;
  private samplers = 0;
  private beating = false;

  private constructor(
    readonly client: TinkerClient,
    readonly id: string,
    { every = 30_000, expiry = 300_000, now = Date.now }: SessionOptions,
  ) {
    this.now = now;
    this.expiry = expiry;
    this.last = now();
    this.timer = setInterval(() => void this.beat(), every);
    (this.timer as { unref?: () => void }).unref?.();
  }

  static async open(client: TinkerClient, options: SessionOptions = {}): Promise<Session> {
    const { session_id: id } = await client.post(
      'create_session',
      { tags: options.tags ?? [], user_metadata: null, sdk_version: 'lambda-grpo', type: 'create_session' },
      sessionSchema,
      options,
    );
    return new Session(client, id, options);
  }

  /** One heartbeat; if it is lost, the next one replaces it. */
  private async beat(): Promise<void> {
    if (this.beating || this.lost !== undefined) return;
    this.beating = true;
    try {
      const sent = this.now();
      const body = { session_id: this.id, type: 'session_heartbeat' };
      await this.client.post('session_heartbeat', body, z.unknown(), this.ending);
      if (sent - this.last >= this.expiry) {
        this.lost = `has had no heartbeat for ${Math.round((sent - this.last) / 1000)} s and has expired`;
      }
      this.last = sent;
    } catch (error) {
      if (error instanceof LostError) this.lost = 'is no longer known to the server';
    } finally {
      this.beating = false;
    }
  }

  /** @throws LostError if the session has expired, or is about to */
  check(): void {
    const silence = this.now() - this.last;
    if (this.lost === undefined && silence < 0.8 * this.expiry) return;
    const why = this.lost ?? `has had no heartbeat for ${Math.round(silence / 1000)} s and may have expired`;
    throw new LostError(this.client.transport.line(`session ${this.id}`, why));
  }

  /** A new model: LoRA on the server's base model. */
  async createModel(options: ModelOptions): Promise<TrainingModel> {
    this.check();
    return TrainingModel.create(this, this.models++, options);
  }

  /** Samples from saved weights. */
  async sampler(path: string, options: Abortable = {}): Promise<Sampler> {
    this.check();
    const { sampling_session_id: id } = await this.client.post(
      'create_sampling_session',
      {
        session_id: this.id,
        sampling_session_seq_id: this.samplers++,
        model_path: path,
        type: 'create_sampling_session',
      },
      samplerSchema,
      options,
    );
    return new Sampler(this, id);
  }

  /** Ends the heartbeats. */
  close(): void {
    clearInterval(this.timer);
    this.ending.abort(new LostError(this.client.transport.line(`session ${this.id}`, 'was closed')));
    this.lost ??= 'was closed';
  }
}
