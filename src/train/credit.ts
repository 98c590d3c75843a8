/**
 * A credit rule of the user's own (`objective.credit`): a module that exports `coefficients(tree, rewards, context)`. Calls
 * into it are watched like a task's; what fails, or returns no coefficients, is named by file, problem and step.
 */
import { askRule, CreditError, type CreditRule } from '../objective/index.js';
import { TaskError } from '../task/index.js';
import type { Config } from './config.js';
import { loadExport } from './user-module.js';
import { watchedCalls } from './user-watch.js';
import { warnOnce } from './warnings.js';

/**
 * The rule that the configuration names; undefined: the method's.
 * @throws TaskError in one line for a module that is not there, fails, or exports no rule
 */
export async function openCredit({ objective }: Pick<Config, 'objective'>): Promise<CreditRule | undefined> {
  const { credit: path, credit_seconds: seconds } = objective;
  if (path === null) return undefined;
  const limit = 'objective.credit_seconds';
  const call = watchedCalls({ file: path, seconds, limit, tolerant: false, warn: warnOnce });
  const rule = await loadExport(path, 'coefficients', 'objective.credit', call);
  await call('export', () => {
    if (typeof rule !== 'function') {
      throw new TaskError(
        `expected a function \`coefficients\` that is exported by this name, got ${rule === undefined ? 'none' : typeof rule}`,
      );
    }
  });
  return (tree, rewards, context) =>
    call(`coefficients of ${context.at}`, async () => {
      try {
        const { plus, minus, kl } = await askRule(rule as CreditRule, tree, rewards, context, ABSENT);
        return kl.length > 0 ? { plus, minus, kl } : { plus, minus };
      } catch (error) {
        throw error instanceof CreditError ? new TaskError(error.message) : error;
      }
    });
}

/** Comes back where a rule says nothing of K. */
const ABSENT = new Float64Array();
