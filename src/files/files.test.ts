/**
 * Writing on real file systems that are full, read-only or removed; locks of processes that are dead, alive or on
 * another machine.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  append,
  FileError,
  FolderLock,
  LOCK,
  LockError,
  remove,
  WholeFile,
  writeFolder,
  writeWhole,
} from './index.js';
import { isAlive, machine, startOf } from './process.js';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'lambda-grpo-files-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** A separate file system; null if this process may not mount one. */
function mount(size: string): string | null {
  const place = mkdtempSync(join(tmpdir(), 'lambda-grpo-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', place], { stdio: 'ignore' });
    mounted.push(place);
    return place;
  } catch {
    rmSync(place, { recursive: true });
    return null;
  }
}
const mounted: string[] = [];
const canMount = mount('64k') !== null;
afterAll(() => {
  for (const place of mounted) {
    spawnSync('umount', ['-l', place]);
    rmSync(place, { recursive: true, force: true });
  }
});

const oneLine = async (act: Promise<unknown>): Promise<string> => {
  const error = await act.then(
    () => null,
    (e: Error) => e,
  );
  expect(error).toBeInstanceOf(FileError);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message;
};

describe.skipIf(!canMount)('a disk that is full', () => {
  const full = 'no space is left on the disk (ENOSPC)';
  const text = 'x'.repeat(200_000);

  it('leaves the old file and nothing else, whatever was being written', async () => {
    const disk = mount('128k') as string;
    const file = join(disk, 'file');
    await writeWhole(file, 'before');
    expect(await oneLine(writeWhole(file, text))).toBe(`${file}: cannot be written: ${full}`);
    const folder = join(disk, 'folder');
    await writeFolder(folder, (inner) => writeWhole(join(inner, 'a'), 'before'));
    const filling = writeFolder(folder, async (inner) => {
      await writeWhole(join(inner, 'a'), 'after');
      await writeWhole(join(inner, 'b'), text);
    });
    expect(await oneLine(filling)).toContain(full);
    expect(readdirSync(disk).sort()).toEqual(['file', 'folder']);
    expect(readFileSync(file, 'utf8')).toBe('before');
    expect(readdirSync(folder)).toEqual(['a']);
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('before');
  });

  it('a line that does not fit leaves the file as it was, to the byte', async () => {
    const disk = mount('64k') as string;
    const file = join(disk, 'lines');
    await writeWhole(file, '');
    const line = `${'y'.repeat(3000)}\n`;
    let whole = '';
    const message = await oneLine(
      (async () => {
        for (;;) {
          await append(file, line);
          whole += line;
        }
      })(),
    );
    expect(message).toBe(`${file}: cannot be written: ${full}`);
    expect(whole.length).toBeGreaterThan(30_000);
    expect(readFileSync(file, 'utf8')).toBe(whole);
  });

  it('no lock can be made on it', async () => {
    const disk = mount('64k') as string;
    expect(() => appendFileSync(join(disk, 'filler'), Buffer.alloc(100_000))).toThrow('ENOSPC');
    expect(await oneLine(FolderLock.take(disk))).toContain(full);
    expect(readdirSync(disk)).toEqual(['filler']);
  });
});

describe.skipIf(!canMount)('a disk that is read-only', () => {
  it('is one line, and nothing is lost', async () => {
    const disk = mount('128k') as string;
    const [file, folder] = [join(disk, 'file'), join(disk, 'folder')];
    await writeWhole(file, 'before');
    await writeFolder(folder, (inner) => writeWhole(join(inner, 'a'), 'before'));
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    const refused = 'the file system is read-only (EROFS)';
    for (const act of [
      () => writeWhole(file, 'after'),
      () => append(file, 'after'),
      () => writeFolder(folder, async () => {}),
      () => remove(folder),
      () => FolderLock.take(disk),
      () => WholeFile.open(file),
    ]) {
      expect(await oneLine(act())).toContain(refused);
    }
    expect(readdirSync(disk).sort()).toEqual(['file', 'folder']);
    expect(readFileSync(file, 'utf8')).toBe('before');
  });
});

it.skipIf(process.getuid?.() === 0 && spawnSync('setpriv', ['--version']).error !== undefined)(
  'a folder without permission is one line',
  () => {
    const folder = join(base, 'closed');
    mkdirSync(folder, { mode: 0o555 });
    const script = `
      import { writeWhole } from ${JSON.stringify(new URL('./write.ts', import.meta.url).href)};
      await writeWhole(${JSON.stringify(join(folder, 'file'))}, 'x').catch((error) => console.log(error.message));`;
    const args = ['--import', 'tsx', '--input-type=module', '-e', script];
    execFileSync('chmod', ['755', base]);
    const { stdout } =
      process.getuid?.() === 0
        ? spawnSync('setpriv', [
            '--reuid=65534',
            '--regid=65534',
            '--clear-groups',
            process.execPath,
            ...args,
          ])
        : spawnSync(process.execPath, args);
    expect(stdout.toString()).toBe(
      `${join(folder, 'file')}: cannot be written: permission denied (EACCES)\n`,
    );
  },
);

describe('a folder that was removed', () => {
  it('is not made again', async () => {
    const folder = join(base, 'run');
    mkdirSync(folder);
    const file = join(folder, 'lines');
    await writeWhole(file, 'a\n');
    rmSync(folder, { recursive: true });
    const gone = 'its folder does not exist or was removed (ENOENT)';
    expect(await oneLine(append(file, 'b\n'))).toBe(`${file}: cannot be written: ${gone}`);
    expect(await oneLine(writeWhole(file, 'b\n'))).toBe(`${file}: cannot be written: ${gone}`);
    expect(await oneLine(writeFolder(join(folder, 'x'), async () => {}))).toContain(gone);
    expect(readdirSync(base)).toEqual([]);
  });
});

describe('what is unfinished', () => {
  const child = (act: string) => {
    const script = `
      import { WholeFile } from ${JSON.stringify(new URL('./write.ts', import.meta.url).href)};
      const file = await WholeFile.open(${JSON.stringify(join(base, 'out'))});
      await file.write('x'.repeat(3_000_000));
      console.log('ready');
      ${act}`;
    return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  };
  const ended = (process: ReturnType<typeof child>) => new Promise((resolve) => process.on('close', resolve));

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('goes when %s ends the process', async (signal) => {
    const process = child('setInterval(() => {}, 1000);');
    await new Promise((resolve) => process.stdout?.once('data', resolve));
    expect(readdirSync(base)).toHaveLength(1);
    process.kill(signal);
    await ended(process);
    expect(process.signalCode).toBe(signal);
    expect(readdirSync(base)).toEqual([]);
  });

  it('goes with an error that nobody caught; after a SIGKILL the next writer removes it', async () => {
    await ended(child("throw new Error('x');"));
    expect(readdirSync(base)).toEqual([]);
    const process = child('setInterval(() => {}, 1000);');
    await new Promise((resolve) => process.stdout?.once('data', resolve));
    process.kill('SIGKILL');
    await ended(process);
    expect(readdirSync(base)).toEqual([`out.${process.pid}.tmp`]);
    await writeWhole(join(base, 'out'), 'new');
    expect(readdirSync(base)).toEqual(['out']);
  });
});

describe('a lock', () => {
  const lockOf = (change: object): void => {
    const holder = {
      pid: process.pid,
      host: 'host',
      machine: machine(),
      started: null,
      since: '2026-11-26T00:00:00.000Z',
      nonce: 'before',
    };
    writeFileSync(join(base, LOCK), JSON.stringify({ ...holder, ...change }));
  };
  const age = (seconds: number): void => {
    const then = Date.now() / 1000 - seconds;
    utimesSync(join(base, LOCK), then, then);
  };
  const refusal = async (): Promise<string> => {
    const error = await FolderLock.take(base).catch((e: Error) => e);
    expect(error).toBeInstanceOf(LockError);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message;
  };
  const expectTaken = async (): Promise<void> => {
    const lock = await FolderLock.take(base);
    expect(readdirSync(base)).toEqual([LOCK]);
    await lock.check();
    await lock.release();
    expect(readdirSync(base)).toEqual([]);
  };

  it('of a process that lives names it', async () => {
    const sleeper = spawn('sleep', ['60']);
    try {
      lockOf({ pid: sleeper.pid, started: await startOf(sleeper.pid as number) });
      expect(await refusal()).toBe(
        `${base}: process ${sleeper.pid} on host has been writing to it since 2026-11-26T00:00:00.000Z; ` +
          'wait until it ends, or choose another folder',
      );
      // The lock counts however long it was not touched: its process may be suspended.
      age(1e6);
      await refusal();
    } finally {
      sleeper.kill('SIGKILL');
    }
  });

  it('of a process that has ended is taken over', async () => {
    const { pid } = spawnSync('true');
    expect(isAlive(pid)).toBe(false);
    lockOf({ pid });
    await expectTaken();
  });

  it('of a number that was given again is taken over', async () => {
    lockOf({ pid: process.ppid, started: `${Number(await startOf(process.ppid)) - 1}` });
    await expectTaken();
  });

  it('of another machine counts until it was forgotten', async () => {
    const { pid } = spawnSync('true');
    lockOf({ pid, machine: 'elsewhere' });
    expect(await refusal()).toContain(`if that process has ended, remove ${join(base, LOCK)}, or wait`);
    age(100);
    await refusal();
    age(130);
    await expectTaken();
  });

  it('that is empty or broken counts a moment', async () => {
    for (const text of ['', '{"pid":', '{"pid":1,"nonce":"../x"}']) {
      writeFileSync(join(base, LOCK), text);
      expect(await refusal()).toContain('is being written by another process');
      age(10);
      await expectTaken();
    }
  });

  it('that was lost stops its writer, and its release leaves the new one', async () => {
    const lock = await FolderLock.take(base);
    lockOf({ pid: 77, nonce: 'other' });
    await expect(lock.check()).rejects.toThrow(
      `${base}: this process stops writing here: process 77 on host is writing to it now`,
    );
    await lock.release();
    expect(readdirSync(base)).toEqual([LOCK]);
    rmSync(join(base, LOCK));
    await expect(lock.check()).rejects.toThrow(`${LOCK} is gone: the folder was removed or replaced`);
  });

  it('waits for the given time', async () => {
    const lock = await FolderLock.take(base);
    setTimeout(() => lock.release(), 300);
    const next = await FolderLock.take(base, 5000);
    await next.release();
  });

  it('has one holder, however many want it at once, over a free folder, a dead one, and a dead one who was taking over', async () => {
    const { pid } = spawnSync('true');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2 }),
        fc.array(fc.nat(6), { minLength: 2, maxLength: 12 }),
        async (dead, delays) => {
          if (dead >= 1) lockOf({ pid });
          if (dead === 2)
            writeFileSync(
              join(base, `${LOCK}.before`),
              JSON.stringify({ pid, machine: machine(), nonce: 'claim' }),
            );
          const results = await Promise.allSettled(
            delays.map(async (delay) => {
              await new Promise((resolve) => setTimeout(resolve, delay));
              return FolderLock.take(base);
            }),
          );
          const holders = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
          for (const result of results)
            if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(LockError);
          expect(holders).toHaveLength(1);
          await holders[0].check();
          await holders[0].release();
          expect(readdirSync(base)).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  });
});
