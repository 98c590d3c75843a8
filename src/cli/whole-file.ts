/**
 * A text file that appears under its name only when it is whole: written under a temporary name beside it, renamed at
 * the end. What lay there before stays until then.
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { UserError } from '../errors.js';

const AT_ONCE = 1 << 20;

export class WholeFile {
  private text = '';

  private constructor(
    private readonly path: string,
    private readonly temporary: string,
    private readonly file: FileHandle,
  ) {}

  /** @throws UserError where no file can be written */
  static async open(path: string): Promise<WholeFile> {
    const temporary = `${path}.${process.pid}.tmp`;
    return new WholeFile(path, temporary, await open(temporary, 'w').catch((error) => fail(path, error)));
  }

  /** @throws UserError where it cannot be written */
  async write(text: string): Promise<void> {
    this.text += text;
    if (this.text.length >= AT_ONCE) await this.flush();
  }

  /** Writes what is left; the file still has its temporary name. @throws UserError */
  async complete(): Promise<void> {
    await this.flush();
    await this.file.close().catch((error) => fail(this.path, error));
  }

  /** Gives the completed file its name. @throws UserError */
  async publish(): Promise<void> {
    await rename(this.temporary, this.path).catch((error) => fail(this.path, error));
  }

  /** Removes what was written; once published, does nothing. */
  async abort(): Promise<void> {
    await this.file.close().catch(() => {});
    await rm(this.temporary, { force: true });
  }

  private async flush(): Promise<void> {
    const { text } = this;
    this.text = '';
    await this.file.writeFile(text).catch((error) => fail(this.path, error));
  }
}

function fail(path: string, error: unknown): never {
  throw new UserError(
    `${path}: cannot be written: ${error instanceof Error ? error.message : String(error)}`,
  );
}
