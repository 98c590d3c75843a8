/**
 * Server-sent events that tell every open page what has changed. One watcher serves all pages. It polls sizes and times
 * of the files (system notifications do not work on every file system), and pauses while no page is open.
 */
import { setTimeout } from 'node:timers/promises';
import type { Reader } from './reader.js';
import { type RunStore, refreshAll } from './run-store.js';

const POLL = 500;
/** Every this many polls, the folder is searched for new runs, and quiet runs are checked. */
const SEARCH_EVERY = 4;
const QUIET_EVERY = 20;
/** A run is quiet if nothing was written for this long, ms. */
const QUIET = 600_000;
const HEARTBEAT = 15_000;
const MOST_CLIENTS = 64;
/** A page with more unsent data than this is disconnected; it reconnects and fetches everything again. */
const MOST_WAITING = 4 << 20;

type Client = ReadableStreamDefaultController<Uint8Array>;

export class Events {
  private readonly clients = new Set<Client>();
  private readonly seen = new WeakSet<Reader>();
  private names = '';
  private watching = false;
  private lastSent = 0;
  private readonly encoder = new TextEncoder();

  constructor(
    private readonly store: RunStore,
    private readonly clock: () => number,
    private readonly every = POLL,
  ) {}

  get count(): number {
    return this.clients.size;
  }

  /** The stream of one page; null if too many are open. */
  open(): ReadableStream<Uint8Array> | null {
    if (this.clients.size >= MOST_CLIENTS) return null;
    let client: Client;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          client = controller;
          this.clients.add(client);
          client.enqueue(this.encoder.encode('retry: 1000\n: open\n\n'));
          void this.watch();
        },
        cancel: () => {
          this.clients.delete(client);
        },
      },
      { highWaterMark: MOST_WAITING, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  /** Ends every stream. */
  close(): void {
    for (const client of this.clients) client.close();
    this.clients.clear();
  }

  private async watch(): Promise<void> {
    if (this.watching) return;
    this.watching = true;
    // Changes from before the watcher started are in what a page fetches first. Errors of the file system do not stop
    // the watcher.
    await this.begin().catch(() => undefined);
    for (let polls = 1; this.clients.size > 0; polls++) {
      await setTimeout(this.every, undefined, { ref: false });
      if (this.clients.size > 0) await this.poll(polls).catch(() => undefined);
    }
    this.watching = false;
  }

  private async begin(): Promise<void> {
    const readers = await this.store.find();
    this.names = namesOf(readers);
    await refreshAll(readers);
    for (const reader of readers) await this.noteSeen(reader);
  }

  private async noteSeen(reader: Reader): Promise<void> {
    this.seen.add(reader);
    await reader.markSent();
  }

  private async poll(polls: number): Promise<void> {
    if (polls % SEARCH_EVERY === 0) {
      const readers = await this.store.find();
      const names = namesOf(readers);
      if (names !== this.names) {
        this.names = names;
        this.send('list', '');
      }
    }
    const everyone = polls % QUIET_EVERY === 0;
    for (const reader of this.store.known()) {
      const isNew = !this.seen.has(reader);
      if (!isNew && !everyone && this.clock() - reader.lastWritten > QUIET) continue;
      await reader.refresh();
      if (isNew) {
        await this.noteSeen(reader);
        continue;
      }
      const update = await reader.takeUpdate();
      if (update) this.send('run', JSON.stringify(update));
    }
    if (this.clock() - this.lastSent >= HEARTBEAT) this.sendBytes(': still here\n\n');
  }

  /** @param data one line */
  private send(event: string, data: string): void {
    this.sendBytes(`event: ${event}\ndata: ${data}\n\n`);
  }

  private sendBytes(text: string): void {
    this.lastSent = this.clock();
    const bytes = this.encoder.encode(text);
    for (const client of this.clients) {
      if ((client.desiredSize ?? 0) > 0) client.enqueue(bytes);
      else {
        this.clients.delete(client);
        client.close();
      }
    }
  }
}

function namesOf(readers: readonly Reader[]): string {
  return readers.map(({ run }) => run).join('\0');
}
