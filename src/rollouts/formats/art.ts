/**
 * ART: `trajectories/<split>/SSSS.parquet`, one trajectory per row with `group_index`. In version 2 `trajectory_json`
 * holds the data, and a group without trajectories leaves a marker row. Older logs: `SSSS.jsonl`, one group per line.
 * No tokens. The prompt consists of the messages before the first trained one.
 */
import { completionParts, promptParts } from '../messages.js';
import { lastName } from '../names.js';
import type { Sample } from '../sample.js';
import {
  asId,
  asList,
  asNumber,
  asObject,
  isObject,
  type Json,
  type JsonObject,
  messageOf,
  RolloutError,
} from '../values.js';
import type { Format } from './format.js';

export const art: Format = {
  name: 'art',
  uses: [],
  within: /([\\/]trajectories[\\/][^\\/]+)?[\\/][^\\/]+$/,
  open: ({ path, step: pathStep, columns }) => {
    const named = /^(\d+)\.(parquet|jsonl)/.exec(lastName(path));
    const step = named ? Number(named[1]) : pathStep;
    return {
      by: columns.length > 0 ? 'id' : 'row',
      read: (value, { line, where }) => {
        const row = asObject(value, where, 'the row');
        if (columns.length === 0) {
          const list = asList(row.trajectories, where, 'trajectories');
          return list.map((item, i) =>
            sampleOf(asObject(item, where, `trajectories[${i}]`), where, `trajectories[${i}].`, {
              step,
              line,
            }),
          );
        }
        if (row.trajectory_json === null || (row.messages === null && row.trajectory_json === undefined))
          return [];
        const trajectory =
          typeof row.trajectory_json === 'string' ? fromText(row.trajectory_json, where) : row;
        const group = asId(row.group_index, where, 'group_index');
        const reward = trajectory.reward ?? row.reward;
        return [sampleOf({ ...trajectory, reward }, where, '', { step, line, group })];
      },
    };
  },
};

function sampleOf(
  trajectory: JsonObject,
  where: string,
  before: string,
  at: Pick<Sample, 'step' | 'line' | 'group'>,
): Sample {
  const key = trajectory.messages === undefined ? 'messages_and_choices' : 'messages';
  const items = asList(trajectory[key], where, before + key).map((item) =>
    asObject(item, where, before + key),
  );
  // A sampled answer may be in the API's form: {finish_reason, message, …}.
  const messages = items.map((item) =>
    isObject(item.message) ? { ...item.message, trainable: true } : item,
  );
  const marked = messages.some(({ trainable }) => trainable === true);
  const trained = (message: JsonObject) =>
    marked ? message.trainable === true : message.role === 'assistant';
  const begin = messages.findIndex(trained);
  const split = begin < 0 ? messages.length : begin;
  const last = items.at(-1)?.finish_reason;
  return {
    ...at,
    prompt: { parts: promptParts(messages.slice(0, split), where, before + key) },
    parts: completionParts(messages.slice(split), where, before + key, trained),
    reward: asNumber(trajectory.reward, where, `${before}reward`),
    rewards: numbersOf(trajectory.metrics),
    ...(last === 'stop' || last === 'length' ? { stop: last } : {}),
  };
}

function fromText(text: string, where: string): JsonObject {
  try {
    return asObject(JSON.parse(text), where, 'trajectory_json');
  } catch (error) {
    if (error instanceof RolloutError) throw error;
    throw new RolloutError(`${where}: trajectory_json: is not JSON: ${messageOf(error)}`);
  }
}

function numbersOf(value: Json | undefined): Record<string, number> {
  const metrics = typeof value === 'string' ? safely(value) : value;
  const entries = isObject(metrics) ? Object.entries(metrics) : [];
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => Number.isFinite(entry[1])));
}

function safely(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
