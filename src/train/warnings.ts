/** What a person should know before a run, although it goes on: one line on standard error, each line once a process. */

const told = new Set<string>();

export function warnOnce(line: string): void {
  if (told.has(line)) return;
  told.add(line);
  process.stderr.write(`warning: ${line}\n`);
}
