/** The routes of the dashboard's server: api.ts describes the answers; guard.ts has checked the request before. */
import { type Context, Hono } from 'hono';
import type { ApiError, RunList } from './api.js';
import { Refusal } from './errors.js';
import type { Events } from './events.js';
import { readPage } from './pages.js';
import type { RunStore } from './run-store.js';

export interface AppParts {
  readonly store: RunStore;
  readonly events: Events;
  /** Folder of the built front end. */
  readonly pages: string;
  /** The runs folder as the user named it. */
  readonly folder: string;
  readonly version: string;
  /** Called with internal errors. */
  readonly report: (error: unknown) => void;
}

export function createApp({ store, events, pages, folder, version, report }: AppParts): Hono {
  const app = new Hono();

  const run = async (c: Context) => {
    const name = c.req.param('run') ?? '';
    const reader = await store.get(name);
    if (!reader) throw new Refusal(404, `no run ${name}`);
    return reader;
  };
  app.use('/api/*', async (c, next) => {
    await next();
    c.header('Cache-Control', 'no-store');
  });
  app.get('/api/runs', async (c) => {
    const list: RunList = { folder, version, runs: await store.summaries() };
    return c.json(list);
  });
  app.get('/api/runs/:run', async (c) => c.json(await (await run(c)).detail(c.req.query('after'))));
  app.get('/api/runs/:run/diagnosis', async (c) => c.json(await (await run(c)).diagnosis()));
  app.get('/api/runs/:run/steps', async (c) => c.json(await (await run(c)).steps()));
  app.get('/api/runs/:run/steps/:step', async (c) => {
    const step = number(c, 'step');
    return c.json(await (await run(c)).stepGroups(step));
  });
  app.get('/api/runs/:run/steps/:step/groups/:n', async (c) => {
    const [step, n] = [number(c, 'step'), number(c, 'n')];
    return c.json(await (await run(c)).group(step, n));
  });
  app.get('/api/events', (c) => {
    const headers = { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store' };
    if (c.req.raw.method === 'HEAD') return c.body(null, 200, headers);
    const stream = events.open();
    if (!stream) throw new Refusal(503, 'too many pages are open', { 'Retry-After': '10' });
    return c.body(stream, 200, headers);
  });
  app.get('*', async (c) => {
    const { pathname } = new URL(c.req.url);
    const page = pathname.startsWith('/api/') ? null : await readPage(pages, decodeURIComponent(pathname));
    if (!page) throw new Refusal(404, 'no such page');
    return c.body(new Uint8Array(page.body), 200, { 'Content-Type': page.type, 'Cache-Control': page.cache });
  });
  app.onError((error, c) => {
    if (error instanceof Refusal) return c.json(bodyOf(error), error.status, { ...error.headers });
    report(error);
    return c.json({ error: 'the dashboard failed; see its terminal' } satisfies ApiError, 500);
  });
  return app;
}

export function bodyOf({ message }: Refusal): ApiError {
  return { error: message };
}

/** @throws Refusal 400 */
function number(c: Context, name: string): number {
  const text = c.req.param(name) ?? '';
  if (!/^\d{1,12}$/.test(text))
    throw new Refusal(400, `${name}: expected a whole number from 0, got '${text}'`);
  return Number(text);
}
