/**
 * A server of the Tinker API with an exact model: a table of logits for each token given the previous token, trained by
 * gradients in closed form. It has the state machine of real servers: sessions, models, futures that can be fetched
 * again, gradients that accumulate until a step, and checkpoints that survive a restart while models do not. Request
 * numbers are ignored on the JSON wire and recognised on the protobuf wire. It has its own protobuf code.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Stream } from '../../src/random/stream.js';
import type { Wire } from '../../src/tinker/index.js';

/** What befalls a request. before/after: the server has not or has acted when it comes. */
export const FAULTS = [
  'drop-before',
  'drop-after',
  '429',
  '500-before',
  '502-after',
  'slow',
  'cut',
  'restart-before',
  'restart-after',
] as const;
export type Fault = 'none' | (typeof FAULTS)[number];

export interface Row {
  readonly tokens: readonly number[];
  readonly inputs: Readonly<Record<string, readonly number[]>>;
}

interface Model {
  /** Its place among the models that fit, from 1. */
  readonly place: number;
  weights: number[][];
  first: number[][];
  second: number[][];
  steps: number;
  gradients: { readonly row: number[][] }[];
  /** Requests since it was made. */
  requests: number;
  /** Marks of the gradients in each step that was taken: saved with the weights, so that a test can count them. */
  history: string[][];
  pending: string[];
}

type Saved = Pick<Model, 'weights' | 'first' | 'second' | 'steps' | 'history'>;
type Json = Record<string, unknown>;
class Refusal extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

export interface TableServerOptions {
  readonly wire: Wire;
  readonly vocabulary?: number;
  readonly reduction?: 'mean' | 'sum';
  readonly fault?: (path: string) => Fault;
  readonly baseModel?: string;
  /** How a request is named in `history`; absent: by the advantages of its first datum. */
  readonly mark?: (data: readonly Row[]) => string;
  /** It scales gradients down to `grad_clip_norm`; real servers ignore it. */
  readonly clips?: boolean;
  /** Sampling a snapshot leaves the weights that are trained as they are; real servers put the snapshot in their place. */
  readonly isolates?: boolean;
  /** New snapshots do not reach the sampler: it goes on with the first. */
  readonly stale?: boolean;
  /** Models that fit. */
  readonly most?: number;
  /** An archive for each snapshot, as export fetches it. */
  readonly archive?: () => Uint8Array;
}

const copy = <T>(value: T): T => structuredClone(value);
const softmax = (logits: readonly number[]): number[] => {
  const top = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - top));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
};

export class TableServer {
  url = '';
  readonly requests: string[] = [];
  readonly models = new Map<string, Model>();
  readonly checkpoints = new Map<string, Saved>();
  private readonly vocabulary: number;
  private readonly futures = new Map<
    string,
    { readonly status: number; readonly result: unknown; readonly as?: 'sample' | 'train' }
  >();
  private readonly numbers = new Map<string, { readonly id: string; readonly body: string }>();
  private readonly sessions = new Set<string>();
  private readonly samplers = new Map<string, string>();
  private readonly known = new Set<string>();
  /** What models left in their places. */
  private readonly places = new Map<number, Pick<Model, 'gradients' | 'pending'>>();
  private next = 1;
  /** Keys that came with requests. */
  readonly keys = new Set<string>();
  /** In the place of the options' faults. */
  fail: ((path: string) => Fault) | undefined;
  /** Log-probabilities of training are no numbers. */
  spoil = false;
  /** Samples that are asked for and not yet fetched, and the most there were. */
  private sampling = 0;
  mostAtOnce = 0;
  private firstSnapshot: string | undefined;
  private server: Server | undefined;
  /** Largest sample that was asked for, and rows that were trained: what a test may count. */
  trainedRows = 0;

  constructor(private readonly options: TableServerOptions) {
    this.vocabulary = options.vocabulary ?? 5;
  }

  async start(): Promise<this> {
    this.server = createServer((request, response) => void this.serve(request, response));
    await new Promise<void>((resolve) => this.server?.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => this.server?.close(resolve));
  }

  /** The engine's process is new: models are gone, what is on disk stays. */
  restart(): void {
    this.models.clear();
    this.places.clear();
  }

  /** Frees what runs that are over have left. */
  forget(): void {
    this.restart();
    this.futures.clear();
    this.numbers.clear();
    this.requests.length = 0;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const path = (request.url ?? '').replace('/api/v1/', '');
    this.requests.push(path);
    const fault = (this.fail ?? this.options.fault)?.(path) ?? 'none';
    if (path === 'asample') this.sampling++;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.sampling);
    const cut = (): void => {
      request.socket.destroy();
    };
    const plain = (status: number): void => {
      response.writeHead(status, { 'content-type': 'text/plain' }).end('busy');
    };
    if (fault === 'drop-before') return cut();
    if (fault === 'restart-before') {
      this.restart();
      return cut();
    }
    if (fault === '429' || fault === '500-before') return plain(Number(fault.slice(0, 3)));
    if (fault === 'slow') await new Promise((resolve) => setTimeout(resolve, 3));
    if (path.endsWith('/archive') && this.options.archive) {
      // As on real servers: what is asked for lies elsewhere.
      response
        .writeHead(302, { location: `/elsewhere${request.url?.replace('/archive', '/download')}` })
        .end();
      return;
    }
    if (path.startsWith('/elsewhere') && this.options.archive) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(this.options.archive());
      return;
    }
    this.keys.add(String(request.headers['x-api-key']));
    const { status, body, type } = this.answer(
      path,
      Buffer.concat(parts),
      request.headers['content-type'] ?? '',
    );
    if (fault === 'restart-after') this.restart();
    if (fault === 'drop-after' || fault === 'restart-after') return cut();
    if (fault === '502-after') return plain(502);
    response.writeHead(status, { 'content-type': type, 'content-length': body.length });
    if (fault === 'cut') response.write(body.subarray(0, body.length >> 1), cut);
    else response.end(body);
  }

  private answer(path: string, bytes: Buffer, type: string): { status: number; body: Buffer; type: string } {
    const json = (status: number, value: unknown) => ({
      status,
      body: Buffer.from(JSON.stringify(value)),
      type: 'application/json',
    });
    try {
      if (path === 'retrieve_future') {
        const future = this.futures.get((JSON.parse(bytes.toString()) as { request_id: string }).request_id);
        if (!future) return json(404, { detail: 'Future not found' });
        if (future.as === 'sample') this.sampling--;
        if (future.as && this.options.wire === 'protobuf') {
          const body = future.as === 'sample' ? sampleBytes(future.result) : trainBytes(future.result);
          return { status: 200, body, type: 'application/x-protobuf' };
        }
        return json(future.status, future.result);
      }
      return json(200, this.call(path, bytes, type));
    } catch (error) {
      if (error instanceof Refusal) return json(error.status, { detail: error.message });
      return json(500, { detail: String(error) });
    }
  }

  /** Work is done at once; its result waits in a future. */
  private future(work: () => unknown, as?: 'sample' | 'train', extra: Json = {}): Json {
    const id = String(this.next++);
    try {
      this.futures.set(id, { status: 200, result: work(), as });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.futures.set(id, { status: 400, result: { detail: error.message } });
    }
    return { future_id: id, status: 'pending', request_id: id, ...extra };
  }

  private loaded(id: string): Model {
    const model = this.models.get(id);
    if (!model) throw new Refusal(400, `Model ${id} not loaded (likely stale request from previous server)`);
    model.requests++;
    return model;
  }

  private call(path: string, bytes: Buffer, type: string): unknown {
    if (path === 'get_server_capabilities') {
      return { supported_models: [{ model_name: this.options.baseModel ?? 'table' }] };
    }
    const { wire } = this.options;
    if (path === 'forward_backward' || path === 'forward') {
      if (wire === 'protobuf' && path === 'forward') throw new Refusal(404, 'Not Found');
      if (wire === 'protobuf' && !type.includes('protobuf'))
        throw new Refusal(415, 'requires a protobuf body');
      return this.train(
        wire === 'protobuf' ? readTraining(bytes) : jsonTraining(bytes, path),
        bytes.toString('base64'),
      );
    }
    const body = JSON.parse(bytes.toString()) as Json;
    const id = String(body.model_id);
    if ('model_id' in body && !this.known.has(id)) throw new Refusal(404, 'Model not found');
    if ('session_id' in body && !this.sessions.has(String(body.session_id)))
      throw new Refusal(404, 'Session not found');
    switch (path) {
      case 'create_session': {
        const session = `session_${this.next++}`;
        this.sessions.add(session);
        return { session_id: session };
      }
      case 'session_heartbeat':
        return { type: path };
      case 'create_model': {
        const model = `model_${this.next++}`;
        const { seed = 0 } = body.lora_config as { seed?: number };
        const stream = new Stream(seed);
        const table = (value: () => number): number[][] =>
          Array.from({ length: this.vocabulary }, () => Array.from({ length: this.vocabulary }, value));
        const usedPlaces = new Set([...this.models.values()].map(({ place }) => place));
        let place = 1;
        while (usedPlaces.has(place)) place++;
        if (place > (this.options.most ?? Number.POSITIVE_INFINITY)) {
          return this.future(
            () => {
              throw new Refusal(400, `Maximum number of LoRA adapters (${this.options.most}) reached`);
            },
            undefined,
            { model_id: model },
          );
        }
        const { gradients, pending } = this.places.get(place) ?? { gradients: [], pending: [] };
        this.places.delete(place);
        this.known.add(model);
        this.models.set(model, {
          place,
          weights: table(() => stream.uniform() - 0.5),
          first: table(() => 0),
          second: table(() => 0),
          steps: 0,
          gradients,
          requests: 0,
          history: [],
          pending,
        });
        return this.future(() => ({ model_id: model }), undefined, { model_id: model });
      }
      case 'save_weights':
      case 'save_weights_for_sampler': {
        const place =
          path === 'save_weights' ? `tinker://${id}/weights/${body.path}` : `tinker://${id}/${body.path}`;
        if (this.checkpoints.has(place))
          throw new Refusal(409, `Checkpoint '${body.path}' already exists for model '${id}'`);
        return this.future(() => {
          const { weights, first, second, steps, history } = this.loaded(id);
          this.checkpoints.set(place, copy({ weights, first, second, steps, history }));
          return { path: place };
        });
      }
      case 'load_weights': {
        const saved = this.checkpoints.get(String(body.path));
        if (!saved) throw new Refusal(404, `Checkpoint not found: ${body.path}`);
        if (wire === 'protobuf' && (this.models.get(id)?.requests ?? 0) > 0) {
          throw new Refusal(400, 'LoadWeights is not permitted with seq_id 2');
        }
        return this.future(() => {
          const model = Object.assign(this.loaded(id), copy(saved));
          if (body.optimizer === false) {
            const zeros = (): number[][] => model.weights.map((line) => line.map(() => 0));
            Object.assign(model, { first: zeros(), second: zeros(), steps: 0 });
          }
          return {};
        });
      }
      case 'create_sampling_session': {
        const sampler = `sampling_${this.next++}`;
        this.samplers.set(sampler, String(body.model_path));
        return { sampling_session_id: sampler };
      }
      case 'asample':
        return this.future(() => this.sample(body), 'sample');
      case 'optim_step':
        return this.numbered(id, body.seq_id, bytes.toString('base64'), () =>
          this.future(() => this.step(this.loaded(id), body.adam_params as Record<string, number>)),
        );
      case 'unload_model': {
        const model = this.models.get(id);
        // As on real servers: gradients stay in the place, and the next model there has them.
        if (model) this.places.set(model.place, { gradients: model.gradients, pending: model.pending });
        this.models.delete(id);
        return this.future(() => ({ status: 'unloaded' }));
      }
      default:
        throw new Refusal(404, 'Not Found');
    }
  }

  /** The protobuf wire's servers answer a number that they know with the first one's future. */
  private numbered(model: string, number: unknown, body: string, work: () => Json): Json {
    if (this.options.wire === 'json') return work();
    const key = `${model} ${number}`;
    const before = this.numbers.get(key);
    if (before && before.body !== body) throw new Refusal(409, 'Training request sequence number was reused');
    if (before) return { future_id: before.id, status: 'pending', request_id: before.id };
    const future = work();
    this.numbers.set(key, { id: String(future.request_id), body });
    return future;
  }

  private train(request: Training, raw: string): unknown {
    if (!this.known.has(request.model)) throw new Refusal(404, 'Model not found');
    return this.numbered(request.model, request.number, raw, () =>
      this.future(() => {
        const model = this.loaded(request.model);
        const outputs = request.data.map((row) => this.row(model, row, request));
        if (!request.forwardOnly) {
          this.trainedRows += request.data.length;
          for (const { gradient } of outputs) model.gradients.push({ row: gradient });
          model.pending.push(
            this.options.mark?.(request.data) ?? JSON.stringify(request.data[0].inputs.advantages),
          );
        }
        return {
          loss_fn_outputs: outputs.map(({ logprobs, losses }) => ({
            logprobs: { data: logprobs },
            elementwise_loss: { data: losses },
          })),
          metrics: {},
        };
      }, 'train'),
    );
  }

  /** PPO's clipped loss (importance sampling: never clipped) of a sequence and its gradient in closed form. */
  private row(model: Model, { tokens, inputs }: Row, { loss, bounds }: Training) {
    const weights = inputs.weights;
    const total = weights.reduce((a, b) => a + b, 0);
    const share = this.options.reduction === 'sum' ? 1 : 1 / Math.max(total, 1e-12);
    const gradient = model.weights.map((line) => line.map(() => 0));
    const logprobs: number[] = [];
    const losses: number[] = [];
    tokens.forEach((token, t) => {
      const p = softmax(model.weights[token]);
      const target = inputs.target_tokens[t];
      const logprob = Math.log(p[target]);
      const ratio = Math.exp(logprob - inputs.logprobs[t]);
      const advantage = inputs.advantages[t];
      const bounded = loss === 'ppo' || loss === 'cispo';
      const low = bounded ? (bounds.clip_low_threshold ?? 0.8) : 0;
      const high = bounded ? (bounds.clip_high_threshold ?? 1.2) : Number.POSITIVE_INFINITY;
      const clipped = Math.min(Math.max(ratio, low), high);
      const free = ratio * advantage <= clipped * advantage;
      logprobs.push(this.spoil ? Number.NaN : logprob);
      // The factor of ∇ln π: cross-entropy's is 1, CISPO's the clipped ratio as a weight.
      const [factor, value] =
        loss === 'cross_entropy'
          ? [1, logprob]
          : loss === 'cispo'
            ? [clipped * advantage, clipped * advantage * logprob]
            : [free ? ratio * advantage : 0, Math.min(ratio * advantage, clipped * advantage)];
      losses.push(-weights[t] * value);
      if (weights[t] === 0) return;
      p.forEach((probability, other) => {
        gradient[token][other] -= share * weights[t] * factor * (Number(other === target) - probability);
      });
    });
    return { logprobs, losses, gradient };
  }

  private step(model: Model, adam: Record<string, number>): unknown {
    const { learning_rate: rate = 1e-4, beta1 = 0.9, beta2 = 0.95, eps = 1e-12 } = adam;
    const count = this.options.reduction === 'sum' ? 1 : Math.max(1, model.gradients.length);
    const whole = model.weights.map((line, i) =>
      line.map((_, j) => model.gradients.reduce((sum, { row }) => sum + row[i][j], 0) / count),
    );
    const norm = Math.hypot(...whole.flat());
    const most = this.options.clips && adam.grad_clip_norm > 0 ? adam.grad_clip_norm : norm;
    const gradient = whole.map((line) => line.map((g) => (norm > most ? (g * most) / norm : g)));
    model.steps++;
    model.history.push(model.pending);
    model.pending = [];
    model.gradients = [];
    gradient.forEach((line, i) => {
      line.forEach((g, j) => {
        model.first[i][j] = beta1 * model.first[i][j] + (1 - beta1) * g;
        model.second[i][j] = beta2 * model.second[i][j] + (1 - beta2) * g * g;
        const [first, second] = [
          model.first[i][j] / (1 - beta1 ** model.steps),
          model.second[i][j] / (1 - beta2 ** model.steps),
        ];
        model.weights[i][j] -= (rate * first) / (Math.sqrt(second) + eps);
      });
    });
    this.lastGradient = gradient;
    return {
      metrics: { 'skyrl.ai/grad_norm': norm, 'skyrl.ai/learning_rate': rate },
    };
  }

  /** Gradient of the latest step, [token][next token]. */
  lastGradient: number[][] = [];

  private sample(body: Json): unknown {
    const sampler = this.samplers.get(String(body.sampling_session_id));
    this.firstSnapshot ??= sampler;
    const place = this.options.stale ? this.firstSnapshot : sampler;
    const saved = place === undefined ? undefined : this.checkpoints.get(place);
    if (!saved || place === undefined) throw new Refusal(404, 'Sampling session not found');
    // As on real servers: sampling puts the snapshot's weights into the model.
    const model = this.loaded(place.split('/')[2]);
    const { weights } = saved;
    if (!this.options.isolates && !this.options.stale) model.weights = copy(weights);
    const params = body.sampling_params as {
      max_tokens: number;
      seed: number;
      temperature: number;
      stop?: number[];
    };
    const { chunks } = body.prompt as { chunks: { tokens: number[] }[] };
    const prompt = chunks.flatMap(({ tokens }) => tokens);
    return {
      sequences: Array.from({ length: Number(body.num_samples) }, (_, sample) => {
        const stream = new Stream(params.seed, sample);
        const tokens: number[] = [];
        const logprobs: number[] = [];
        let last = prompt[prompt.length - 1];
        let stop = 'length';
        while (tokens.length < params.max_tokens && stop === 'length') {
          const p = softmax(weights[last]);
          let left = stream.uniform();
          let token = p.findIndex((share) => {
            left -= share;
            return left < 0;
          });
          if (params.temperature === 0) token = p.indexOf(Math.max(...p));
          if (token < 0) token = p.length - 1;
          tokens.push(token);
          logprobs.push(Math.log(p[token]));
          last = token;
          if (params.stop?.includes(token)) stop = 'stop';
        }
        return { stop_reason: stop, tokens, logprobs };
      }),
    };
  }
}

interface Training {
  readonly model: string;
  readonly number: unknown;
  readonly data: readonly Row[];
  readonly loss: string;
  readonly bounds: Readonly<Record<string, number>>;
  readonly forwardOnly: boolean;
}

function jsonTraining(bytes: Buffer, path: string): Training {
  const body = JSON.parse(bytes.toString()) as Json;
  const input = (body.forward_backward_input ?? body.forward_input) as {
    data: {
      model_input: { chunks: { tokens: number[] }[] };
      loss_fn_inputs: Record<string, { data: number[] }>;
    }[];
    loss_fn: string;
    loss_fn_config?: Record<string, number>;
  };
  if (!input) throw new Refusal(422, 'Field required');
  return {
    model: String(body.model_id),
    number: body.seq_id,
    data: input.data.map((datum) => ({
      tokens: datum.model_input.chunks.flatMap(({ tokens }) => tokens),
      inputs: Object.fromEntries(
        Object.entries(datum.loss_fn_inputs).map(([name, { data }]) => [name, data]),
      ),
    })),
    loss: input.loss_fn,
    bounds: input.loss_fn_config ?? {},
    forwardOnly: path === 'forward',
  };
}

/** Fields of a protobuf message: [number, value], bytes or a whole number or a double. */
function parse(bytes: Buffer): [number, Buffer | number][] {
  const fields: [number, Buffer | number][] = [];
  let at = 0;
  const varint = (): number => {
    let [value, shift] = [0, 1];
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 127) * shift;
      if (byte < 128) return value;
      shift *= 128;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if ((tag & 7) === 0) fields.push([tag >> 3, varint()]);
    else if ((tag & 7) === 1) {
      fields.push([tag >> 3, bytes.readDoubleLE(at)]);
      at += 8;
    } else {
      const length = varint();
      fields.push([tag >> 3, bytes.subarray(at, at + length)]);
      at += length;
    }
  }
  return fields;
}
const get = (fields: [number, Buffer | number][], number: number) =>
  fields.findLast(([n]) => n === number)?.[1];
const buffers = (fields: [number, Buffer | number][], number: number): Buffer[] =>
  fields.filter(([n]) => n === number).map(([, value]) => value as Buffer);

function readTraining(bytes: Buffer): Training {
  const message = parse(bytes);
  return {
    model: String(get(message, 1)),
    number: get(message, 2),
    loss: String(get(message, 4)),
    forwardOnly: get(message, 6) === 1,
    bounds: Object.fromEntries(
      buffers(message, 5).map((entry) => [String(get(parse(entry), 1)), get(parse(entry), 2) as number]),
    ),
    data: buffers(message, 3).map((datum) => {
      const fields = parse(datum);
      const chunk = parse(parse(get(fields, 1) as Buffer)[0][1] as Buffer)[0][1] as Buffer;
      const inputs = buffers(fields, 2).map((entry) => {
        const tensor = parse(get(parse(entry), 2) as Buffer);
        const data = get(tensor, 1) as Buffer;
        const wide = get(tensor, 3) === 2;
        const size = wide ? 8 : 4;
        return [
          String(get(parse(entry), 1)),
          Array.from({ length: data.length / size }, (_, i) =>
            wide ? Number(data.readBigInt64LE(8 * i)) : data.readFloatLE(4 * i),
          ),
        ] as const;
      });
      return {
        tokens: Array.from({ length: chunk.length / 4 }, (_, i) => chunk.readInt32LE(4 * i)),
        inputs: Object.fromEntries(inputs),
      };
    }),
  };
}

const varint = (value: number): Buffer =>
  value < 128
    ? Buffer.of(value)
    : Buffer.concat([Buffer.of((value % 128) + 128), varint(Math.floor(value / 128))]);
const whole = (field: number, value: number): Buffer => Buffer.concat([varint(field * 8), varint(value)]);
const nested = (field: number, ...parts: Buffer[]): Buffer => {
  const bytes = Buffer.concat(parts);
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes]);
};
const floats = (values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);
const longs = (values: readonly number[]): Buffer =>
  Buffer.from(BigInt64Array.from(values.map(BigInt)).buffer);

function sampleBytes(result: unknown): Buffer {
  const { sequences } = result as {
    sequences: { stop_reason: string; tokens: number[]; logprobs: number[] }[];
  };
  return Buffer.concat(
    sequences.map(({ stop_reason: reason, tokens, logprobs }) =>
      nested(
        1,
        ...(reason === 'length' ? [whole(1, 1)] : []),
        nested(2, Buffer.from(Int32Array.from(tokens).buffer)),
        nested(3, floats(logprobs)),
      ),
    ),
  );
}

function trainBytes(result: unknown): Buffer {
  const { loss_fn_outputs: outputs } = result as {
    loss_fn_outputs: Record<'logprobs' | 'elementwise_loss', { data: number[] }>[];
  };
  const column = (name: 'logprobs' | 'elementwise_loss'): Buffer => {
    const lengths = outputs.map((output) => output[name].data.length);
    const offsets = [0, ...lengths.map((_, i) => 4 * lengths.slice(0, i + 1).reduce((a, b) => a + b, 0))];
    const tensor = [
      nested(1, floats(outputs.flatMap((output) => output[name].data))),
      nested(2, longs(offsets)),
      whole(3, 1),
    ];
    return nested(2, nested(1, Buffer.from(name)), nested(2, ...tensor));
  };
  return nested(2, column('elementwise_loss'), column('logprobs'), whole(3, outputs.length));
}
