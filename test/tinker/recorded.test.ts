/**
 * Recorded traffic of real servers (SkyRL 0.3 with JSON, 0.4 with protobuf; recorded on loopback, reduced to one flow
 * each): our requests equal the recorded ones byte for byte, their answers are read, and both wire formats give the
 * same results.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Datum,
  decodeSample,
  decodeTraining,
  encodeTraining,
  ProtobufError,
  Session,
  TinkerClient,
  type TinkerError,
  type TrainingRequest,
  type Wire,
} from '../../src/tinker/index.js';

interface Recorded {
  readonly path: string;
  readonly request?: Readonly<Record<string, unknown>> & { readonly base64?: string };
  readonly status: number;
  readonly answer: Readonly<Record<string, unknown>> & { readonly base64?: string };
}

const recorded = (name: string): Recorded[] =>
  readFileSync(join(import.meta.dirname, `recorded-${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Recorded);

const content = ({ base64, ...rest }: Recorded['answer']): unknown =>
  base64 === undefined ? rest : new Uint8Array(Buffer.from(base64, 'base64'));

const flows: Readonly<Record<Wire, Recorded[]>> = { json: recorded('json'), protobuf: recorded('protobuf') };
const WIRES = ['json', 'protobuf'] as const;

/** The recorded answer to the call at a place: that of the poll after it. */
const answers = (wire: Wire, path: string): unknown[] =>
  flows[wire].flatMap((entry, i) => (entry.path === path ? [content(flows[wire][i + 1].answer)] : []));

interface JsonInput {
  readonly data: readonly {
    readonly model_input: { readonly chunks: readonly { readonly tokens: readonly number[] }[] };
    readonly loss_fn_inputs: Readonly<Record<string, { readonly data: readonly number[] }>>;
  }[];
  readonly loss_fn: TrainingRequest['loss'];
  readonly loss_fn_config?: TrainingRequest['bounds'];
}

/** Training requests of the JSON flow as our types. */
const jsonRequests = flows.json.flatMap(({ path, request }) => {
  if (path !== 'forward_backward' && path !== 'forward') return [];
  const input = (request?.forward_backward_input ?? request?.forward_input) as JsonInput;
  const data: Datum[] = input.data.map(({ model_input: { chunks }, loss_fn_inputs: inputs }) => ({
    tokens: Int32Array.from(chunks[0].tokens),
    targets: Int32Array.from(inputs.target_tokens.data),
    logprobs: Float32Array.from(inputs.logprobs.data),
    advantages: Float32Array.from(inputs.advantages.data),
    weights: Float32Array.from(inputs.weights.data),
  }));
  return [{ data, loss: input.loss_fn, bounds: input.loss_fn_config, forwardOnly: path === 'forward' }];
});

/** The other flow sent the same, with the log-probabilities that its own samples had (rounded otherwise). */
const protobufRequests = jsonRequests.map((request, step) => {
  if (request.forwardOnly) return request;
  const rows = decodeSample(answers('protobuf', 'asample')[step]);
  const data = request.data.map((datum, row) => {
    const logprobs = Float32Array.from(datum.logprobs);
    logprobs.set(rows[row].logprobs, logprobs.length - rows[row].logprobs.length);
    return { ...datum, logprobs };
  });
  return { ...request, data };
});
const requestsOf = { json: jsonRequests, protobuf: protobufRequests };

const bytesOf = ({ request }: Recorded): Buffer => Buffer.from(request?.base64 ?? '', 'base64');
/** A body without the number that follows the model's name (the flow counted its samples too). */
const unnumbered = (body: Buffer): Buffer => {
  const at = 2 + body[1];
  expect(body[at]).toBe(2 * 8);
  return Buffer.concat([body.subarray(0, at), body.subarray(at + 2)]);
};

describe('requests', () => {
  it('are those of the recorded flow, to the byte on the protobuf wire', () => {
    const bodies = flows.protobuf.filter(({ request }) => request?.base64 !== undefined).map(bytesOf);
    expect(bodies).toHaveLength(3);
    protobufRequests.forEach((request, i) => {
      const at = 2 + bodies[i][1];
      const modelId = bodies[i].subarray(2, at).toString();
      const { body, path } = encodeTraining({ ...request, modelId, seqId: bodies[i][at + 1] }, 'protobuf');
      expect(path).toBe('forward_backward');
      expect(Buffer.from(body as Uint8Array).equals(bodies[i]), `request ${i}`).toBe(true);
    });
  });

  it('are the same JSON on the JSON wire', () => {
    const bodies = flows.json.filter(({ path }) => path === 'forward_backward' || path === 'forward');
    jsonRequests.forEach((request, i) => {
      const { model_id: modelId, seq_id: seqId } = bodies[i].request as { model_id: string; seq_id: number };
      const { path, body } = encodeTraining({ ...request, modelId, seqId }, 'json');
      expect(path).toBe(bodies[i].path);
      expect(JSON.parse(JSON.stringify(body))).toEqual(bodies[i].request);
    });
  });
});

describe('answers', () => {
  it('to the same samples are the same on both wires', () => {
    const [json, protobuf] = WIRES.map((wire) => answers(wire, 'asample').map(decodeSample));
    expect(protobuf[0]).toHaveLength(8);
    json.forEach((sequences, i) => {
      sequences.forEach((sequence, row) => {
        expect(protobuf[i][row].stop).toBe(sequence.stop);
        expect([...protobuf[i][row].tokens]).toEqual([...sequence.tokens]);
        sequence.logprobs.forEach((p, t) => {
          expect(protobuf[i][row].logprobs[t]).toBeCloseTo(p, 4);
        });
      });
    });
  });

  it('to the same gradients are the same, and the log-probabilities are the sampler’s', () => {
    const [json, protobuf] = WIRES.map((wire) => answers(wire, 'forward_backward').map(decodeTraining));
    const samples = answers('json', 'asample').map(decodeSample);
    json.forEach(({ logprobs, losses }, i) => {
      expect(logprobs).toHaveLength(8);
      logprobs.forEach((row, k) => {
        expect(protobuf[i].logprobs[k]).toHaveLength(row.length);
        row.forEach((p, t) => {
          expect(protobuf[i].logprobs[k][t]).toBeCloseTo(p, 4);
          expect(protobuf[i].losses[k][t]).toBeCloseTo(losses[k][t], 4);
        });
        samples[i][k].logprobs.forEach((p, t) => {
          expect(row[row.length - samples[i][k].tokens.length + t]).toBeCloseTo(p, 5);
        });
      });
    });
  });

  it('that are cut anywhere are refused, or lack whole sequences: never other numbers', () => {
    const whole = answers('protobuf', 'asample')[0] as Uint8Array;
    const all = decodeSample(whole);
    for (let length = 0; length < whole.length; length++) {
      let sequences: typeof all;
      try {
        sequences = decodeSample(whole.subarray(0, length));
      } catch (error) {
        expect(error).toBeInstanceOf(ProtobufError);
        continue;
      }
      expect(sequences.length).toBeLessThan(all.length);
      expect(sequences).toEqual(all.slice(0, sequences.length));
    }
  });
});

let server: Server | undefined;
afterEach(() => server?.close());

async function serve(answer: (path: string, body: Buffer) => Pick<Recorded, 'status' | 'answer'>) {
  server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    let reply: Pick<Recorded, 'status' | 'answer'>;
    try {
      reply = answer(request.url?.replace('/api/v1/', '') ?? '', Buffer.concat(parts));
    } catch (error) {
      reply = { status: 418, answer: { detail: (error as Error).message } };
    }
    const { status, answer: body } = reply;
    const bytes =
      body.base64 === undefined ? Buffer.from(JSON.stringify(body)) : Buffer.from(body.base64, 'base64');
    const type = body.base64 === undefined ? 'application/json' : 'application/x-protobuf';
    response.writeHead(status, { 'content-type': type, 'content-length': bytes.length }).end(bytes);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe.each(WIRES)('the %s flow, replayed', (wire) => {
  it('is driven by our client, request for request', async () => {
    const rest = flows[wire].filter(({ path }) => path !== 'session_heartbeat' && path !== 'get_info');
    const url = await serve((path, body) => {
      if (path === 'forward_backward' && body.toString() === '{}') {
        return wire === 'json'
          ? { status: 422, answer: { detail: [] } }
          : { status: 415, answer: { detail: 'requires application/x-protobuf' } };
      }
      const next = rest.shift()!;
      expect(path).toBe(next.path);
      if (next.request?.base64 !== undefined) {
        expect(unnumbered(body).equals(unnumbered(bytesOf(next)))).toBe(true);
      } else {
        const {
          seq_id: _,
          sampling_session_seq_id: _s,
          sdk_version: _v,
          ...sent
        } = JSON.parse(body.toString());
        const { seq_id: _n, sampling_session_seq_id: _t, sdk_version: _w, ...expected } = next.request ?? {};
        expect(sent).toEqual(expected);
      }
      return next;
    });
    const requests = requestsOf[wire];
    const client = new TinkerClient({ url });
    expect(await client.wire()).toBe(wire);
    const session = await Session.open(client);
    const model = await session.createModel({ baseModel: '/path/run/tiny', rank: 4, seed: 7 });
    const adam = { learning_rate: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8 };
    const prompt = Int32Array.of(21, 14, 21, 32);
    for (let step = 0; ; step++) {
      const sampler = await session.sampler(await model.saveSampler(`a${step}`));
      const rows = await sampler.sample({ prompt, count: 8, maxTokens: 16, temperature: 1, seed: 11 });
      expect(rows).toHaveLength(8);
      if (step === 2) break;
      await model.forwardBackward(requests[step]);
      expect((await model.optimStep(adam))['skyrl.ai/grad_norm']).toBeGreaterThan(1);
    }
    expect(await model.saveState('state-a')).toMatch(/^tinker:\/\/model_\w+\/weights\/state-a$/);
    const { logprobs } = await model.forward(requests[2]);
    expect(logprobs).toHaveLength(1);
    expect(rest).toEqual([]);
    session.close();
  });
});

describe('recorded refusals', () => {
  const refusals = recorded('errors').filter(({ status }) => status < 500 && status !== 415);

  it('become one line with the server and its message', async () => {
    expect(refusals.length).toBeGreaterThan(30);
    for (const refusal of refusals) {
      const url = await serve(() => refusal);
      const client = new TinkerClient({ url, apiKey: 'secret-key', pause: 1, attempts: 2 });
      const error = await client.models().then(
        () => expect.fail('expected a refusal'),
        (reason: TinkerError) => reason,
      );
      const detail = refusal.answer.detail as string | { msg: string }[];
      expect(error.message).toContain(
        `Tinker server ${url}: get_server_capabilities: status ${refusal.status}: `,
      );
      expect(error.message).toContain((typeof detail === 'string' ? detail : detail[0].msg).slice(0, 60));
      expect(error.message).not.toMatch(/[\n\r]|secret-key/);
      expect(error.name).toBe(
        /not loaded|^(Session|Model|Future) not found/.test(String(detail)) ? 'LostError' : 'TinkerError',
      );
      server?.close();
    }
  });
});

describe('keys and addresses', () => {
  it.each([
    ['ftp://host', /expected http or https/],
    ['http://name:pass@host', /keys come from the environment/],
    ['nonsense', /expected http:\/\/host:port/],
  ])('%s is refused in one line that does not repeat it', (url, message) => {
    expect(() => new TinkerClient({ url })).toThrow(message);
    expect(() => new TinkerClient({ url })).not.toThrow(/pass@/);
  });

  it('a key that no header takes is not shown', () => {
    expect(() => new TinkerClient({ url: 'http://h', apiKey: 'top\nsecret' })).toThrow(
      /^API key .*without spaces$/,
    );
  });

  it('a server that repeats the key in its refusal does not get it into the message', async () => {
    const url = await serve(() => ({ status: 403, answer: { detail: 'key abc123 is not valid' } }));
    const refusal = new TinkerClient({ url, apiKey: 'abc123' }).models();
    await expect(refusal).rejects.toThrow(/status 403: key \*\*\* is not valid/);
  });
});
