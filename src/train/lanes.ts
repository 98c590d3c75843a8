/**
 * Parallel work: lanes take the next job when they are free, and run it in worker processes (their side: child.ts).
 * The caller defines the jobs and their dependencies.
 */
import { type ChildProcess, fork, type Serializable } from 'node:child_process';
import { UserError } from '../errors.js';
import type { Failed } from './child.js';

/** A lane, which runs one piece at a time. */
export interface Lane<Piece> {
  /** @returns 'stop' if no lane should begin another piece */
  run(piece: Piece): Promise<'stop' | undefined>;
  end(): void;
}

/**
 * Runs all pieces, in order as far as they are ready.
 * @param ready whether a piece may begin; called again whenever another piece is done
 * @returns whether every piece was begun (not if a lane returned 'stop' or the signal was aborted)
 * @throws what the first lane throws, once the other lanes have finished their current pieces
 */
export async function inLanes<Piece>(
  pieces: readonly Piece[],
  count: number,
  open: () => Lane<Piece>,
  { signal, ready = () => true }: { signal?: AbortSignal; ready?: (piece: Piece) => boolean } = {},
): Promise<boolean> {
  const waiting = [...pieces];
  let begun = 0;
  let wake = (): void => {};
  let change = new Promise<void>(() => {});
  const changed = (): void => {
    wake();
    change = new Promise((resolve) => {
      wake = resolve;
    });
  };
  changed();
  const go = async (): Promise<void> => {
    const lane = open();
    try {
      while (waiting.length > 0 && !signal?.aborted) {
        const at = waiting.findIndex(ready);
        if (at < 0) {
          await change;
          continue;
        }
        const [piece] = waiting.splice(at, 1);
        begun++;
        if ((await lane.run(piece)) === 'stop') waiting.length = 0;
        changed();
      }
    } catch (error) {
      waiting.length = 0;
      changed();
      throw error;
    } finally {
      lane.end();
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: count }, go));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return begun === pieces.length;
}

/** A process that ended before it reported the end of its work. */
export class EndedEarly extends UserError {}

/** A process that receives requests and reports on them; when the signal is aborted, it gets SIGTERM. */
export class WorkerProcess<Message extends { readonly type: string }> {
  private readonly child: ChildProcess;
  private readonly stop = (): void => {
    this.child.kill('SIGTERM');
  };

  /** @param file the program, which calls `beChild` */
  constructor(
    file: string,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.child = fork(file, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    signal?.addEventListener('abort', this.stop);
  }

  /**
   * Sends a request and listens until it is done.
   * @param what name of the process in errors
   * @param hear called with each message except failures; its return value for the last one is the result, and an
   * exception ends it
   * @throws UserError, or an Error with the worker's stack, if the work fails; EndedEarly
   */
  ask<Result>(
    request: Serializable,
    what: string,
    hear: (message: Exclude<Message, Failed>) => { readonly result: Result } | undefined,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      const { child } = this;
      const settle = (act: () => void): void => {
        child.off('message', listen).off('exit', ended).off('error', failed);
        act();
      };
      const listen = (message: Message): void => {
        try {
          if (isFailed(message)) {
            const { message: text, stack } = message;
            throw stack ? new Error(stack) : new UserError(text);
          }
          const last = hear(message as Exclude<Message, Failed>);
          if (last) settle(() => resolve(last.result));
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const ended = (code: number | null, killed: string | null): void =>
        settle(() => reject(new EndedEarly(`${what} ended early (${killed ?? `exit code ${code}`})`)));
      const failed = (error: Error): void => settle(() => reject(error));
      child.on('message', listen).on('exit', ended).on('error', failed);
      child.send(request);
    });
  }

  /** Ends the process when no further request will come. */
  end(): void {
    this.signal?.removeEventListener('abort', this.stop);
    if (this.child.connected) this.child.disconnect();
  }
}

function isFailed(message: { readonly type: string }): message is Failed {
  return message.type === 'failed';
}
