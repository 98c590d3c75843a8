/**
 * Access control: only pages of this server, at the printed address, get answers. The head of every request is checked
 * before anything is read.
 * - Host must be an address of this server: other names that resolve here (DNS rebinding) are refused. Origin, if the
 * browser sends one, must be this server's, and so must Sec-Fetch-Site.
 * - Only GET and HEAD, without a body, with a short address.
 * - With a token (required on any host but loopback) every request needs it: as a cookie, which the address with
 * `?token=` sets, or as `Authorization: Bearer`.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Refusal } from './errors.js';
import { isName } from './inside.js';

/** Longest address, in characters; it contains a run's name. */
const LONGEST_URL = 2048;

/** The head of a request. */
export interface RequestHead {
  readonly method?: string;
  /** As sent, not normalised. */
  readonly url?: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Rules {
  /** Allowed values of Host, in lower case. */
  readonly hosts: ReadonlySet<string>;
  /** null: no token is required. */
  readonly token: string | null;
  /** Name of the cookie with the token. Cookies are shared between ports, so the name contains the port. */
  readonly cookie: string;
}

/** An allowed request; with `redirect`, the answer sets a cookie and redirects. */
export interface Admitted {
  readonly redirect?: { readonly location: string; readonly cookie: string };
}

/** @throws Refusal */
export function admit(head: RequestHead, rules: Rules): Admitted {
  const { method = '', url = '', headers } = head;
  if (url.length > LONGEST_URL)
    throw new Refusal(414, `the address is longer than ${LONGEST_URL} characters`);
  checkOrigin(headers, rules, url.startsWith('/api/'));
  if (method !== 'GET' && method !== 'HEAD') {
    throw new Refusal(405, `${method} is not allowed; only GET and HEAD are`, { Allow: 'GET, HEAD' });
  }
  if (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0') {
    throw new Refusal(413, 'requests must have no body');
  }
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  const admitted = checkToken(headers, path, query < 0 ? '' : url.slice(query + 1), rules);
  checkPath(path);
  return admitted;
}

function checkOrigin(headers: IncomingHttpHeaders, { hosts }: Rules, api: boolean): void {
  const { host, origin } = headers;
  if (host === undefined || !hosts.has(host.toLowerCase())) {
    throw new Refusal(403, 'the request names a different host; open the printed address');
  }
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) {
    throw new Refusal(403, 'the request comes from a different site');
  }
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return;
  // A link on another site or in the browser's history may open the page, but not request data.
  if (api || headers['sec-fetch-mode'] !== 'navigate') {
    throw new Refusal(403, 'the request comes from a different site');
  }
}

function checkToken(headers: IncomingHttpHeaders, path: string, query: string, rules: Rules): Admitted {
  const { token, cookie } = rules;
  if (token === null) return {};
  const candidate = new URLSearchParams(query).get('token');
  // Redirects only to the start page: an address from the request is never returned.
  if (path === '/' && candidate !== null && isEqual(candidate, token)) {
    return {
      redirect: { location: '/', cookie: `${cookie}=${token}; Path=/; HttpOnly; SameSite=Lax` },
    };
  }
  const bearer = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
  const sent = (headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${cookie}=`))
    .map((pair) => pair.slice(cookie.length + 1));
  if ([...sent, ...(bearer === undefined ? [] : [bearer])].some((value) => isEqual(value, token))) return {};
  throw new Refusal(401, 'a token is required; open the printed address with its ?token=');
}

/** Only plain names are allowed: nothing that could mean a parent folder or be decoded to something else. */
function checkPath(path: string): void {
  if (!path.startsWith('/')) throw new Refusal(404, 'no such page');
  for (const part of path.slice(1).split('/')) {
    let names: string[];
    try {
      names = decodeURIComponent(part).split('/');
    } catch {
      throw new Refusal(400, 'the address is not percent-encoded UTF-8');
    }
    // The name of the start page is empty.
    if (path !== '/' && !names.every(isName)) throw new Refusal(404, 'no such page');
  }
}

/** Compares in constant time. */
function isEqual(candidate: string, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(candidate), digest(token));
}

/**
 * Headers of every answer: scripts, styles and data only from this server, no frames, no use by other sites.
 * @param loopback browsers apply Cross-Origin-Opener-Policy only there (or over TLS), and print a warning elsewhere
 */
export function safeHeaders(loopback: boolean): Readonly<Record<string, string>> {
  return loopback ? { ...SAFE_HEADERS, 'Cross-Origin-Opener-Policy': 'same-origin' } : SAFE_HEADERS;
}

const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
};
