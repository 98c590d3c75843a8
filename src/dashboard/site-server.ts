/**
 * The server of the site (web/site): static files, on loopback only. Its headers isolate the page, so that WebAssembly
 * may use threads, and let it load nothing from other hosts.
 */
import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DashboardError, messageOf, Refusal } from './errors.js';
import { admit, type Rules, safeHeaders } from './guard.js';
import { listen } from './listen.js';
import { readPage } from './pages.js';

/** The default port, used if it is free. */
export const SITE_PORT = 4790;
const LOOPBACK = '127.0.0.1';

export interface Site {
  readonly address: string;
  close(): Promise<void>;
}

/** The site's build folder, beside the package's other files. */
const builtSite = (): string => fileURLToPath(new URL('../../site/', import.meta.url));

const HEADERS: Readonly<Record<string, string>> = {
  ...safeHeaders(true),
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' data:; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  // With Cross-Origin-Opener-Policy, this allows threads to share memory.
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/**
 * Starts the server.
 * @param folder of the built site; default: its build folder
 * @param port 0: any free port; default: 4790 if it is free
 * @throws DashboardError if the site is not built, or the port is not available
 */
export async function startSite({
  folder = builtSite(),
  port,
}: {
  folder?: string;
  port?: number;
} = {}): Promise<Site> {
  if (!existsSync(join(folder, 'index.html')))
    throw new DashboardError(`${folder}: the site is not built; run npm run site`);
  let rules: Rules = { hosts: new Set(), token: null, cookie: '' };
  const handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    answer(folder, incoming, rules).then(
      ({ status, headers, body }) => {
        outgoing.writeHead(status, { ...HEADERS, ...headers, 'Content-Length': body.length });
        outgoing.end(incoming.method === 'HEAD' ? undefined : body);
      },
      () => outgoing.destroy(),
    );
  };
  const server = createServer({ requestTimeout: 30_000 }, handle);
  const boundPort = await listen(server, LOOPBACK, port, SITE_PORT);
  rules = { ...rules, hosts: new Set([`${LOOPBACK}:${boundPort}`, `localhost:${boundPort}`]) };
  return {
    address: `http://${LOOPBACK}:${boundPort}/`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

async function answer(folder: string, request: IncomingMessage, rules: Rules): Promise<Answer> {
  try {
    admit(request, rules);
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const page = await readPage(folder, decodeURIComponent(pathname));
    if (!page) throw new Refusal(404, 'no such page');
    return {
      status: 200,
      headers: { 'Content-Type': page.type, 'Cache-Control': page.cache },
      body: page.body,
    };
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal(400, messageOf(error));
    return {
      status: refusal.status,
      headers: {
        ...refusal.headers,
        'Content-Type': 'text/plain; charset=utf-8',
        'Cache-Control': 'no-store',
      },
      body: Buffer.from(`${refusal.message}\n`),
    };
  }
}
