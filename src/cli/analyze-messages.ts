/** Messages of `analyze` besides its figures: warnings, notes and skipped rows. All are counted, the first ones kept. */
import type { LogAnalysis } from '../analysis/index.js';
import { placed, type ReadNote } from '../rollouts/index.js';
import { SOURCE_NOTES } from './analyze-summary.js';
import { visible } from './format.js';
import { say } from './terminal.js';

/** Maximum number of messages that are printed and that `--json` lists; the others are only counted. */
const PRINTED = 10;
const LISTED = 1000;

export class Messages {
  /** Messages about reasons why the figures may be wrong. */
  readonly warnings = new Listed();
  readonly notes = new Listed();
  readonly bad = new Listed();

  /** @param shown converts a message that names files for display */
  constructor(private readonly shown: (text: string) => string) {}

  note({ file, line, message, warning }: ReadNote): void {
    (warning ? this.warnings : this.notes).add(this.shown(placed(file, line, message)));
  }

  skipped(message: string): void {
    this.bad.add(this.shown(message));
  }

  /**
   * Prints on standard error what is not printed elsewhere: the summary contains the warnings, and the error of a
   * failed command contains the bad rows unless they are skipped.
   */
  print(beside: 'summary' | 'json' | 'failure' | 'skipping failure'): void {
    const lines =
      (beside === 'summary' ? '' : this.warnings.lines('warning')) +
      this.notes.lines('note') +
      (beside === 'failure' ? '' : this.bad.lines('skipped'));
    if (lines !== '') say(lines.trimEnd());
  }

  /** Notes for readers of the report: warnings, the origin of tokens and groups, notes, skipped rows. */
  remarks({ tokenSources, groupSources }: LogAnalysis['all']): string[] {
    const named = (counts: Readonly<Record<string, number>>, what: string) =>
      Object.entries(counts).map(
        ([name, groups]) =>
          `${what} of ${groups} ${groups === 1 ? 'group' : 'groups'}: ${SOURCE_NOTES[name] ?? name}`,
      );
    return [
      ...this.warnings.lines('warning').split('\n'),
      ...named(tokenSources, 'tokens'),
      ...named(groupSources, 'rows'),
      ...this.notes.lines('note').split('\n'),
      ...this.bad.lines('left out').split('\n'),
    ].filter((line) => line !== '');
  }

  json(): Record<string, unknown> {
    const { warnings, notes, bad } = this;
    return {
      ...{ warnings: warnings.list, warningCount: warnings.count },
      ...{ notes: notes.list, noteCount: notes.count },
      ...{ badRows: bad.list, badRowCount: bad.count },
    };
  }
}

class Listed {
  count = 0;
  readonly list: string[] = [];

  add(message: string): void {
    this.count++;
    if (this.list.length < LISTED) this.list.push(message);
  }

  /** The first messages, one line each, with a prefix. */
  lines(word: string): string {
    const shown = this.list.slice(0, PRINTED).map((message) => `${word}: ${visible(message)}\n`);
    const more = this.count - shown.length;
    return shown.join('') + (more > 0 ? `${word}: and ${more} more\n` : '');
  }
}
