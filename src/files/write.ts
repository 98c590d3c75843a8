/**
 * The only module that writes files: all other files of src/ create, change and remove files through it
 * (`test/layout.test.ts`). A file appears complete or not at all: it is written under a temporary name beside its
 * target, flushed to disk, and renamed. A system error becomes a one-line FileError, and nothing unfinished is left.
 */
import { constants } from 'node:fs';
import { copyFile, type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileError } from './errors.js';
import { removeLeftovers, settled, temporaryName, unfinished } from './temporary.js';

/** Makes a folder and those above it, where they do not exist. @throws FileError */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error) => {
    throw fileError(path, error, 'cannot be made');
  });
}

/** Makes a folder in one that exists; one that is there stays as it is. @throws FileError */
export async function makeSubfolder(path: string): Promise<void> {
  await mkdir(path).catch((error) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError(path, error, 'cannot be made');
  });
}

/**
 * Makes a folder beside a file that is made from parts. It is removed with the process at the latest.
 * @returns the folder. @throws FileError naming the file
 */
export async function makeTemporaryFolder(path: string): Promise<string> {
  const folder = temporaryName(path);
  try {
    await removeLeftovers(path);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    unfinished(folder);
    return folder;
  } catch (error) {
    throw fileError(path, error);
  }
}

/** Writes a file whole, in the place of one that may be there. @throws FileError; the file is then as it was */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const file = await WholeFile.open(path);
  try {
    await file.writeBytes(typeof content === 'string' ? Buffer.from(content) : content);
    await file.complete();
    await file.publish();
  } catch (error) {
    await file.abort();
    throw error;
  }
}

/**
 * Appends to a file that is there: one that was removed is not made again.
 * @throws FileError; the file then ends where it ended before
 */
export async function append(path: string, content: string | Uint8Array): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_WRONLY | constants.O_APPEND);
    const { size } = await handle.stat();
    try {
      await handle.writeFile(content);
    } catch (error) {
      await handle.truncate(size).catch(() => {});
      throw error;
    }
    // A removed file can still be written to: its name is what counts.
    if ((await handle.stat()).nlink === 0) throw Object.assign(new Error('removed'), { code: 'ENOENT' });
  } catch (error) {
    throw fileError(path, error);
  } finally {
    await handle?.close().catch(() => {});
  }
}

/** Brings a file, or a folder's entries, to the disk. Where the system cannot do it for folders, nothing happens. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => null);
  await handle?.sync().catch(() => {});
  await handle?.close().catch(() => {});
}

/**
 * Makes a folder whole: `fill` writes into a temporary one, which then gets the name. One that has the name is moved away
 * first and removed after, so that at any moment the old or the new one lies there, whole, under its name or a temporary one.
 * @throws FileError, and what `fill` throws; nothing of the new folder is left then
 */
export async function writeFolder(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path);
  const before = temporaryName(`${path}.before`);
  try {
    await removeLeftovers(path);
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary);
    unfinished(temporary);
    await fill(temporary);
    await sync(temporary);
    const replaced = await rename(path, before).then(
      () => true,
      (error) => {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
        throw error;
      },
    );
    try {
      await rename(temporary, path);
    } catch (error) {
      if (replaced) await rename(before, path);
      throw error;
    }
    await sync(dirname(path));
    if (replaced) await rm(before, { recursive: true, force: true });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw (error as NodeJS.ErrnoException).syscall === undefined ? error : fileError(path, error);
  } finally {
    settled(temporary);
  }
}

/**
 * Removes a file or a folder with all in it; one that is not there is no fault. A folder loses its name first: what has
 * the name is whole.
 * @throws FileError
 */
export async function remove(path: string): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await rename(path, temporary).catch((error) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
    await rm(temporary, { recursive: true, force: true });
    settled(path);
  } catch (error) {
    throw fileError(path, error, 'cannot be removed');
  }
}

/** Gives a whole file or folder its name, in the place of a file that may have it. @throws FileError */
export async function move(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error) => {
    throw fileError(to, error);
  });
}

/** Removes what was left unfinished in a folder that nobody else writes to. @throws FileError */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith('.tmp')) continue;
    const path = join(folder, name);
    await rm(path, { recursive: true, force: true }).catch((error) => {
      throw fileError(path, error, 'cannot be removed');
    });
  }
}

/** Copies a file. @throws FileError */
export async function copy(from: string, to: string): Promise<void> {
  await copyFile(from, to).catch((error) => {
    throw fileError(to, error);
  });
}

const AT_ONCE = 1 << 20;

/** A file in the making: it appears under its name when it is published, and what lay there before stays until then. */
export class WholeFile {
  private text = '';

  private constructor(
    readonly path: string,
    private readonly temporary: string,
    private readonly handle: FileHandle,
  ) {}

  /** @throws FileError where no file can be written */
  static async open(path: string): Promise<WholeFile> {
    const temporary = temporaryName(path);
    await removeLeftovers(path);
    const handle = await open(temporary, 'w').catch((error) => {
      throw fileError(path, error);
    });
    unfinished(temporary);
    return new WholeFile(path, temporary, handle);
  }

  /** Adds text; it reaches the file a megabyte at a time. @throws FileError */
  async write(text: string): Promise<void> {
    this.text += text;
    if (this.text.length >= AT_ONCE) await this.flush();
  }

  /** Adds bytes, which are read before this returns. @throws FileError */
  async writeBytes(bytes: Uint8Array): Promise<void> {
    if (this.text !== '') await this.flush();
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await this.handle.write(bytes, at, Math.min(8 * AT_ONCE, bytes.length - at));
        at += bytesWritten;
      }
    } catch (error) {
      throw fileError(this.path, error);
    }
  }

  /** Writes what is left and brings it to the disk; the file still has its temporary name. @throws FileError */
  async complete(): Promise<void> {
    await this.flush();
    try {
      await this.handle.sync();
      await this.handle.close();
    } catch (error) {
      throw fileError(this.path, error);
    }
  }

  /** Gives the completed file its name. @throws FileError */
  async publish(): Promise<void> {
    await rename(this.temporary, this.path).catch((error) => {
      throw fileError(this.path, error);
    });
    settled(this.temporary);
  }

  /** Removes what was written; once published, does nothing. */
  async abort(): Promise<void> {
    await this.handle.close().catch(() => {});
    await rm(this.temporary, { force: true }).catch(() => {});
    settled(this.temporary);
  }

  private async flush(): Promise<void> {
    const { text } = this;
    this.text = '';
    if (text !== '') await this.writeBytes(Buffer.from(text));
  }
}
