/**
 * Both wire formats behind one pair of functions: a training request as a body, an answer as typed data. JSON is that
 * of SkyRL 0.3 (and of the official client until 0.24), protobuf that of the API since 0.25: nine messages, whose field
 * numbers are defined only here.
 */
import { z } from 'zod';
import {
  Fields,
  fromBytes,
  Message,
  type NumberType,
  ProtobufError,
  SIZES,
  TYPES,
  toBytes,
} from './protobuf.js';
import type { Datum, SampledSequence, TrainingAnswer, TrainingRequest, Wire } from './types.js';

/** A request to train, ready to be sent. */
export interface EncodedRequest {
  /** Below /api/v1/. */
  readonly path: string;
  readonly body: Uint8Array | Readonly<Record<string, unknown>>;
}

/** Arrays of a datum by their names on the wire, in the order of writing. */
const INPUTS = (datum: Datum): [string, ArrayLike<number>, NumberType][] => [
  ['target_tokens', datum.targets, 'int64'],
  ['logprobs', datum.logprobs, 'float32'],
  ['advantages', datum.advantages, 'float32'],
  ['weights', datum.weights, 'float32'],
];

export function encodeTraining(request: TrainingRequest, wire: Wire): EncodedRequest {
  return wire === 'json' ? encodeJson(request) : { path: 'forward_backward', body: encodeProtobuf(request) };
}

function encodeJson({ modelId, seqId, data, loss, bounds, forwardOnly }: TrainingRequest): EncodedRequest {
  const input = {
    data: data.map((datum) => ({
      model_input: { chunks: [{ type: 'encoded_text', tokens: Array.from(datum.tokens) }] },
      loss_fn_inputs: Object.fromEntries(
        INPUTS(datum).map(([name, values, dtype]) => [
          name,
          { data: Array.from(values), dtype, shape: [values.length] },
        ]),
      ),
    })),
    loss_fn: loss,
    ...(bounds ? { loss_fn_config: bounds } : {}),
  };
  return forwardOnly
    ? { path: 'forward', body: { model_id: modelId, forward_input: input } }
    : { path: 'forward_backward', body: { model_id: modelId, seq_id: seqId, forward_backward_input: input } };
}

function encodeProtobuf({ modelId, seqId, data, loss, bounds, forwardOnly }: TrainingRequest): Uint8Array {
  const request = new Message().bytes(1, modelId).number(2, seqId);
  for (const datum of data) {
    const text = new Message().bytes(1, toBytes(datum.tokens, 'int32'));
    const message = new Message().bytes(1, new Message().bytes(1, text));
    for (const [name, values, type] of INPUTS(datum)) {
      const tensor = new Message().bytes(1, toBytes(values, type)).number(3, TYPES[type]);
      message.bytes(2, new Message().bytes(1, name).bytes(2, tensor.packed(4, [values.length])));
    }
    request.bytes(3, message);
  }
  request.bytes(4, loss);
  for (const [name, value] of Object.entries(bounds ?? {})) {
    request.bytes(5, new Message().bytes(1, name).double(2, value));
  }
  if (forwardOnly) request.number(6, 1);
  return request.encode();
}

/** Numbers; values that are not numbers become null. */
const metrics = z.record(z.string(), z.number().nullable()).nullish();
const numbers = z.array(
  z
    .number()
    .nullable()
    .transform((value) => value ?? Number.NaN),
);
const ids = z.array(z.int().min(0));

const trainingJson = z.object({
  loss_fn_outputs: z.array(
    z.object({
      logprobs: z.object({ data: numbers }),
      elementwise_loss: z.object({ data: numbers }).optional(),
    }),
  ),
  metrics,
});

const sampleJson = z.object({
  sequences: z.array(
    z.object({ stop_reason: z.string().nullish(), tokens: ids, logprobs: numbers.nullish() }),
  ),
});

const finite = (record: Readonly<Record<string, number | null>> | null | undefined): Record<string, number> =>
  Object.fromEntries(Object.entries(record ?? {}).map(([key, value]) => [key, value ?? Number.NaN]));

export const readMetrics = (record: Parameters<typeof finite>[0]): Record<string, number> => finite(record);

/** @param answer bytes of a protobuf answer, or a parsed JSON answer */
export function decodeTraining(answer: unknown): TrainingAnswer {
  if (answer instanceof Uint8Array) return decodeTrainingProtobuf(answer);
  const { loss_fn_outputs: outputs, metrics: record } = trainingJson.parse(answer);
  return {
    logprobs: outputs.map(({ logprobs }) => Float32Array.from(logprobs.data)),
    losses: outputs.map(({ elementwise_loss: loss }) => Float32Array.from(loss?.data ?? [])),
    metrics: finite(record),
  };
}

function decodeTrainingProtobuf(bytes: Uint8Array): TrainingAnswer {
  const answer = new Fields(bytes);
  const logprobs: Float32Array[] = [];
  const losses: Float32Array[] = [];
  for (const batch of answer.all(2).map((record) => new Fields(record))) {
    const count = batch.number(3);
    const columns = new Map(
      batch.all(2).map((bytes) => {
        const entry = new Fields(bytes);
        return [entry.text(1), rows(entry.bytes(2) ?? new Uint8Array(), count)];
      }),
    );
    const column = columns.get('logprobs');
    if (count > 0 && column === undefined) throw new ProtobufError('expected log-probabilities, got none');
    for (let row = 0; row < count; row++) {
      logprobs.push(column![row]);
      losses.push(columns.get('elementwise_loss')?.[row] ?? new Float32Array());
    }
  }
  const entries = answer.all(3).map((bytes) => new Fields(bytes));
  return {
    logprobs,
    losses,
    metrics: Object.fromEntries(entries.map((entry) => [entry.text(1), entry.number(2)])),
  };
}

/** Rows of a batched tensor: its numbers, split at its offsets (in bytes; the last row ends at the end). */
function rows(bytes: Uint8Array, count: number): Float32Array[] {
  const tensor = new Fields(bytes);
  const type = (Object.keys(TYPES) as NumberType[]).find((name) => TYPES[name] === tensor.number(3));
  if (type === undefined) throw new ProtobufError(`expected a type of 1, 2 or 3, got ${tensor.number(3)}`);
  const values = fromBytes(tensor.bytes(1) ?? new Uint8Array(), type);
  const offsets = fromBytes(tensor.bytes(2) ?? new Uint8Array(), 'int64').map(
    (offset) => offset / SIZES[type],
  );
  if (offsets.length !== count && offsets.length !== count + 1) {
    throw new ProtobufError(`expected offsets of ${count} rows, got ${offsets.length}`);
  }
  return Array.from({ length: count }, (_, row) => {
    const [from, to] = [offsets[row], offsets[row + 1] ?? values.length];
    if (!(Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= values.length)) {
      throw new ProtobufError(`expected rows inside ${values.length} numbers, got ${from} to ${to}`);
    }
    return Float32Array.from(values.slice(from, to));
  });
}

/** @param answer bytes of a protobuf answer, or a parsed JSON answer */
export function decodeSample(answer: unknown): SampledSequence[] {
  const sequences =
    answer instanceof Uint8Array
      ? new Fields(answer).all(1).map((bytes) => {
          const sequence = new Fields(bytes);
          return {
            stop: sequence.number(1) === 0 ? ('stop' as const) : ('length' as const),
            tokens: fromBytes(sequence.bytes(2) ?? new Uint8Array(), 'int32'),
            logprobs: fromBytes(sequence.bytes(3) ?? new Uint8Array(), 'float32'),
          };
        })
      : sampleJson.parse(answer).sequences.map(({ stop_reason: reason, tokens, logprobs }) => ({
          stop: reason === 'length' ? ('length' as const) : ('stop' as const),
          tokens,
          logprobs: logprobs ?? [],
        }));
  return sequences.map(({ stop, tokens, logprobs }) => {
    if (tokens.length !== logprobs.length) {
      throw new ProtobufError(`expected ${tokens.length} log-probabilities, got ${logprobs.length}`);
    }
    return { stop, tokens: Int32Array.from(tokens), logprobs: Float32Array.from(logprobs) };
  });
}
