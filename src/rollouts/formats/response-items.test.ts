/**
 * Items of the Responses API as NeMo-Gym logs them: an item has the same text in a request's input and in a response's
 * output. Expected texts are written by hand from the API's description of each type.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBoth as readRollouts } from '../../../test/read-both.js';
import type { Group } from '../index.js';
import type { JsonObject } from '../values.js';
import { itemPieces } from './response-items.js';

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'items-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Rollout {
  readonly input?: unknown;
  readonly output?: unknown;
  readonly request?: object;
  readonly more?: object;
}

async function read(rollouts: readonly Rollout[], notes: string[] = []): Promise<Group[]> {
  const file = join(folder, `${count++}.jsonl`);
  const rows = rollouts.map(({ input, output = [], request = {}, more = {} }, i) => ({
    responses_create_params: { ...(input === undefined ? {} : { input }), ...request },
    response: { output },
    reward: i % 2,
    _ng_task_index: 0,
    ...more,
  }));
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const groups: Group[] = [];
  for await (const group of readRollouts(file, { onNote: ({ message }) => notes.push(message) }))
    groups.push(group);
  return groups;
}
const answer = (text: string, more: object = {}) => ({
  ...{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] },
  ...more,
});

/** Item, its text, its author; null: the model says nothing. */
const ITEMS: readonly [name: string, item: JsonObject, pieces: readonly [string, string, boolean][]][] = [
  ['a message with a text', { type: 'message', role: 'user', content: 'hi' }, [['user', 'hi', false]]],
  ['a message without a type', { role: 'developer', content: 'rules' }, [['developer', 'rules', false]]],
  [
    'a message with parts',
    {
      type: 'message',
      role: 'user',
      content: [
        { type: 'input_text', text: 'see ' },
        { type: 'input_image', image_url: 'data:x' },
      ],
    },
    [['user', 'see [input_image]', false]],
  ],
  ['a message without content', { role: 'assistant', content: null }, [['assistant', '', true]]],
  [
    'an answer',
    {
      type: 'message',
      role: 'assistant',
      id: 'm1',
      status: 'completed',
      content: [{ type: 'output_text', text: 'a' }],
    },
    [['assistant', 'a', true]],
  ],
  [
    'a refusal',
    { type: 'message', role: 'assistant', content: [{ type: 'refusal', refusal: 'I will not.' }] },
    [['assistant', 'I will not.', true]],
  ],
  [
    'a chat message with tool calls',
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c', function: { name: 'f', arguments: '{"a":1}' } }],
    },
    [['assistant', 'f({"a":1})', true]],
  ],
  [
    'reasoning in a summary',
    { type: 'reasoning', id: 'r', summary: [{ type: 'summary_text', text: 'so' }] },
    [['assistant', '<think>so</think>', true]],
  ],
  [
    'reasoning in its own words, before their summary',
    {
      type: 'reasoning',
      summary: [{ type: 'summary_text', text: 'short' }],
      content: [{ type: 'reasoning_text', text: 'long' }],
    },
    [['assistant', '<think>long</think>', true]],
  ],
  [
    'encrypted reasoning',
    { type: 'reasoning', summary: [], encrypted_content: 'gAAA' },
    [['assistant', '<think></think>', true]],
  ],
  [
    'a function call',
    { type: 'function_call', name: 'f', arguments: '{"a":1}', call_id: 'c1', id: 'i', status: 'completed' },
    [['assistant', 'f({"a":1})', true]],
  ],
  [
    'a function call with an object',
    { type: 'function_call', name: 'f', arguments: { a: 1 } },
    [['assistant', 'f({"a":1})', true]],
  ],
  [
    'what a function gave',
    { type: 'function_call_output', call_id: 'c1', output: 'rain' },
    [['tool', 'rain', false]],
  ],
  [
    'what a function gave, in parts',
    { type: 'function_call_output', call_id: 'c1', output: [{ type: 'input_text', text: 'rain' }] },
    [['tool', 'rain', false]],
  ],
  [
    'what a function gave, an object',
    { type: 'function_call_output', call_id: 'c1', output: { rain: true } },
    [['tool', '{"rain":true}', false]],
  ],
  ['a custom tool', { type: 'custom_tool_call', name: 'py', input: '1+1' }, [['assistant', 'py(1+1)', true]]],
  ['what a custom tool gave', { type: 'custom_tool_call_output', output: '2' }, [['tool', '2', false]]],
  [
    'a web search',
    { type: 'web_search_call', id: 'w', status: 'completed', action: { type: 'search', query: 'x' } },
    [['assistant', 'web_search({"type":"search","query":"x"})', true]],
  ],
  [
    'code and what it printed',
    {
      type: 'code_interpreter_call',
      code: 'print(1)',
      container_id: null,
      outputs: [{ type: 'logs', logs: '1' }],
    },
    [
      ['assistant', 'code_interpreter(print(1))', true],
      ['tool', '[{"type":"logs","logs":"1"}]', false],
    ],
  ],
  [
    'a file search',
    { type: 'file_search_call', queries: ['a', 'b'], results: null },
    [['assistant', 'file_search(["a","b"])', true]],
  ],
  [
    'a step at a computer',
    { type: 'computer_call', call_id: 'c', action: { type: 'click', x: 1, y: 2 } },
    [['assistant', 'computer({"type":"click","x":1,"y":2})', true]],
  ],
  [
    'what the computer shows',
    {
      type: 'computer_call_output',
      call_id: 'c',
      output: { type: 'computer_screenshot', image_url: 'data:…' },
    },
    [['tool', '[computer_screenshot]', false]],
  ],
  [
    'an MCP call and its result',
    { type: 'mcp_call', server_label: 's', name: 'roll', arguments: '{}', output: '4' },
    [
      ['assistant', 'roll({})', true],
      ['tool', '4', false],
    ],
  ],
  [
    'a shell call',
    { type: 'local_shell_call', action: { type: 'exec', command: ['ls'] } },
    [['assistant', 'local_shell({"type":"exec","command":["ls"]})', true]],
  ],
  [
    'an image',
    { type: 'image_generation_call', result: 'iVBOR' },
    [
      ['assistant', 'image_generation()', true],
      ['tool', '[image]', false],
    ],
  ],
  ['a reference', { type: 'item_reference', id: 'x' }, [['tool', '[item_reference]', false]]],
  [
    'a call of a tool that does not exist yet',
    { type: 'teleport_call', id: 'x', target: 'moon' },
    [['assistant', 'teleport(moon)', true]],
  ],
];

describe('an item of the Responses API', () => {
  test.each(ITEMS)('%s', async (_, item, pieces) => {
    expect(itemPieces(item, 'f:1', 'item').map(({ role, text, sampled }) => [role, text, sampled])).toEqual(
      pieces,
    );
    // In the input it is a piece of the prompt, in the output a part of the completion, with the same text.
    const [asInput] = await read([{ input: [item], output: [answer('x')] }]);
    expect(asInput.prompt.text).toBe(pieces.map(([role, text]) => `${role}\n${text}\n`).join(''));
    const [asOutput] = await read([{ input: 'q', output: [answer('first '), item] }]);
    const expected = pieces
      .map(([role, text, sampled]) => (sampled ? text : `\n${role}\n${text}\n`))
      .join('');
    expect(asOutput.completions[0].text).toBe(`first ${expected}`);
    const [{ mask, tokens }] = asOutput.completions;
    const written = pieces.some(([, text, sampled]) => !sampled && text !== '');
    expect(mask === undefined).toBe(!written);
    expect(mask?.length ?? tokens.length).toBe(tokens.length);
  });

  test('that is none is a bad row, by list and place', async () => {
    const thrown = (rollout: Rollout) => read([rollout]).catch((error: Error) => error.message);
    expect(await thrown({ input: [{ type: 'dream', text: 'x' }], output: [answer('a')] })).toContain(
      ':1: responses_create_params.input[0].type: ',
    );
    expect(await thrown({ input: 'q', output: [{ type: 'dream' }] })).toContain(
      ':1: response.output[0].type: ',
    );
    expect(await thrown({ input: [7], output: [] })).toContain('responses_create_params.input[0]: ');
    expect(await thrown({ input: [{ content: 'x' }], output: [] })).toContain('input[0].role: ');
    expect(await thrown({ input: [{ type: 5 }], output: [] })).toContain('input[0].type: ');
  });
});

describe('a NeMo-Gym rollout', () => {
  test('has no input, a text or items; instructions are a text, parts, null or missing', async () => {
    const prompt = async (input: unknown, request: object = {}) =>
      (await read([{ input, request, output: [answer('a')] }]))[0].prompt.text;
    expect(await prompt(undefined)).toBe('');
    expect(await prompt(null)).toBe('');
    expect(await prompt([])).toBe('');
    expect(await prompt('ask')).toBe('ask');
    expect(await prompt('ask', { instructions: null })).toBe('ask');
    expect(await prompt('ask', { instructions: 'be brief' })).toBe('system\nbe brief\nask');
    expect(await prompt('ask', { instructions: [{ type: 'input_text', text: 'be brief' }] })).toBe(
      'system\nbe brief\nask',
    );
  });

  test('with a conversation in its input has the same prompt in all rollouts, and the answers as completions', async () => {
    const input = [
      { type: 'message', role: 'user', content: 'Weather in X?' },
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'look it up' }], id: 'r1' },
      { type: 'function_call', name: 'weather', arguments: '{"city":"X"}', call_id: 'c1' },
      { type: 'function_call_output', call_id: 'c1', output: 'rain' },
    ];
    const [group] = await read(['Rain.', 'Sun.'].map((text) => ({ input, output: [answer(text)] })));
    expect(group.prompt.text).toBe(
      'user\nWeather in X?\nassistant\n<think>look it up</think>\nassistant\nweather({"city":"X"})\ntool\nrain\n',
    );
    expect(group.completions.map(({ text }) => text)).toEqual(['Rain.', 'Sun.']);
    expect(group.completions.every(({ mask }) => mask === undefined)).toBe(true);
  });

  test('is exact where every call of the model has ids, else text: nothing sampled is missing', async () => {
    const ids = (prompt: number[], sampled: number[]) => ({
      prompt_token_ids: prompt,
      generation_token_ids: sampled,
    });
    const call = { type: 'function_call', name: 'f', arguments: '{}' };
    const back = { type: 'function_call_output', output: 'x' };
    const first = answer('go', ids([1], [2, 3]));
    const [whole] = await read([
      { input: 'q', output: [first, call, back, answer('end', ids([1, 2, 3, 9], [4]))] },
    ]);
    expect([whole.tokens, [...whole.completions[0].tokens], [...whole.completions[0].mask!]]).toEqual([
      'exact',
      [2, 3, 9, 4],
      [1, 1, 0, 1],
    ]);
    const thought = { type: 'reasoning', summary: [{ type: 'summary_text', text: 't' }] };
    const [thoughtful] = await read([{ input: 'q', output: [thought, first] }]);
    expect(thoughtful.tokens).toBe('exact');
    for (const output of [
      [first, call, back, answer('end')],
      [answer('begin'), back, first],
      [first, back, call, back, answer('end', ids([1, 2, 3, 9], [4]))],
    ]) {
      const [part] = await read([{ input: 'q', output }]);
      expect(part.tokens).toBe('text-units');
      expect(part.completions[0].text).toContain('go');
    }
  });

  test('whose reasoning is encrypted is read, with one note', async () => {
    const notes: string[] = [];
    const hidden = { type: 'reasoning', summary: [], encrypted_content: 'gAAA' };
    await read(
      [0, 1, 2].map(() => ({ input: 'q', output: [hidden, answer('a')] })),
      notes,
    );
    expect(notes).toEqual([
      'reasoning is logged only in encrypted form; it is read as empty, here and in similar rows',
    ]);
  });

  test('without a response is a bad row', async () => {
    await expect(read([{ input: 'q', more: { response: null } }])).rejects.toThrow(/:1: response: /);
    await expect(read([{ input: 'q', output: null }])).rejects.toThrow(/:1: response\.output: /);
  });
});
