/**
 * The dashboard's server. It listens on loopback unless another host is given; then it requires a token, which is
 * generated anew at each start.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { formatOfLog } from '../rollouts/files.js';
import { bodyOf, createApp } from './app.js';
import { DashboardError, messageOf, Refusal } from './errors.js';
import { Events } from './events.js';
import { isRunFolder } from './find-runs.js';
import { GroupReader } from './groups.js';
import { admit, type Rules, safeHeaders } from './guard.js';
import { listen } from './listen.js';
import type { LogOptions } from './log-reader.js';
import { builtFolder } from './pages.js';
import { RunStore } from './run-store.js';

/** The default port, used if it is free. */
export const DEFAULT_PORT = 4780;
const LOOPBACK = '127.0.0.1';
/** Maximum size of request line and headers together, in bytes; beyond it Node.js answers 431. */
const LARGEST_HEAD = 8192;
const MOST_CONNECTIONS = 256;

export interface DashboardOptions {
  /** A runs folder, a single run's folder, a log folder of another framework, or one log. */
  readonly folder: string;
  /** Whether it is a single run's folder; it may then be created later. Default: detected. */
  readonly singleRun?: boolean;
  /** Version of this program, shown on the page. */
  readonly version: string;
  /** Options for reading logs of other frameworks. */
  readonly logs?: LogOptions;
  /** Default: 127.0.0.1. Any other host than loopback requires a token. */
  readonly host?: string;
  /** 0: any free port; default: 4780 if it is free. */
  readonly port?: number;
  /** Folder of the built front end; default: its build folder. */
  readonly pages?: string;
  /** ms; default: the system's. */
  readonly clock?: () => number;
  /** Time between two checks of the files, ms; default: 500. */
  readonly poll?: number;
  /** Called with internal errors. */
  readonly report: (error: unknown) => void;
}

export interface Dashboard {
  /** The address to open, including the token if one is required. */
  readonly address: string;
  readonly port: number;
  readonly token: string | null;
  /** Number of pages that follow the events. */
  readonly following: number;
  /** Closes every connection. */
  close(): Promise<void>;
}

/**
 * Starts the server.
 * @throws DashboardError if the folder does not exist, or the port or host is not available
 */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { version, report, clock = Date.now, pages = builtFolder() } = options;
  const { root, only, file } = await placeOf(options);
  if (file !== undefined) await checkLog(options);
  const groups = new GroupReader(root);
  const store = new RunStore({ root, only, file, clock, groups, logs: options.logs ?? {} });
  const events = new Events(store, clock, options.poll);
  const { folder } = options;
  const app = createApp({ store, events, pages, folder, version, report });

  checkAddress(options);
  const host = options.host === undefined || options.host === 'localhost' ? LOOPBACK : options.host;
  const token = isLoopback(host) ? null : randomBytes(24).toString('base64url');
  const headers = Object.entries(safeHeaders(isLoopback(host)));
  let rules: Rules = { hosts: new Set(), token, cookie: 'lambda-grpo' };
  // Keeps the global Request and Response: a training run may use them in this process.
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    for (const [name, value] of headers) outgoing.setHeader(name, value);
    try {
      const { redirect } = admit(incoming, rules);
      if (redirect) {
        outgoing.writeHead(303, { Location: redirect.location, 'Set-Cookie': redirect.cookie }).end();
      } else void answer(incoming, outgoing);
    } catch (error) {
      refuse(incoming, outgoing, error as Refusal);
    }
  };
  const server = createServer({ maxHeaderSize: LARGEST_HEAD, requestTimeout: 30_000 }, handle);
  // Requests with `Expect: 100-continue` are refused.
  server.on('checkContinue', handle);
  server.maxConnections = MOST_CONNECTIONS;
  const port = await listen(server, host, options.port, DEFAULT_PORT);
  rules = { hosts: hostsOf(host, server, port), token, cookie: `lambda-grpo-${port}` };
  return {
    address: `http://${shown(host)}:${port}/${token === null ? '' : `?token=${token}`}`,
    port,
    token,
    get following() {
      return events.count;
    },
    close: () =>
      new Promise((done) => {
        events.close();
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/**
 * A single run's folder is served from its parent, so that the run has a name; other entries of the parent are hidden.
 */
async function placeOf({
  folder,
  singleRun,
}: DashboardOptions): Promise<{ root: string; only?: string; file?: string }> {
  const path = resolve(folder);
  const single = { root: dirname(path), only: basename(path) };
  if (singleRun === true) return single;
  // With `--ui`, the server of a comparison starts before its folder exists.
  if (singleRun === undefined) {
    if (!existsSync(path)) {
      throw new DashboardError(
        `${folder}: expected a folder with runs or logs, or a log, e.g. runs, got a path that does not exist`,
      );
    }
    if (!statSync(path).isDirectory()) return { root: dirname(path), file: basename(path) };
    if (await isRunFolder(path)) return single;
  }
  return { root: path };
}

/** A log may still be empty. @throws DashboardError for a file that is not a log */
async function checkLog({ folder, logs }: DashboardOptions): Promise<void> {
  const format = await formatOfLog(folder, logs?.read ?? {}).catch((error) => {
    throw new DashboardError(messageOf(error));
  });
  if (format !== null || statSync(folder).size === 0) return;
  throw new DashboardError(
    `${folder}: expected a log that analyze reads, got rows of an unknown format; name its keys with ` +
      '--prompt-key, --completion-key or --tokens-key, and --reward-key (docs/formats.md)',
  );
}

/** An empty host would mean every address of the machine. @throws DashboardError */
function checkAddress({ host, port }: DashboardOptions): void {
  if (host !== undefined && host.trim() === '') {
    throw new DashboardError(`--host: expected an address or a name of this machine, got '${host}'`);
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65535)) {
    throw new DashboardError(`--port: expected a whole number from 0 to 65535, got ${port}`);
  }
}

/** Sends a refusal and closes the connection without reading the rest of the request. */
function refuse(incoming: IncomingMessage, outgoing: ServerResponse, error: unknown): void {
  const refusal = error instanceof Refusal ? error : new Refusal(400, messageOf(error));
  const body = `${JSON.stringify(bodyOf(refusal))}\n`;
  outgoing.writeHead(refusal.status, {
    ...refusal.headers,
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  });
  outgoing.end(incoming.method === 'HEAD' ? undefined : body, () => incoming.socket.destroySoon());
}

function isLoopback(host: string): boolean {
  return host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Allowed values of Host: the names of this machine at the address that it listens on. */
function hostsOf(host: string, server: Server, port: number): Set<string> {
  const { address } = server.address() as AddressInfo;
  const names = [host, address];
  if (isLoopback(host) || isWildcard(host)) names.push('localhost');
  if (isWildcard(host)) {
    names.push(
      hostname(),
      ...Object.values(networkInterfaces())
        .flatMap((list) => list ?? [])
        .map((i) => i.address),
    );
  }
  return new Set(
    names.flatMap((name) => {
      const written = bracketed(name.toLowerCase());
      // Browsers omit the default port of http.
      return port === 80 ? [written, `${written}:80`] : [`${written}:${port}`];
    }),
  );
}

function shown(host: string): string {
  if (!isWildcard(host)) return bracketed(host);
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? 'localhost';
}

function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}
