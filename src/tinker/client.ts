/**
 * A client of a Tinker API server: detects its wire format, sends calls, and waits for futures by long polling.
 * Sessions, models and samplers (their own files) are built on it. Needs only fetch and timers.
 */
import { z } from 'zod';
import type { EncodedRequest } from './codec.js';
import { describeDetail, LostError, TinkerError, UnknownOutcomeError } from './errors.js';
import { Slots, sleep } from './time.js';
import { isLost, Transport, type TransportOptions } from './transport.js';
import type { Wire } from './types.js';

export interface ClientOptions extends TransportOptions {
  /** Absent: detected by a request. */
  readonly wire?: Wire;
  /** Number of samples that are awaited at the same time; default 16. */
  readonly concurrency?: number;
  /** Duration of one long poll for a future, ms; default 45,000. */
  readonly hold?: number;
  /** Maximum total duration of a future, ms; default 1 h. */
  readonly patience?: number;
}

export interface Abortable {
  readonly signal?: AbortSignal;
}

/** The part of a session that models and samplers use. */
export interface OpenSession {
  readonly client: TinkerClient;
  readonly id: string;
  /** @throws LostError if the session has expired, or is about to */
  check(): void;
}

/** A call whose result comes as a future. */
export interface Job<T> extends EncodedRequest, Abortable {
  /** The server may receive it twice without harm: it has no effect, or the server recognises its number. */
  readonly repeatable: boolean;
  /** Its result must be known: if it is lost, the error is UnknownOutcomeError. */
  readonly changes: boolean;
  /** One of a model's requests, which are ordered: it does not wait for samples. */
  readonly ordered?: boolean;
  readonly read: (result: unknown) => T;
  /** Called once the server has accepted it. */
  readonly accepted?: (answer: Readonly<Record<string, unknown>>) => void;
}

const futureSchema = z.looseObject({ request_id: z.string().min(1) });
const capabilitiesSchema = z.object({ supported_models: z.array(z.object({ model_name: z.string() })) });

type Poll<T> = { readonly state: 'pending' } | { readonly state: 'done'; readonly result: T };

export class TinkerClient {
  readonly transport: Transport;
  private readonly slots: Slots;
  private readonly hold: number;
  private readonly patience: number;
  private readonly pause: number;
  private negotiated: Promise<Wire> | undefined;

  constructor({ wire, concurrency = 16, hold = 45_000, patience = 3_600_000, ...options }: ClientOptions) {
    this.transport = new Transport(options);
    this.slots = new Slots(concurrency);
    this.hold = hold;
    this.patience = patience;
    this.pause = options.pause ?? 500;
    if (wire !== undefined) this.negotiated = Promise.resolve(wire);
  }

  /** Names of the base models that the server has. */
  async models({ signal }: Abortable = {}): Promise<readonly string[]> {
    return this.transport.send({
      method: 'GET',
      path: 'get_server_capabilities',
      repeatable: true,
      read: (answer) => capabilitiesSchema.parse(answer).supported_models.map(({ model_name: name }) => name),
      signal,
    });
  }

  /**
   * An empty JSON body has no effect: a server of the protobuf wire refuses its type (415), a JSON server its content.
   */
  wire(options: Abortable = {}): Promise<Wire> {
    this.negotiated ??= this.ask(options).catch((error: unknown) => {
      this.negotiated = undefined;
      throw error;
    });
    return this.negotiated;
  }

  private ask({ signal }: Abortable): Promise<Wire> {
    return this.transport.send<Wire>({
      path: 'forward_backward',
      body: {},
      repeatable: true,
      read: () => {
        throw new TinkerError(
          this.transport.line('forward_backward', 'expected a refusal of an empty body, got 200'),
        );
      },
      status: (status) => {
        if (status === 415) return { value: 'protobuf' };
        return status === 400 || status === 422 ? { value: 'json' } : undefined;
      },
      signal,
    });
  }

  /**
   * The files of a snapshot (`saveSampler`), packed: a tar archive, compressed with gzip.
   * @param path on the server, as tinker://model/…
   */
  async archive(path: string, { signal }: Abortable = {}): Promise<Uint8Array> {
    const [, model, name] = /^tinker:\/\/([\w-]+(?::[\w-]+)*)\/([\w-]+(?:\/[\w-]+)?)$/.exec(path) ?? [];
    if (name === undefined) {
      throw new TinkerError(
        this.transport.line('archive', `expected a path as tinker://model/name, got '${path}'`),
      );
    }
    const read = (answer: unknown): Uint8Array | string => {
      if (!(answer instanceof Uint8Array)) throw new Error('expected bytes');
      return answer;
    };
    const call = { method: 'GET', repeatable: true, raw: true, read, signal } as const;
    const place = await this.transport.send<Uint8Array | string>({
      ...call,
      path: `training_runs/${model}/checkpoints/${name}/archive`,
      redirect: (url) => url,
    });
    if (typeof place !== 'string') return place;
    const { protocol } = new URL(place);
    if (protocol !== 'http:' && protocol !== 'https:') {
      throw new TinkerError(
        this.transport.line('archive', `expected a URL with http or https, got ${protocol}`),
      );
    }
    const bytes = await this.transport.send({ ...call, path: 'archive', url: place });
    return bytes as Uint8Array;
  }

  /** A call with an immediate answer. It may be repeated. */
  post<T>(
    path: string,
    body: Readonly<Record<string, unknown>>,
    schema: z.ZodType<T>,
    options: Abortable = {},
  ) {
    return this.transport.send<T>({
      path,
      body,
      repeatable: true,
      read: (answer) => schema.parse(answer),
      signal: options.signal,
    });
  }

  /** Sends a job and waits for its result. */
  run<T>(job: Job<T>): Promise<T> {
    const work = async (): Promise<T> => {
      const answer = await this.transport.send({ ...job, read: (body) => futureSchema.parse(body) });
      job.accepted?.(answer);
      return this.result(job, answer.request_id);
    };
    return job.ordered ? work() : this.slots.run(work, job.signal);
  }

  private async result<T>(job: Job<T>, requestId: string): Promise<T> {
    const started = Date.now();
    for (;;) {
      const polled = Date.now();
      const poll = await this.poll(job, requestId);
      if (poll.state === 'done') return poll.result;
      if (Date.now() - started > this.patience) {
        const line = this.transport.line(job.path, `no result in ${this.patience / 1000} s`);
        throw job.changes ? new UnknownOutcomeError(line) : new TinkerError(line);
      }
      // A server that does not hold polls is asked at most once per pause.
      await sleep(Math.max(0, this.pause - (Date.now() - polled)), job.signal);
    }
  }

  private async poll<T>(job: Job<T>, requestId: string): Promise<Poll<T>> {
    const failed = (status: number, body: unknown): never => {
      const detail = describeDetail(body) ?? 'no detail';
      const line = this.transport.line(job.path, `failed on the server: ${detail}`);
      throw isLost(status, detail) ? new LostError(line, status) : new TinkerError(line, status);
    };
    try {
      return await this.transport.send<Poll<T>>({
        path: 'retrieve_future',
        body: { request_id: requestId },
        repeatable: true,
        timeout: this.hold,
        held: () => ({ state: 'pending' }),
        status: (status, body) => {
          if (status === 408) return { value: { state: 'pending' } };
          return status === 400 ? failed(status, body) : undefined;
        },
        read: (body) => {
          const { type, error } = (body ?? {}) as { type?: unknown; error?: unknown };
          if (type === 'try_again') return { state: 'pending' };
          if (type === 'request_failed' || typeof error === 'string') return failed(400, body);
          return { state: 'done', result: job.read(body) };
        },
        signal: job.signal,
      });
    } catch (error) {
      // An HTTP status from the server is an answer; no response is not.
      const silent = error instanceof TinkerError && error.status === undefined;
      if (job.changes && silent && !(error instanceof LostError)) {
        throw new UnknownOutcomeError(`${error.message}; the result of ${job.path} is unknown`);
      }
      throw error;
    }
  }
}
