/**
 * Loads the rule that `objective.credit` names: a published rule (objective/credit/rules.ts), or a user module that
 * exports `coefficients(tree, rewards, context)`. Calls into a module are guarded like those of a task; errors name
 * file, problem and step.
 */
import { existsSync } from 'node:fs';
import {
  askRule,
  CREDIT_NAMES,
  CREDIT_RULES,
  CreditError,
  type CreditRule,
  isCreditName,
} from '../objective/index.js';
import { TaskError } from '../task/index.js';
import type { Config } from './config.js';
import { loadExport } from './user-module.js';
import { watchedCalls } from './user-watch.js';
import { warnOnce } from './warnings.js';

/**
 * The configured rule; undefined: the method's own.
 * @throws TaskError in one line for a module that does not exist, fails, or exports no rule
 */
export async function openCredit({ objective }: Pick<Config, 'objective'>): Promise<CreditRule | undefined> {
  const { credit: path, credit_seconds: seconds } = objective;
  if (path === null) return undefined;
  if (isCreditName(path)) return CREDIT_RULES[path].rule;
  if (!/[./\\]/.test(path) && !existsSync(path)) {
    const names = CREDIT_NAMES.join(', ');
    throw new TaskError(`objective.credit: expected a rule (${names}) or a module's file, got '${path}'`);
  }
  const limit = 'objective.credit_seconds';
  const call = watchedCalls({ file: path, seconds, limit, tolerant: false, warn: warnOnce });
  const rule = await loadExport(path, 'coefficients', 'objective.credit', call);
  await call('export', () => {
    if (typeof rule !== 'function') {
      throw new TaskError(
        `expected an exported function \`coefficients\`, got ${rule === undefined ? 'none' : typeof rule}`,
      );
    }
  });
  return (tree, rewards, context) =>
    call(`coefficients of ${context.at}`, async () => {
      try {
        const { kl, ...signs } = await askRule(rule as CreditRule, tree, rewards, context, ABSENT);
        return kl.length > 0 ? { ...signs, kl } : signs;
      } catch (error) {
        throw error instanceof CreditError ? new TaskError(error.message) : error;
      }
    });
}

/** The rule that replaces the method's: the given one, or the published one that the configuration names. */
export function creditOf({
  config,
  credit,
}: {
  readonly config: Pick<Config, 'objective'>;
  readonly credit?: CreditRule;
}): CreditRule | undefined {
  const { credit: name } = config.objective;
  return credit ?? (name !== null && isCreditName(name) ? CREDIT_RULES[name].rule : undefined);
}

/** Marks a result in which the rule did not return K. */
const ABSENT = new Float64Array();
