/**
 * How a command ends with an error. An error that the user can fix is one line on stderr. Any other error is a bug: it is
 * shown with its stack and a request to report it. Both exit with code 1.
 */
import { UserError } from '../errors.js';
import { RewardError } from '../objective/index.js';
import { TreeError } from '../tree/index.js';
import { say } from './terminal.js';

export interface Surroundings {
  /** Prints on standard error; the lines come without a final line end. */
  readonly say: (text: string) => void;
  /** Sets the exit code instead of calling process.exit, so that pending output is not cut off. */
  setExitCode(code: number): void;
}

const PROCESS: Surroundings = {
  say,
  setExitCode: (code) => {
    process.exitCode = code;
  },
};

/** Runs a command and turns an error into a message and an exit code. */
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

/** The text that is shown for an error. Several lines of a UserError are several faults. */
export function describeError(error: unknown): string {
  // Rooms without dependencies do not know UserError; the errors that they throw about rewards and groups are caused by
  // input.
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
