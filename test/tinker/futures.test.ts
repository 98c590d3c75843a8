/** Futures by long polling: held, 408, try_again, both forms of failure, a result that never comes, many at once. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type ClientOptions, TinkerClient } from '../../src/tinker/index.js';

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** A server whose polls answer in turn: [status, body], or null to hold the request for good. The last is repeated. */
async function polled(polls: readonly ([number, unknown] | null)[], options: Partial<ClientOptions> = {}) {
  let count = 0;
  let open = 0;
  const seen = { polls: 0, most: 0 };
  server = createServer((request, response) => {
    const json = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    request.resume().on('end', () => {
      if (!request.url?.endsWith('retrieve_future')) {
        seen.most = Math.max(seen.most, ++open);
        return json(200, { request_id: '7' });
      }
      seen.polls++;
      const poll = polls[Math.min(count++, polls.length - 1)];
      if (poll === null) return undefined;
      if (poll[0] === 200) open--;
      return json(...poll);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new TinkerClient({ url, pause: 1, hold: 30, attempts: 3, ...options });
  const run = (changes = true, signal?: AbortSignal, ordered = false) =>
    client.run({
      path: 'optim_step',
      ordered,
      body: {},
      repeatable: false,
      changes,
      read: (answer) => answer,
      signal,
    });
  return { run, seen };
}

describe('a future', () => {
  it('is asked again after a held poll, 408, try_again and a busy server', async () => {
    const { run, seen } = await polled([
      null,
      [408, {}],
      [200, { type: 'try_again' }],
      [503, {}],
      [200, { ok: 1 }],
    ]);
    expect(await run()).toEqual({ ok: 1 });
    expect(seen.polls).toBe(5);
  });

  it.each([
    [
      400,
      { detail: 'Sequence length 99 exceeds max_length 32' },
      'TinkerError',
      'Sequence length 99 exceeds max_length 32',
    ],
    [200, { error: 'no\nroom', category: 'server' }, 'TinkerError', 'no room'],
    [200, { type: 'request_failed', error: 'bad', category: 'user' }, 'TinkerError', 'bad'],
    [400, { detail: 'Model m not loaded' }, 'LostError', 'Model m not loaded'],
    [404, { detail: 'Future not found' }, 'LostError', 'Future not found'],
  ])('that failed (%s %j) is a %s', async (status, body, name, text) => {
    const error = await (await polled([[status, body]])).run().catch((reason: Error) => reason);
    expect(error).toMatchObject({ name });
    expect((error as Error).message).toMatch(new RegExp(`${text}$`));
  });

  it('that never comes ends after the time limit; the outcome of a change is unknown', async () => {
    const { run } = await polled([null], { hold: 5, patience: 20 });
    await expect(run()).rejects.toMatchObject({ name: 'UnknownOutcomeError' });
    await expect(run(false)).rejects.toMatchObject({ name: 'TinkerError' });
  });

  it('whose server fails at every poll: the outcome of a change is unknown', async () => {
    const { run } = await polled([[500, {}]]);
    await expect(run()).rejects.toMatchObject({ name: 'UnknownOutcomeError' });
  });

  it('is given up at once when the caller stops', async () => {
    const { run } = await polled([null], { hold: 60_000 });
    await expect(run(true, AbortSignal.timeout(20))).rejects.toMatchObject({ name: 'TimeoutError' });
  });
});

it('at most the given number of calls wait at once', async () => {
  const { run, seen } = await polled([[200, { ok: 1 }]], { concurrency: 3 });
  await Promise.all(Array.from({ length: 12 }, () => run()));
  expect(seen.most).toBeLessThanOrEqual(3);
  expect(seen.polls).toBe(12);
});

it('a model’s request does not wait for samples to end', async () => {
  const { run, seen } = await polled([null], { concurrency: 1, hold: 60_000 });
  const signal = AbortSignal.timeout(300);
  const calls = [run(false, signal), run(false, signal), run(true, signal, true)];
  await expect(Promise.all(calls)).rejects.toMatchObject({ name: 'TimeoutError' });
  await Promise.allSettled(calls);
  // The second sample still waits; the step was sent.
  expect(seen.most).toBe(2);
});
