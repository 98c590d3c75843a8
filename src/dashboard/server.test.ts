/** What the server answers, and to whom: real sockets, with requests that an attacker could send. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dashboard, type RunDetail, type RunList, startDashboard } from './index.js';

const SECRET = 'the-secret-outside';
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

let folder: string;
let runs: string;
let pages: string;
let server: Dashboard;
const faults: unknown[] = [];
const opened: Dashboard[] = [];

async function start(options: Partial<Parameters<typeof startDashboard>[0]> = {}): Promise<Dashboard> {
  const report = (error: unknown) => faults.push(error);
  const dashboard = await startDashboard({
    folder: runs,
    version: '1.2.3',
    port: 0,
    pages,
    report,
    ...options,
  });
  opened.push(dashboard);
  return dashboard;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lambda-grpo-server-'));
  runs = join(folder, 'runs');
  pages = join(folder, 'web');
  await mkdir(join(runs, 'a', 'rollouts'), { recursive: true });
  await writeFile(join(runs, 'a', 'config.yaml'), 'task: { name: binary-tree }\n');
  await writeFile(join(runs, 'a', 'metrics.jsonl'), '{"phase":"train","step":1,"reward_mean":0.5}\n');
  await mkdir(join(pages, 'assets'), { recursive: true });
  await writeFile(join(pages, 'index.html'), '<!doctype html><title>page</title>');
  await writeFile(join(pages, 'assets', 'index-Ab12_xyZ.js'), 'export {};');
  await writeFile(join(pages, '.env'), SECRET);
  await writeFile(join(pages, 'notes.doc'), SECRET);
  await writeFile(join(folder, 'secret.txt'), SECRET);
  server = await start();
});
afterAll(async () => {
  await Promise.all(opened.map((dashboard) => dashboard.close()));
  await rm(folder, { recursive: true, force: true });
  expect(faults).toEqual([]);
});

/** Sends bytes unchanged and waits until the server closes the connection. */
function raw(text: string, port = server.port): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', (part) => {
      answer += part;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => (answer === '' ? reject(error) : resolve(answer)));
    socket.on('close', () => resolve(answer));
    socket.write(text);
  });
}

/** A GET with this request target; returns status and whole answer. */
async function get(target: string, headers: Record<string, string> = {}, port = server.port) {
  const all = { Host: `127.0.0.1:${port}`, Connection: 'close', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const answer = await raw(`GET ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, port);
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]), answer };
}

describe('address', () => {
  it('is on loopback unless a host is named', async () => {
    expect(server.address).toBe(`http://127.0.0.1:${server.port}/`);
    expect(server.token).toBeNull();
    const outside = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4');
    if (!outside) return;
    const refused = await new Promise((resolve) => {
      const socket = connect({ port: server.port, host: outside.address, timeout: 2000 });
      socket.on('connect', () => resolve(false));
      socket.on('error', () => resolve(true));
      socket.on('timeout', () => resolve(true));
    });
    expect(refused).toBe(true);
  });

  it('a port in use, a folder that is none and a host elsewhere are one line each', async () => {
    await expect(start({ port: server.port })).rejects.toThrow(
      `--port: ${server.port} is in use; choose another`,
    );
    await expect(start({ folder: join(folder, 'none') })).rejects.toThrow(
      /none: expected a folder with runs or logs, or a log/,
    );
    await expect(start({ folder: join(folder, 'secret.txt') })).rejects.toThrow(
      /secret\.txt: expected a log that analyze reads/,
    );
    await expect(start({ host: '192.0.2.1' })).rejects.toThrow(
      /--host: expected an address or a name of this machine, got '192\.0\.2\.1'/,
    );
    // An empty host would mean every address of the machine.
    for (const host of ['', ' ', '\t'])
      await expect(start({ host })).rejects.toThrow(
        `--host: expected an address or a name of this machine, got '${host}'`,
      );
    for (const port of [70_000, 65_536, -1, 1.5, Number.NaN])
      await expect(start({ port })).rejects.toThrow(
        `--port: expected a whole number from 0 to 65535, got ${port}`,
      );
  });

  it('is the usual one where it is free, and another where it is not', async () => {
    const [a, b] = [await start({ port: undefined }), await start({ port: undefined })];
    expect(a.port).not.toBe(b.port);
    for (const { address } of [a, b]) expect((await fetch(address)).status).toBe(200);
  });
});

describe('requests of others', () => {
  it('a foreign Host is refused (DNS rebinding), and no Host at all', async () => {
    for (const target of ['/', '/api/runs', '/api/events', '/assets/index-Ab12_xyZ.js']) {
      expect((await get(target, { Host: 'evil.example' })).status).toBe(403);
      expect((await get(target, { Host: `evil.example:${server.port}` })).status).toBe(403);
    }
    expect(await raw('GET /api/runs HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 403 /);
    expect(await raw('GET /api/runs HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    const two = `GET /api/runs HTTP/1.1\r\nHost: evil.example\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`;
    expect(await raw(two)).toMatch(/^HTTP\/1\.1 40[03] /);
    expect((await get('/api/runs', { Host: `localhost:${server.port}` })).status).toBe(200);
  });

  it('a foreign Origin is refused, and no answer lets another site read it', async () => {
    expect((await get('/api/runs', { Origin: 'http://evil.example' })).status).toBe(403);
    expect((await get('/api/runs', { Origin: 'null' })).status).toBe(403);
    const sameOrigin = await get('/api/runs', { Origin: `http://127.0.0.1:${server.port}` });
    expect(sameOrigin.status).toBe(200);
    for (const { answer } of [sameOrigin, await get('/'), await get('/none')]) {
      expect(answer).not.toMatch(/access-control-/i);
      expect(answer).toMatch(/cross-origin-resource-policy: same-origin/i);
    }
  });

  it('nothing but GET and HEAD is answered', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const response = await fetch(new URL('/api/runs', server.address), { method });
      expect(response.status, method).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD');
    }
    const head = await fetch(new URL('/api/runs', server.address), { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('a body is refused and the rest of it is not read', async () => {
    const host = `Host: 127.0.0.1:${server.port}\r\n`;
    const body = `GET /api/runs HTTP/1.1\r\n${host}Content-Length: 1000000000\r\n\r\nxxxx`;
    expect(await raw(body)).toMatch(/^HTTP\/1\.1 413 /);
    const chunks = `GET /api/runs HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`;
    expect(await raw(chunks)).toMatch(/^HTTP\/1\.1 413 /);
    const asking = `GET / HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`;
    expect(await raw(asking)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('long addresses and headers are refused', async () => {
    expect((await get(`/${'a'.repeat(3000)}`)).status).toBe(414);
    expect((await get(`/${'a'.repeat(20_000)}`)).status).toBe(431);
    expect((await get('/', { 'X-Long': 'a'.repeat(20_000) })).status).toBe(431);
    expect((await get('/')).status).toBe(200);
  });
});

describe('paths', () => {
  const ways = [
    '../secret.txt',
    '%2e%2e/secret.txt',
    '..%2fsecret.txt',
    '%2e%2e%2fsecret.txt',
    '..%2F..%2Fsecret.txt',
    '%252e%252e%252fsecret.txt',
    '..%5csecret.txt',
    'a/../../secret.txt',
    'a%2F..%2F..%2Fsecret.txt',
    'a%2F..%2F..%2F',
    '%2fetc%2fpasswd',
    '/etc/passwd',
    '..',
    '.',
    'a%00',
    'a%00.html',
    '....//secret.txt',
  ];

  it('never lead out of the front end’s folder', async () => {
    for (const way of [
      ...ways,
      'web/../../secret.txt',
      '.env',
      'notes.doc',
      'assets',
      'assets/',
      'index.html%00',
    ]) {
      const { status, answer } = await get(`/${way}`);
      expect(status, way).toBe(404);
      expect(answer, way).not.toContain(SECRET);
      expect(answer, way).not.toContain('root:');
    }
    expect((await get(`http://127.0.0.1:${server.port}/etc/passwd`)).status).toBe(404);
    await symlink(join(folder, 'secret.txt'), join(pages, 'link.txt'));
    expect((await get('/link.txt')).status).toBe(404);
  });

  it('never lead out of the runs folder', async () => {
    for (const way of [...ways, 'none', 'A', 'a%2Frollouts', 'a%2F', '%2Fa']) {
      for (const rest of ['', '/steps/1', '/steps/1/groups/0']) {
        const { status, answer } = await get(`/api/runs/${way}${rest}`);
        expect(status, way + rest).toBe(404);
        expect(answer).not.toContain(SECRET);
      }
    }
    for (const step of ['-1', '1.5', '1e3', '..', '0x1', '%2e%2e', '9'.repeat(30)]) {
      expect([400, 404], step).toContain((await get(`/api/runs/a/steps/${step}`)).status);
    }
  });

  it('links that lead out of the runs folder show nothing', async () => {
    const outside = join(folder, 'outside');
    await mkdir(join(outside, 'rollouts'), { recursive: true });
    await writeFile(join(outside, 'config.yaml'), `# ${SECRET}\ntask: { name: binary-tree }\n`);
    await writeFile(
      join(outside, 'metrics.jsonl'),
      `{"phase":"train","step":1,"reward_mean":7}\n${SECRET}\n`,
    );
    await writeFile(join(outside, 'rollouts', 'step_000001.jsonl'), `${SECRET}\n`);
    await symlink(outside, join(runs, 'linked'));
    await mkdir(join(runs, 'b', 'rollouts'), { recursive: true });
    for (const name of ['config.yaml', 'metrics.jsonl', 'rollouts/step_000001.jsonl']) {
      await symlink(join(outside, name), join(runs, 'b', name));
    }
    await mkdir(join(runs, 'c'), { recursive: true });
    await writeFile(join(runs, 'c', 'metrics.jsonl'), '');
    await symlink(join(outside, 'rollouts'), join(runs, 'c', 'rollouts'));
    const list = (await (await fetch(new URL('/api/runs', server.address))).json()) as RunList;
    expect(list.runs.map(({ run }: { run: string }) => run)).toEqual(['a', 'b', 'c']);
    const b = (await (await fetch(new URL('/api/runs/b', server.address))).json()) as RunDetail;
    expect(b).toMatchObject({ config: '', reward: null, started: 0, updated: 0 });
    expect(b.problem).toContain('config.yaml is missing or links outside the folder');
    const c = (await (await fetch(new URL('/api/runs/c', server.address))).json()) as RunDetail;
    expect(c.rolloutSteps).toEqual([]);
    for (const target of [
      '/api/runs',
      '/api/runs/b',
      '/api/runs/b/steps/1',
      '/api/runs/c/steps/1',
      '/api/runs/linked',
    ]) {
      expect((await get(target)).answer, target).not.toContain(SECRET);
    }
    expect((await get('/api/runs/b/steps/1')).status).toBe(404);
    expect((await get('/api/runs/c/steps/1')).status).toBe(404);
    expect((await get('/api/runs/linked')).status).toBe(404);
  });
});

describe('answers', () => {
  it('carry a strict content security policy, whatever they are', async () => {
    for (const target of ['/', '/api/runs', '/none', '/api/none', '/assets/index-Ab12_xyZ.js']) {
      const { headers } = await fetch(new URL(target, server.address));
      expect(headers.get('content-security-policy'), target).toBe(CSP);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
    }
    const refused = await get('/', { Host: 'evil.example' });
    expect(refused.answer).toContain(CSP);
  });

  it('the front end’s files have their types; those named after their content are kept', async () => {
    const page = await fetch(server.address);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('cache-control')).toBe('no-cache');
    expect(await page.text()).toContain('<title>page</title>');
    const script = await fetch(new URL('/assets/index-Ab12_xyZ.js', server.address));
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const data = await fetch(new URL('/api/runs', server.address));
    expect(data.headers.get('cache-control')).toBe('no-store');
  });

  it('without the built front end a page says how to build it', async () => {
    const { address } = await start({ pages: join(folder, 'not-built') });
    const response = await fetch(address);
    expect(response.headers.get('content-security-policy')).toBe(CSP);
    expect(await response.text()).toContain('npm run build');
  });
});

describe('with a host that is not loopback', () => {
  it('every address asks for the token; its cookie opens the page', async () => {
    const { token, address, port } = await start({ host: '0.0.0.0' });
    expect(token).toMatch(/^[\w-]{32}$/);
    expect(address).toContain(`:${port}/?token=${token}`);
    for (const target of [
      '/',
      '/api/runs',
      '/api/events',
      '/assets/index-Ab12_xyZ.js',
      '/none',
      '/?token=wrong',
    ]) {
      const { status, answer } = await get(target, {}, port);
      expect(status, target).toBe(401);
      expect(answer).not.toContain(token);
    }
    const welcome = await get(`/?token=${token}`, {}, port);
    expect(welcome.status).toBe(303);
    expect(welcome.answer).toContain(CSP);
    expect(welcome.answer, 'browsers complain of it on plain http').not.toMatch(/cross-origin-opener/i);
    expect(welcome.answer).toMatch(/\r\nlocation: \/\r\n/i);
    const cookie = /set-cookie: ([^;]+); Path=\/; HttpOnly; SameSite=Lax/i.exec(welcome.answer)?.[1] ?? '';
    for (const target of ['/', '/api/runs', '/assets/index-Ab12_xyZ.js']) {
      expect((await get(target, { Cookie: cookie }, port)).status, target).toBe(200);
    }
    expect((await get('/api/runs', { Authorization: `Bearer ${token}` }, port)).status).toBe(200);
    expect((await get('/api/runs', { Cookie: cookie, Host: `evil.example:${port}` }, port)).status).toBe(403);
  });

  it('each start has a new token', async () => {
    const [a, b] = [await start({ host: '0.0.0.0' }), await start({ host: '0.0.0.0' })];
    expect(a.token).not.toBe(b.token);
  });

  it('loopback by another name needs none', async () => {
    const { token, address } = await start({ host: 'localhost' });
    expect(token).toBeNull();
    expect((await fetch(address)).status).toBe(200);
  });
});
