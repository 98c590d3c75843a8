/**
 * Compiled programs by key. The runtime keeps for each program the memory of its largest run, so a memory limit applies
 * to the sum over all of them: the least recently used programs are disposed of, and compiled again when they are
 * needed. Which program computes a batch never depends on the cache.
 */
import type { Program } from '../../runtime/index.js';

interface Entry {
  readonly program: Promise<Program<never, unknown>>;
  /** Estimated memory of its largest run, bytes. */
  bytes: number;
  /** Number of unfinished runs; while there are any, the program cannot be disposed of. */
  running: number;
}

/** Memory of a run, and the limit for all kept programs together, bytes. */
export interface Holding {
  readonly bytes: number;
  readonly limit: number;
}

export class ProgramCache {
  /** In order of use, most recently used last. */
  private readonly entries = new Map<string, Entry>();

  /** Keys of the kept programs, most recently used last. */
  get keys(): readonly string[] {
    return [...this.entries.keys()];
  }

  /** Runs a program and compiles it if needed; other programs are disposed of first to make room. */
  async run<Batch, Result>(
    key: string,
    compile: () => Promise<Program<Batch, Result>>,
    batch: Batch,
    { bytes, limit }: Holding,
  ): Promise<Result> {
    const kept = this.entries.get(key);
    await this.makeRoom(key, limit - Math.max(bytes, kept?.bytes ?? 0));
    const entry: Entry = this.entries.get(key) ?? { program: compile(), bytes, running: 0 };
    entry.bytes = Math.max(entry.bytes, bytes);
    entry.running++;
    this.entries.delete(key);
    this.entries.set(key, entry);
    try {
      const program = await entry.program.catch((error: unknown) => {
        this.entries.delete(key);
        throw error;
      });
      return await (program as Program<Batch, Result>).run(batch);
    } finally {
      entry.running--;
    }
  }

  /** Disposes of other programs until the rest use at most `limit`, or all of them are running. */
  private async makeRoom(key: string, limit: number): Promise<void> {
    const others = [...this.entries].filter(([name]) => name !== key);
    let held = others.reduce((sum, [, { bytes }]) => sum + bytes, 0);
    for (const [name, entry] of others) {
      if (held <= limit) return;
      if (entry.running > 0) continue;
      this.entries.delete(name);
      held -= entry.bytes;
      await (await entry.program).dispose();
    }
  }

  async dispose(): Promise<void> {
    const entries = [...this.entries.values()];
    this.entries.clear();
    for (const { program } of entries) await (await program).dispose();
  }
}
