/** `analyze --credit`: the rules by name or module, each group under them, and the table of the summary. */
import { basename, extname } from 'node:path';
import {
  type CreditFigures,
  type GroupAnalysis,
  type GroupCredit,
  ownCredit,
  publishedCredit,
} from '../analysis/index.js';
import { UserError } from '../errors.js';
import { CREDIT_RULES, CreditError, isCreditName } from '../objective/index.js';
import { openCredit } from '../train/index.js';
import { formatTable } from './table.js';

export interface AnalyzeRule {
  readonly name: string;
  /** @throws UserError for a rule of the user's own that returns no coefficients */
  credit(analysis: GroupAnalysis, at: string): GroupCredit | Promise<GroupCredit>;
}

/** Longest time for one call into a module, s. */
const SECONDS = 60;

/**
 * @param names of published rules, or files of modules
 * @throws UserError for a name that is neither, and for one that stands twice
 */
export async function openRules(names: readonly string[]): Promise<AnalyzeRule[]> {
  const rules: AnalyzeRule[] = [];
  for (const given of names) {
    const name = isCreditName(given) ? given : basename(given, extname(given));
    // Columns of weights are named by letters, digits and underscores.
    const column = name.replaceAll(/\W/g, '_');
    if (rules.some((rule) => rule.name.replaceAll(/\W/g, '_') === column))
      throw new UserError(`--credit: expected each rule once, got '${name}' twice`);
    if (isCreditName(given)) {
      rules.push({ name, credit: (analysis) => publishedCredit(given, analysis) });
      continue;
    }
    const objective = { credit: given, credit_seconds: SECONDS } as Parameters<
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
          throw error instanceof CreditError ? new UserError(`${given}: ${error.message}`) : error;
        }
      },
    });
  }
  return rules;
}

/** Depths of the table; what lies deeper stands in its last column. */
const DEPTHS = 3;

/** One line a rule: its mass by sign and depth, and whom it pushes the wrong way. */
export function creditTable(figures: readonly CreditFigures[]): string {
  const percent = (part: number, whole: number): string =>
    whole > 0 ? `${((100 * part) / whole).toFixed(1)}%` : '–';
  const depths = Array.from({ length: DEPTHS }, (_, depth) => `depth ${depth + 1}`);
  const header = ['rule', 'up', 'down', 'depth 0', ...depths, 'deeper', 'against GRPO', 'good ↓', 'bad ↑'];
  return formatTable(
    header,
    figures.map(({ rule, mass, byDepth, reversed, good, bad }) => {
      const total = mass.up + mass.down;
      const at = (depth: number): number => (byDepth[depth]?.up ?? 0) + (byDepth[depth]?.down ?? 0);
      const shallow = Array.from({ length: DEPTHS + 1 }, (_, depth) => at(depth));
      return [
        isCreditName(rule) ? CREDIT_RULES[rule].title : rule,
        percent(mass.up, total),
        percent(mass.down, total),
        ...shallow.map((part) => percent(part, total)),
        percent(total - shallow.reduce((a, b) => a + b, 0), total),
        percent(reversed, total),
        percent(good.pushedDown, good.completions),
        percent(bad.pushedUp, bad.completions),
      ];
    }),
  );
}
