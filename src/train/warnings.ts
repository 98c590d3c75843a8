/**
 * Warnings that do not stop a run. Each line is reported once per process to all listeners (the command line prints it
 * on standard error). Lines are kept until there is a listener.
 */
const warned = new Set<string>();
let listener: ((line: string) => void) | null = null;

export function warnOnce(line: string): void {
  if (warned.has(line)) return;
  warned.add(line);
  listener?.(line);
}

/** Subscribes to warnings, including earlier ones. */
export function onWarning(listen: (line: string) => void): void {
  listener = listen;
  for (const line of warned) listen(line);
}
