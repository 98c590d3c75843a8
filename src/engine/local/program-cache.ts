/**
 * Compiled programs by a key that says which. The runtime keeps for each what its largest run took, so a bound on memory is a
 * bound on the sum over all of them: those that were not used for longest are disposed of, and compiled again when
 * they are asked for. Which program computes a batch never depends on what is kept.
 */
import type { Program } from '../../runtime/index.js';

interface Entry {
  readonly program: Promise<Program<never, unknown>>;
  /** What its largest run took, bytes, by our estimate. */
  bytes: number;
  /** Runs that have not ended: it cannot be disposed of. */
  running: number;
}

/** What a run holds, and what all kept programs may hold together, bytes. */
export interface Holding {
  readonly bytes: number;
  readonly limit: number;
}

export class ProgramCache {
  /** The one used last comes last. */
  private readonly entries = new Map<string, Entry>();

  /** Keys of what is kept, the one used last at the end. */
  get keys(): readonly string[] {
    return [...this.entries.keys()];
  }

  /** Runs a program, which is compiled if it is not here; others make room first. */
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

  /** Disposes of others until they hold no more than `limit`, or all of them are running. */
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
