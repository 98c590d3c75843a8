/**
 * Calls into user code. If a call does not return a value (it throws, rejects or never answers), there is one error
 * that names the file and the call; callers add the place in the run. Pure: effects on the process (endless loops,
 * process.exit, late errors) are watched by `around`.
 */
import { TaskError } from './task.js';

/** A fault of user code, with its place. */
export class UserCodeError extends TaskError {
  override name = 'UserCodeError';
}

/** One call into a user's module. */
export interface UserCall {
  readonly file: string;
  /** E.g. `reward of problem train-3, step 1, completion "ab"`. */
  readonly what: string;
  /** A fault of the call that a returned value does not undo; null: none. */
  fault: string | null;
}

/** @throws UserCodeError naming the file and `what` */
export type CallUser = <T>(what: string, run: () => T | PromiseLike<T>) => Promise<T>;

export interface UserCodeOptions {
  /** The module, as the user named it. */
  readonly file: string;
  /** Longest duration of a call, s. */
  readonly seconds: number;
  /** Key of the configuration that sets it; default: task.call_seconds. */
  readonly limit?: string;
  /** Called when a call begins; returns a function that is called when it is over. */
  readonly begin?: (call: UserCall) => () => void;
  /** Runs the call's synchronous part. */
  readonly around?: <T>(call: UserCall, run: () => T) => T;
}

export function userCode({
  file,
  seconds,
  limit,
  begin,
  around = (_, run) => run(),
}: UserCodeOptions): CallUser {
  return <T>(what: string, run: () => T | PromiseLike<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const call: UserCall = { file, what, fault: null };
      const end = begin?.(call);
      const started = performance.now();
      let settled = false;
      const settle = (finish: () => void): void => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        end?.();
        if (call.fault === null) finish();
        else reject(userCodeError(file, what, call.fault));
      };
      const failed = (thrown: unknown): void =>
        settle(() => reject(userCodeError(file, what, describeThrown(thrown), lineIn(thrown, file))));
      const expire = (last: boolean): void => {
        // The timer is late because other code blocked the thread: an answer that has already arrived is still
        // accepted.
        if (!last && performance.now() - started > 1000 * seconds + LATE_MS) {
          timer = setTimeout(() => expire(true), LATE_MS);
        } else settle(() => reject(userCodeError(file, what, overdue(seconds, limit))));
      };
      // The timer keeps the process alive: otherwise a promise that never settles would end it silently.
      let timer = setTimeout(() => expire(false), 1000 * seconds);
      try {
        Promise.resolve(around(call, run)).then((value) => settle(() => resolve(value)), failed);
      } catch (thrown) {
        failed(thrown);
      }
    });
}

const LATE_MS = 100;

export const overdue = (seconds: number, limit = 'task.call_seconds'): string =>
  `expected an answer within ${seconds} s (${limit}), got none`;

/** @param line of the file, if it is known */
export function userCodeError(file: string, what: string, fault: string, line?: number): UserCodeError {
  return new UserCodeError(`${file}${line === undefined ? '' : `:${line}`}: ${what}: ${fault}`);
}

/** `threw Error: no network`, on one line. */
export function describeThrown(thrown: unknown): string {
  if (thrown instanceof TaskError) return thrown.message;
  if (!isError(thrown)) return `threw ${showValue(thrown)}`;
  const [name, message] = [text(thrown.name) || 'Error', text(thrown.message)];
  return `threw ${name}${message === '' ? '' : `: ${message}`}`;
}

/** The first line of a text, at most 200 characters. */
function text(value: unknown): string {
  const [first = ''] = String(value ?? '')
    .split(/[\r\n]/)
    .filter((line) => line.trim() !== '');
  return first.length > 200 ? `${first.slice(0, 199)}…` : first;
}

function isError(value: unknown): value is { name: unknown; message: unknown; stack?: unknown } {
  return typeof value === 'object' && value !== null && 'name' in value && 'message' in value;
}

/** A value as it would be written, on one line, at most 60 characters. */
export function showValue(value: unknown): string {
  try {
    if (value === undefined) return 'undefined';
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'function') return 'a function';
    if (typeof value === 'number' || typeof value === 'symbol') return String(value);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const name = Object.getPrototypeOf(value)?.constructor?.name;
      if (name !== undefined && name !== 'Object') return `an object of class ${name}`;
    }
    const json = JSON.stringify(value);
    return json.length > 60 ? `${json.slice(0, 59)}…` : json;
  } catch {
    return `a value of type ${typeof value}`;
  }
}

/** The line of the file that threw an error, from its stack. */
export function lineIn(thrown: unknown, file: string): number | undefined {
  const stack = isError(thrown) ? thrown.stack : undefined;
  if (typeof stack !== 'string' || thrown instanceof TaskError) return undefined;
  const name = file.replaceAll('\\', '/').split('/').at(-1) ?? file;
  for (const frame of stack.split('\n')) {
    const [, path, line] = /([^()\s]*?):(\d+)(?::\d+)?\)?$/.exec(frame.trim()) ?? [];
    const last = path?.replaceAll('\\', '/').split('/').at(-1);
    if (last === name || last === encodeURI(name)) return Number(line);
  }
  return undefined;
}
