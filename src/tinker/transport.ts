/**
 * One HTTP request with its limits and its retries. A request is repeated when the server can't have acted on it (no
 * connection, 425, 429), and after a lost answer (dropped connection, 5xx, time-out, half a body) only if it is
 * `repeatable`; else the outcome is unknown, and that is the error. Redirects aren't followed: they would carry the key.
 */
import { describeDetail, LostError, oneLine, TinkerError, UnknownOutcomeError } from './errors.js';
import { deadline, sleep } from './time.js';

export interface TransportOptions {
  /** Of the server, without /api/v1; http or https. */
  readonly url: string;
  /** Sent as x-api-key; never part of a message. */
  readonly apiKey?: string;
  /** Longest wait for one answer, ms; default 60,000. */
  readonly timeout?: number;
  /** Longest request, bytes; default 64 MiB. */
  readonly maxRequestBytes?: number;
  /** Longest answer, bytes; default 256 MiB. */
  readonly maxAnswerBytes?: number;
  /** How often a request is tried; default 8. */
  readonly attempts?: number;
  /** Wait before the second try, ms; doubled each time up to `maxPause`. Defaults 500 and 20,000. */
  readonly pause?: number;
  readonly maxPause?: number;
}

export interface Call<T> {
  readonly method?: 'GET' | 'POST';
  /** Below /api/v1/. */
  readonly path: string;
  readonly body?: Uint8Array | Readonly<Record<string, unknown>>;
  /** The server may get it twice without harm. */
  readonly repeatable: boolean;
  /** Reads an answer of 200 (bytes: protobuf). Whatever it throws counts as a damaged answer. */
  readonly read: (answer: unknown) => T;
  /** What the place means that a redirect names; absent: redirects are errors. */
  readonly redirect?: (place: string) => T;
  /** Whole address, in the place of `path`'s; on another server than ours it is asked without the key. */
  readonly url?: string;
  /** An answer of 200 is taken as bytes, whatever its type. */
  readonly raw?: boolean;
  /** Longest wait for this answer, ms. */
  readonly timeout?: number;
  /** What statuses other than 200 mean, where they are no errors. */
  readonly status?: (status: number, body: unknown) => { readonly value: T } | undefined;
  /** What it means that the time is up, where it is no error. */
  readonly held?: () => T;
  readonly signal?: AbortSignal;
}

export const PROTOBUF = 'application/x-protobuf';

/** Never connected: the server can't have acted. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Why an attempt has no answer, and whether the server may have acted. */
interface Failure {
  readonly why: string;
  readonly sent: boolean;
  /** ms, as the server asked. */
  readonly pause?: number;
}

type Attempt<T> = { readonly value: T } | { readonly failure: Failure };

export class Transport {
  /** Scheme and host, as messages name the server. */
  readonly server: string;
  private readonly base: string;
  private readonly limits: Required<Omit<TransportOptions, 'url' | 'apiKey'>>;
  private readonly apiKey: string | undefined;

  /** @throws TinkerError for a URL or key that can't be used */
  constructor({ url, apiKey, ...limits }: TransportOptions) {
    let parsed: URL;
    try {
      parsed = new URL(url);
    } catch {
      throw new TinkerError('url of the Tinker server: expected http://host:port or https://host');
    }
    if (!/^https?:$/.test(parsed.protocol) || parsed.username !== '' || parsed.password !== '') {
      throw new TinkerError(
        'url of the Tinker server: expected http or https, without a name and password (keys come from the environment)',
      );
    }
    if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
      throw new TinkerError('API key of the Tinker server: expected printable characters without spaces');
    }
    this.server = parsed.origin;
    this.base = `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}/api/v1/`;
    this.apiKey = apiKey;
    this.limits = {
      timeout: 60_000,
      maxRequestBytes: 64 * 2 ** 20,
      maxAnswerBytes: 256 * 2 ** 20,
      attempts: 8,
      pause: 500,
      maxPause: 20_000,
      ...(Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined)) as object),
    };
  }

  /**
   * @throws TinkerError, LostError or UnknownOutcomeError as their names say; the signal's reason once it is aborted
   */
  async send<T>(call: Call<T>): Promise<T> {
    const body =
      call.body === undefined || call.body instanceof Uint8Array ? call.body : JSON.stringify(call.body);
    const size = typeof body === 'string' ? body.length : (body?.length ?? 0);
    if (size > this.limits.maxRequestBytes) {
      throw this.error(
        call.path,
        `expected a request of at most ${this.limits.maxRequestBytes} bytes, got ${size}`,
      );
    }
    for (let attempt = 1; ; attempt++) {
      const result = await this.attempt(call, body);
      if ('value' in result) return result.value;
      const { why, sent, pause } = result.failure;
      if (sent && !call.repeatable) {
        throw new UnknownOutcomeError(this.line(call.path, `${why}; the server may have acted on it or not`));
      }
      if (attempt >= this.limits.attempts) {
        throw this.error(call.path, `${why} (tried ${attempt} times)`);
      }
      const { pause: first, maxPause } = this.limits;
      await sleep(Math.min(Math.max(first * 2 ** (attempt - 1), pause ?? 0), maxPause), call.signal);
    }
  }

  private async attempt<T>(call: Call<T>, body: Uint8Array | string | undefined): Promise<Attempt<T>> {
    call.signal?.throwIfAborted();
    const limit = deadline(call.timeout ?? this.limits.timeout, call.signal);
    try {
      const url = call.url ?? this.base + call.path;
      const keyed = this.apiKey !== undefined && new URL(url).origin === this.server;
      const response = await fetch(url, {
        method: call.method ?? 'POST',
        headers: {
          ...(keyed ? { 'x-api-key': this.apiKey } : {}),
          ...(body === undefined
            ? {}
            : { 'content-type': typeof body === 'string' ? 'application/json' : PROTOBUF }),
          accept: `${PROTOBUF}, application/json`,
        },
        body: body as string | undefined,
        redirect: 'manual',
        signal: limit.signal,
      });
      const bytes = await this.bytes(response, call.path);
      return this.judge(call, response, bytes);
    } catch (error) {
      call.signal?.throwIfAborted();
      if (error instanceof TinkerError) throw error;
      if (limit.expired()) {
        if (call.held) return { value: call.held() };
        return {
          failure: { why: `no answer in ${(call.timeout ?? this.limits.timeout) / 1000} s`, sent: true },
        };
      }
      const code = errorCode(error);
      const sent = !NOT_SENT.has(code);
      return {
        failure: {
          why: `${sent ? 'the connection was lost' : 'no connection'}${code && ` (${code})`}`,
          sent,
        },
      };
    } finally {
      limit.clear();
    }
  }

  /** The whole body, within its limit. */
  private async bytes(response: Response, path: string): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of response.body ?? []) {
      length += (part as Uint8Array).length;
      if (length > this.limits.maxAnswerBytes) {
        throw this.error(path, `expected an answer of at most ${this.limits.maxAnswerBytes} bytes, got more`);
      }
      parts.push(part as Uint8Array);
    }
    const whole = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  private judge<T>(call: Call<T>, response: Response, bytes: Uint8Array): Attempt<T> {
    const { status, headers } = response;
    const isBytes =
      (call.raw === true && status === 200) || (headers.get('content-type') ?? '').startsWith(PROTOBUF);
    const body = isBytes ? bytes : parseJson(bytes);
    const place = headers.get('location');
    if (call.redirect && status >= 300 && status < 400 && place !== null) {
      return { value: call.redirect(new URL(place, call.url ?? this.base + call.path).href) };
    }
    const meaning = call.status?.(status, body);
    if (meaning) return meaning;
    if (status === 200) {
      try {
        return { value: call.read(body) };
      } catch (error) {
        if (error instanceof TinkerError) throw error;
        return { failure: { why: `its answer can't be read: ${describeMisfit(error)}`, sent: true } };
      }
    }
    const detail = describeDetail(body) ?? (response.statusText || 'no detail');
    const why = `status ${status}: ${detail}`;
    if (status === 425 || status === 429) {
      const seconds = Number(headers.get('retry-after') ?? Number.NaN);
      return { failure: { why, sent: false, pause: seconds >= 0 ? seconds * 1000 : undefined } };
    }
    if (status >= 500 || status === 408) return { failure: { why, sent: true } };
    if (status >= 300 && status < 400) throw this.error(call.path, 'redirects are not followed', status);
    throw isLost(status, detail)
      ? new LostError(this.line(call.path, why), status)
      : this.error(call.path, detail, status);
  }

  /** One line that names server and call, without the key even if the server repeats it. */
  line(path: string, what: string): string {
    const line = oneLine(`Tinker server ${this.server}: ${path}: ${what}`, 600);
    return this.apiKey === undefined ? line : line.replaceAll(this.apiKey, '***');
  }

  error(path: string, what: string, status?: number): TinkerError {
    return new TinkerError(
      this.line(path, status === undefined ? what : `status ${status}: ${what}`),
      status,
    );
  }
}

/** Whether an answer says that session, model or future is gone. A wrong path of the API is not that. */
export const isLost = (status: number, detail: string): boolean =>
  /\bnot loaded\b/i.test(detail) ||
  (status === 404 && /^(session|model|future)\b.*\bnot found/i.test(detail));

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}

/** Code of the system's error below fetch's own; '' if there is none. */
function errorCode(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, errors } = cause as { code?: unknown; errors?: readonly unknown[] };
    if (typeof code === 'string') return code;
    if (Array.isArray(errors) && errors.length > 0) return errorCode(errors[0]);
  }
  return '';
}

/** What a schema missed, in one line. */
function describeMisfit(error: unknown): string {
  const { issues } = error as { issues?: readonly { path: readonly PropertyKey[]; message: string }[] };
  const first = issues?.[0];
  if (first) return `${first.path.map(String).join('.') || 'answer'}: ${first.message}`;
  return error instanceof Error ? error.message : String(error);
}
