/**
 * One HTTP request with its limits and retries. A request is repeated if the server cannot have acted on it (no
 * connection, 425, 429), and after a lost answer (dropped connection, 5xx, time-out, truncated body) only if it is
 * `repeatable`; otherwise the outcome is unknown, which is an error. Redirects are not followed, because they would
 * carry the key.
 */
import { describeDetail, LostError, oneLine, TinkerError, UnknownOutcomeError } from './errors.js';
import { deadline, sleep } from './time.js';

export interface TransportOptions {
  /** URL of the server, without /api/v1; http or https. */
  readonly url: string;
  /** Sent as x-api-key; never part of a message. */
  readonly apiKey?: string;
  /** Time limit of one answer, ms; default 60,000. */
  readonly timeout?: number;
  /** Maximum size of a request, bytes; default 64 MiB. */
  readonly maxRequestBytes?: number;
  /** Maximum size of an answer, bytes; default 256 MiB. */
  readonly maxAnswerBytes?: number;
  /** Maximum number of attempts; default 8. */
  readonly attempts?: number;
  /** Pause before the second attempt, ms; doubled each time up to `maxPause`. Defaults 500 and 20,000. */
  readonly pause?: number;
  readonly maxPause?: number;
}

export interface Call<T> {
  readonly method?: 'GET' | 'POST';
  /** Below /api/v1/. */
  readonly path: string;
  readonly body?: Uint8Array | Readonly<Record<string, unknown>>;
  /** The server may receive it twice without harm. */
  readonly repeatable: boolean;
  /** Reads the body of an answer with status 200 (bytes: protobuf). If it throws, the answer counts as damaged. */
  readonly read: (answer: unknown) => T;
  /** Handles the target of a redirect; absent: redirects are errors. */
  readonly redirect?: (place: string) => T;
  /** Full address instead of `path`; requests to another server are sent without the key. */
  readonly url?: string;
  /** An answer with status 200 is read as bytes, whatever its type. */
  readonly raw?: boolean;
  /** Time limit of this answer, ms. */
  readonly timeout?: number;
  /** Handles statuses other than 200 that are not errors. */
  readonly status?: (status: number, body: unknown) => { readonly value: T } | undefined;
  /** Handles a time-out that is not an error. */
  readonly held?: () => T;
  readonly signal?: AbortSignal;
}

export const PROTOBUF = 'application/x-protobuf';

/** The connection failed, so the server cannot have acted. */
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
  /** Pause that the server asked for, ms. */
  readonly pause?: number;
}

type Attempt<T> = { readonly value: T } | { readonly failure: Failure };

export class Transport {
  /** Scheme and host: the server's name in messages. */
  readonly server: string;
  private readonly base: string;
  private readonly limits: Required<Omit<TransportOptions, 'url' | 'apiKey'>>;
  private readonly apiKey: string | undefined;

  /** @throws TinkerError for an invalid URL or key */
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
        throw new UnknownOutcomeError(
          this.line(call.path, `${why}; it is unknown whether the server processed the request`),
        );
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

  /** Reads the whole body, up to the limit. */
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

  /** A one-line message that names server and call, without the key even if the server's text contains it. */
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

/** Whether an answer says that session, model or future is gone, and not only that the API path is wrong. */
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

/** Code of the system error that caused fetch's error; '' if there is none. */
function errorCode(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, errors } = cause as { code?: unknown; errors?: readonly unknown[] };
    if (typeof code === 'string') return code;
    if (Array.isArray(errors) && errors.length > 0) return errorCode(errors[0]);
  }
  return '';
}

/** Missing or wrong parts according to a schema, in one line. */
function describeMisfit(error: unknown): string {
  const { issues } = error as { issues?: readonly { path: readonly PropertyKey[]; message: string }[] };
  const first = issues?.[0];
  if (first) return `${first.path.map(String).join('.') || 'answer'}: ${first.message}`;
  return error instanceof Error ? error.message : String(error);
}
