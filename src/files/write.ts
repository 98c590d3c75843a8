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

/** Creates a folder and its parents if they do not exist. @throws FileError */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error) => {
    throw fileError(path, error, 'cannot be created');
  });
}

/** Creates a folder in an existing one; an existing folder is kept. @throws FileError */
export async function makeSubfolder(path: string): Promise<void> {
  await mkdir(path).catch((error) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError(path, error, 'cannot be created');
  });
}

/**
 * Creates a folder for the parts of a file, beside the file. It is removed at the latest when the process ends.
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

/** Writes a whole file and replaces an existing one. @throws FileError; the existing file is then unchanged */
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
 * Appends to an existing file; a removed file is not created again.
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
    // An open file that was removed can still be written to, so the path is checked.
    if ((await handle.stat()).nlink === 0) throw Object.assign(new Error('removed'), { code: 'ENOENT' });
  } catch (error) {
    throw fileError(path, error);
  } finally {
    await handle?.close().catch(() => {});
  }
}

/** Flushes a file, or a folder's entries, to the disk. If the system cannot flush folders, nothing happens. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r').catch(() => null);
  await handle?.sync().catch(() => {});
  await handle?.close().catch(() => {});
}

/**
 * Writes a whole folder: `fill` writes into a temporary folder, which is then renamed. An existing folder is moved away
 * first and removed afterwards, so at any moment the old or the new one exists as a whole, under its name or a
 * temporary one.
 * @throws FileError, and what `fill` throws; then nothing of the new folder is left
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
 * Removes a file or a folder with its content; a missing one is not an error. A folder is renamed first, so that a
 * folder with this name is always complete.
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
    throw fileError(path, error, 'cannot be deleted');
  }
}

/** Renames a finished file or folder to its target name, replacing an existing file. @throws FileError */
export async function move(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error) => {
    throw fileError(to, error);
  });
}

/** Removes unfinished files from a folder that no other process writes to. @throws FileError */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith('.tmp')) continue;
    const path = join(folder, name);
    await rm(path, { recursive: true, force: true }).catch((error) => {
      throw fileError(path, error, 'cannot be deleted');
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

/** A file that is being written: it gets its name when it is published, and the existing file stays until then. */
export class WholeFile {
  private text = '';

  private constructor(
    readonly path: string,
    private readonly temporary: string,
    private readonly handle: FileHandle,
  ) {}

  /** @throws FileError if the file cannot be written */
  static async open(path: string): Promise<WholeFile> {
    const temporary = temporaryName(path);
    await removeLeftovers(path);
    const handle = await open(temporary, 'w').catch((error) => {
      throw fileError(path, error);
    });
    unfinished(temporary);
    return new WholeFile(path, temporary, handle);
  }

  /** Adds text, which is written in blocks of a megabyte. @throws FileError */
  async write(text: string): Promise<void> {
    this.text += text;
    if (this.text.length >= AT_ONCE) await this.flush();
  }

  /** Adds bytes, which are copied before this returns. @throws FileError */
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

  /** Writes the rest and flushes it to the disk; the file still has its temporary name. @throws FileError */
  async complete(): Promise<void> {
    await this.flush();
    try {
      await this.handle.sync();
      await this.handle.close();
    } catch (error) {
      throw fileError(this.path, error);
    }
  }

  /** Renames the completed file to its target name. @throws FileError */
  async publish(): Promise<void> {
    await rename(this.temporary, this.path).catch((error) => {
      throw fileError(this.path, error);
    });
    settled(this.temporary);
  }

  /** Removes the unfinished file; does nothing once it is published. */
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
