/**
 * The only module that writes to standard output and standard error. Printed text is made safe (safe-text.ts). If the
 * reader of standard output has gone (`| head`), the command ends silently; if writing fails (a full disk), it ends with
 * a one-line error and exit code 1.
 */
import { fstatSync } from 'node:fs';
import { safeJson, safeText } from './safe-text.js';

/** Exit code of a job that was ended by Ctrl-C. */
export const INTERRUPTED = 130;
/** Exit code of a job that ended because nobody reads its output: the code of the shell for SIGPIPE. */
const UNREAD = 141;

let output: 'open' | 'unread' | 'failed' = 'open';
let listening = false;
const jobs = new Set<() => void>();

/** Prints on standard output with a line end. */
export function print(text = ''): void {
  writeOut(`${safeText(text)}\n`);
}

/** Prints one JSON value on a line of standard output. */
export function printJson(value: unknown): void {
  writeOut(`${safeJson(value)}\n`);
}

/** Prints on standard error with a line end. */
export function say(text: string): void {
  listen();
  process.stderr.write(`${safeText(text)}\n`);
}

/** A line of standard error that is redrawn in place; nothing if standard error is not a terminal. */
export const drawing = {
  get isTTY(): boolean {
    return process.stderr.isTTY === true;
  },
  get columns(): number {
    return process.stderr.columns;
  },
  /** Replaces the previous line. */
  draw(line: string): void {
    listen();
    process.stderr.write(`\r${safeText(line)}\x1b[K`);
  },
  say,
};

/** Whether a progress bar can be drawn without mixing with the output of a program that reads ours. */
export function drawsBar(): boolean {
  return drawing.isTTY && !isPipe(1);
}

/** Width of standard output: that of the terminal, else COLUMNS, else unlimited. */
export function outputWidth(): number {
  const columns = process.stdout.columns || Number(process.env.COLUMNS);
  return Number.isInteger(columns) && columns > 0 ? columns : Number.POSITIVE_INFINITY;
}

/** Standard output, for code that must know whether it is a terminal. */
export function outputIsTTY(): boolean {
  return process.stdout.isTTY === true;
}

/**
 * Tells a job that standard output is closed, instead of ending the process at once.
 * @returns a function that stops this
 */
export function onOutputLost(end: () => void): () => void {
  jobs.add(end);
  return () => jobs.delete(end);
}

/** Ends the process once its output is written, whatever still keeps it alive. */
export function endOnceWritten(): void {
  process.stdout.write('', () => process.stderr.write('', () => process.exit()));
}

function writeOut(text: string): void {
  if (output !== 'open') return;
  listen();
  try {
    process.stdout.write(text);
  } catch (error) {
    lost(error as NodeJS.ErrnoException);
  }
}

function listen(): void {
  if (listening) return;
  listening = true;
  process.stdout.on('error', lost);
  // Standard error has failed too, so the error cannot be reported.
  process.stderr.on('error', () => {});
  process.on('exit', () => {
    if (output === 'failed') process.exitCode = 1;
    else if (output === 'unread' && process.exitCode === INTERRUPTED) process.exitCode = UNREAD;
  });
}

function lost(error: NodeJS.ErrnoException): void {
  if (output !== 'open') return;
  // Windows reports EOF.
  output =
    error.code === 'EPIPE' || error.code === 'EOF' || error.code === 'ECONNRESET' ? 'unread' : 'failed';
  if (output === 'failed') say(`error: standard output cannot be written: ${error.message}`);
  if (jobs.size === 0) process.exit(output === 'failed' ? 1 : 0);
  for (const end of jobs) end();
}

function isPipe(descriptor: number): boolean {
  try {
    const status = fstatSync(descriptor);
    return status.isFIFO() || status.isSocket();
  } catch {
    return false;
  }
}
