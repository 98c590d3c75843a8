/**
 * How a command ends. A fault that its user can mend is one line on stderr; anything else is a fault of the program,
 * shown with its stack and a request to report it. Both exit with code 1.
 */
import { UserError } from '../errors.js';
import { RewardError } from '../objective/index.js';
import { TreeError } from '../tree/index.js';

export interface Surroundings {
  readonly stderr: { write(text: string): unknown };
  /** Set, not called: output that is still on its way is not cut off. */
  setExitCode(code: number): void;
}

const PROCESS: Surroundings = {
  stderr: process.stderr,
  setExitCode: (code) => {
    process.exitCode = code;
  },
};

/** Runs a command to its end and turns what it throws into a message and an exit code. */
export async function runCommand(
  command: () => Promise<void> | void,
  around: Surroundings = PROCESS,
): Promise<void> {
  try {
    await command();
  } catch (error) {
    around.stderr.write(describeError(error));
    around.setExitCode(1);
  }
}

/** What is shown for an error, newline included; a UserError's several lines are several faults. */
export function describeError(error: unknown): string {
  // The pure rooms know no UserError; what they refuse are rewards and groups, which come from the user.
  if (error instanceof UserError || error instanceof RewardError || error instanceof TreeError) {
    return error.message
      .split('\n')
      .map((line) => `error: ${line}\n`)
      .join('');
  }
  const text =
    error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : `thrown: ${String(error)}`;
  return `${text}\nThis is a fault of lambda-grpo, not of your input: please report it with the lines above.\n`;
}
