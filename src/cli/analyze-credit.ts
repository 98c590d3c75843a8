/** `analyze --credit`: loads credit rules by name or from a module and applies them to each group. */
import { basename, extname } from 'node:path';
import { type GroupAnalysis, type GroupCredit, ownCredit, publishedCredit } from '../analysis/index.js';
import { UserError } from '../errors.js';
import { CreditError, isCreditName } from '../objective/index.js';
import { openCredit } from '../train/index.js';

export interface AnalyzeRule {
  readonly name: string;
  /** @throws UserError for a custom rule whose results are not coefficients */
  credit(analysis: GroupAnalysis, at: string): GroupCredit | Promise<GroupCredit>;
}

/** Longest time for one call into a module, s. */
const SECONDS = 60;

/**
 * @param names of published rules, or files of modules
 * @throws UserError for a name that is neither, and for a duplicate
 */
export async function openRules(names: readonly string[]): Promise<AnalyzeRule[]> {
  const rules: AnalyzeRule[] = [];
  for (const argument of names) {
    const name = isCreditName(argument) ? argument : basename(argument, extname(argument));
    // Names of weight columns consist of letters, digits and underscores.
    const column = name.replaceAll(/\W/g, '_');
    if (rules.some((rule) => rule.name.replaceAll(/\W/g, '_') === column))
      throw new UserError(`--credit: expected each rule once, got '${name}' twice`);
    if (isCreditName(argument)) {
      rules.push({ name, credit: (analysis) => publishedCredit(argument, analysis) });
      continue;
    }
    const objective = { credit: argument, credit_seconds: SECONDS } as Parameters<
      typeof openCredit
    >[0]['objective'];
    const rule = await openCredit({ objective });
    if (!rule) continue;
    rules.push({
      name,
      credit: async (analysis, at) => {
        try {
          return await ownCredit(
            name,
            (tree, rewards, context) => rule(tree, rewards, { ...context, at }),
            analysis,
          );
        } catch (error) {
          throw error instanceof CreditError ? new UserError(`${argument}: ${error.message}`) : error;
        }
      },
    });
  }
  return rules;
}
