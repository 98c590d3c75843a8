/**
 * How a command ends with an error. An error that the user can fix is one line on stderr. Any other error is a bug: it is
 * shown with its stack and a request to report it. Both exit with code 1.
 */
import { UserError } from '../errors.js';
import { RewardError } from '../objective/index.js';
import { TreeError } from '../tree/index.js';
import { say } from './terminal.js';

export interface Surroundings {
  /** Prints on standard error; takes lines without the last one's end. */
  readonly say: (text: string) => void;
  /** Set, not called: output that is still on its way is not cut off. */
  setExitCode(code: number): void;
}

const PROCESS: Surroundings = {
  say,
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
    around.say(describeError(error));
    around.setExitCode(1);
  }
}

/** What is shown for an error; a UserError's several lines are several faults. */
export function describeError(error: unknown): string {
  // The pure rooms know no UserError; what they refuse are rewards and groups, which come from the user.
  if (error instanceof UserError || error instanceof RewardError || error instanceof TreeError) {
    return error.message
      .split('\n')
      .map((line) => `error: ${line}`)
      .join('\n');
  }
  const text =
    error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : `thrown: ${String(error)}`;
  return `${text}\nThis is a bug in lambda-grpo, not in your input. Please report it with the lines above.`;
}
