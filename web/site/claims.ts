/** The table of claims (docs/results/claims.md) as data. */

export interface Claim {
  readonly title: string;
  /** Its page under docs/results. */
  readonly file: string;
  readonly verdict: string;
  readonly figures: string;
}

/** @throws Error for a row that is not a claim: the page never shows an unreadable table */
export function claimsOf(markdown: string): Claim[] {
  const [, , ...rows] = markdown.split('\n').filter((line) => line.startsWith('|'));
  return rows.map((row) => {
    // A | within a cell is written \|.
    const cells = row
      .slice(1, row.lastIndexOf('|'))
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll('\\|', '|'));
    const [, title, file] = /^\[(.+)\]\(([\w.-]+)\)$/.exec(cells[0]) ?? [];
    if (cells.length !== 3 || title === undefined)
      throw new Error(`docs/results/claims.md: expected "| [title](file) | verdict | figures |", got ${row}`);
    return { title, file, verdict: cells[1], figures: cells[2] };
  });
}
