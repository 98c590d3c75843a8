/**
 * Guards the process against user code: endless loops, process.exit, errors from timers, unhandled rejections. Each is
 * attributed to the call that caused it, by the asynchronous context of the call or by the stack. A watchdog thread
 * (user-watchdog.mjs) ends loops; late errors are kept until the next call.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { closeSync, openSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { devNull } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type CallUser, type UserCall, UserCodeError, userCode } from '../task/index.js';
import { describeThrown, lineIn, overdue, userCodeError } from '../task/user-code.js';

interface WatchedCall extends UserCall {
  readonly seconds: number;
  readonly limit?: string;
  readonly tolerant: boolean;
}

const context = new AsyncLocalStorage<WatchedCall>();
/** Calls that are not over, in the order they began. */
const pending = new Set<WatchedCall>();
/** Modules that were loaded: absolute path → the name their user gave. */
const files = new Map<string, string>();
let late: UserCodeError | null = null;
let onWarning: (line: string) => void = () => undefined;

export interface WatchedModule {
  /** As the user names it. */
  readonly file: string;
  /** Longest time for a call, s. */
  readonly seconds: number;
  /** Key of the configuration that sets it; default: task.call_seconds. */
  readonly limit?: string;
  /** Whether what goes wrong after a reward's call is a warning only. */
  readonly tolerant: boolean;
  readonly warn?: (line: string) => void;
}

/** Calls into a module, watched. */
export function watchedCalls({ file, seconds, limit, tolerant, warn }: WatchedModule): CallUser {
  files.set(resolve(file), file);
  if (warn) onWarning = warn;
  guardExit();
  const call = userCode({
    file,
    seconds,
    limit,
    begin: (begun) =>
      watch(Object.assign(begun, { seconds, limit, tolerant: tolerant && begun.what.startsWith('reward ') })),
    around: (begun, run) => context.run(begun as WatchedCall, run),
  });
  return async (what, run) => {
    throwLateError();
    return call(what, run);
  };
}

/** Throws what a user's code did after its call was over, if it did anything. */
export function throwLateError(): void {
  const error = late;
  late = null;
  if (error) throw error;
}

/**
 * Handles what nothing else caught, in a process that is this program's own.
 * @param report told of what no call can bring up: errors that are no user's code, which end the process, and late ones
 * @returns ends the wait for late errors: throws the one there is, from then on they are reported at once
 */
export function guardProcess(report: (error: unknown) => void): () => void {
  let over = false;
  reportStuck = report;
  const handle = (thrown: unknown): void => {
    const call = callOf(thrown);
    if (!call) {
      report(thrown);
      process.exit(1);
    }
    const fault = `${describeThrown(thrown)}, after the call`;
    const error = userCodeError(call.file, call.what, fault, lineIn(thrown, call.file));
    if (call.tolerant) onWarning(error.message);
    else if (over) {
      report(error);
      process.exitCode = 1;
    } else late ??= error;
  };
  process.on('uncaughtException', handle);
  process.on('unhandledRejection', handle);
  return () => {
    over = true;
    throwLateError();
  };
}

/** The call that an error, or a call of process.exit, came from; null: none of a user's. */
function callOf(thrown: unknown): Pick<WatchedCall, 'file' | 'what' | 'tolerant'> | null {
  const call = context.getStore();
  if (call) return call;
  const stack = (thrown as { stack?: unknown } | null | undefined)?.stack;
  if (typeof stack !== 'string') return null;
  for (const [path, file] of files) {
    if (stack.includes(path) || stack.includes(pathToFileURL(path).href)) {
      const latest = [...pending].findLast((candidate) => candidate.file === file);
      return latest ?? { file, what: 'code of the module', tolerant: false };
    }
  }
  return null;
}

/** Shared with the watchdog: [calls that are not over, beats of this thread, polls that a call may take, –]. */
let state: Int32Array | null = null;
let beating: NodeJS.Timeout | undefined;

function watch(call: WatchedCall): () => void {
  pending.add(call);
  if (!reportStuck) return () => pending.delete(call);
  const shared = state ?? startWatchdog();
  state = shared;
  Atomics.store(shared, 2, Math.ceil((call.seconds * 1000) / POLL_MS) + 5);
  Atomics.store(shared, 0, pending.size);
  Atomics.add(shared, 1, 1);
  beating ??= setInterval(() => Atomics.add(shared, 1, 1), POLL_MS / 2).unref();
  return () => {
    pending.delete(call);
    Atomics.store(shared, 0, pending.size);
    if (pending.size > 0) return;
    clearInterval(beating);
    beating = undefined;
  };
}

/** As in user-watchdog.mjs. */
const POLL_MS = 100;
const STUCK = 'lambda-grpo: stuck';
/** Told of a loop; null: this process is another program's, whose loops are left alone. */
let reportStuck: ((error: unknown) => void) | null = null;

function startWatchdog(): Int32Array {
  const shared = new SharedArrayBuffer(16);
  const expression = `globalThis[Symbol.for(${JSON.stringify(STUCK)})]()`;
  Object.defineProperty(globalThis, Symbol.for(STUCK), { value: endStuck, configurable: true });
  new Worker(fileURLToPath(new URL('./user-watchdog.mjs', import.meta.url)), {
    workerData: { shared, expression },
    execArgv: [],
  }).unref();
  return new Int32Array(shared);
}

/** Runs in the middle of the user's loop: there is no way back from it. */
function endStuck(): void {
  const call = context.getStore() ?? [...pending].at(-1);
  if (!call) return;
  const fault = `${overdue(call.seconds, call.limit)}: its code does not return, so the process ends`;
  reportStuck?.(userCodeError(call.file, call.what, fault));
  // The runtime says on standard error that an inspector is there; it need not.
  closeSync(2);
  openSync(devNull, 'r');
  realExit(1);
}

let realExit = (code: number): never => process.exit(code);
let exitGuarded = false;

/** A user's code does not end the process: there, process.exit throws. */
function guardExit(): void {
  if (exitGuarded) return;
  exitGuarded = true;
  const { exit } = process;
  realExit = (code) => exit.call(process, code);
  const named =
    (name: 'exit' | 'abort', original: (...codes: (number | string | null)[]) => never) =>
    // As they came: process.exit() keeps the exit code that was set, process.exit(undefined) does not.
    (...codes: (number | string | null)[]): never => {
      const error = new UserExit(`called process.${name}(${codes.join('')})`);
      const call = callOf(error);
      if (!call) return original.apply(process, codes);
      // A call that catches the error has failed all the same.
      if ('fault' in call) (call as UserCall).fault ??= error.message;
      throw error;
    };
  process.exit = named('exit', exit as (...codes: unknown[]) => never);
  process.abort = named('abort', process.abort as (...codes: unknown[]) => never);
  syncBuiltinESMExports();
}

/** Whether a user's code was loaded: it may keep the process alive after the work is done, by sockets and intervals. */
export const ranUserCode = (): boolean => files.size > 0;

class UserExit extends UserCodeError {
  override name = 'UserExit';
}
