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
/** Unfinished calls, in the order of their beginning. */
const pending = new Set<WatchedCall>();
/** Loaded modules: absolute path → the name that the user gave. */
const files = new Map<string, string>();
let late: UserCodeError | null = null;
let onWarning: (line: string) => void = () => undefined;

export interface WatchedModule {
  /** As the user named it. */
  readonly file: string;
  /** Longest duration of a call, s. */
  readonly seconds: number;
  /** Key of the configuration that sets it; default: task.call_seconds. */
  readonly limit?: string;
  /** Whether an error after the end of a reward's call is only a warning. */
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

/** Throws the late error of user code, if there was one. */
export function throwLateError(): void {
  const error = late;
  late = null;
  if (error) throw error;
}

/**
 * Handles otherwise uncaught errors, in a process of this program.
 * @param report called with errors that are not from user code, which end the process, and with late errors
 * @returns a function that ends the collection of late errors: it throws the first one; from then on they are reported
 * at once
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

/** The call that caused an error or a call of process.exit; null: not user code. */
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

/** Shared with the watchdog: [unfinished calls, heartbeats of this thread, polls that a call may take, –]. */
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
/** Called if user code loops; null: the process belongs to another program, whose loops are not interrupted. */
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

/** Runs inside the user's loop, so it cannot return. */
function endStuck(): void {
  const call = context.getStore() ?? [...pending].at(-1);
  if (!call) return;
  const fault = `${overdue(call.seconds, call.limit)}: its code does not return, so the process ends`;
  reportStuck?.(userCodeError(call.file, call.what, fault));
  // Suppresses the runtime's message on standard error about an inspector.
  closeSync(2);
  openSync(devNull, 'r');
  realExit(1);
}

let realExit = (code: number): never => process.exit(code);
let exitGuarded = false;

/** User code must not end the process: there, process.exit throws. */
function guardExit(): void {
  if (exitGuarded) return;
  exitGuarded = true;
  const { exit } = process;
  realExit = (code) => exit.call(process, code);
  const named =
    (name: 'exit' | 'abort', original: (...codes: (number | string | null)[]) => never) =>
    // Arguments are passed unchanged: process.exit() keeps the exit code that was set, process.exit(undefined) does
    // not.
    (...codes: (number | string | null)[]): never => {
      const error = new UserExit(`called process.${name}(${codes.join('')})`);
      const call = callOf(error);
      if (!call) return original.apply(process, codes);
      // A call that catches the error has failed too.
      if ('fault' in call) (call as UserCall).fault ??= error.message;
      throw error;
    };
  process.exit = named('exit', exit as (...codes: unknown[]) => never);
  process.abort = named('abort', process.abort as (...codes: unknown[]) => never);
  syncBuiltinESMExports();
}

/** Whether user code was loaded: its sockets and timers may keep the process alive after the work is done. */
export const ranUserCode = (): boolean => files.size > 0;

class UserExit extends UserCodeError {
  override name = 'UserExit';
}
