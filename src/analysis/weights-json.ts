/** Writes weights as JSON lines, one completion per line. */
import { WholeFile } from '../files/index.js';
import { tokenValues } from '../objective/index.js';
import { creditColumns, creditValues, type WeightsRow, type WeightsSink } from './weights-row.js';

export class JsonLinesSink implements WeightsSink {
  private constructor(
    private readonly file: WholeFile,
    private readonly columns: readonly string[],
  ) {}

  /** @param rules credit rules whose columns come last */
  static async open(path: string, rules: readonly string[]): Promise<JsonLinesSink> {
    return new JsonLinesSink(await WholeFile.open(path), creditColumns(rules));
  }

  async write(row: WeightsRow): Promise<void> {
    const { tree, lambdaWeights, stepRewards, stepAdvantages } = row.analysis;
    const values = (nodes: Float64Array): number[] => Array.from(tokenValues(tree, row.completion, nodes));
    const credit = creditValues(row);
    const line = JSON.stringify({
      step: row.step,
      group_id: row.groupId,
      completion: row.completion,
      file: row.file,
      line: row.line,
      reward: row.reward,
      advantage: row.advantage,
      token_source: row.tokenSource,
      tokens: Array.from(row.tokens),
      lambda_weight: values(lambdaWeights),
      step_reward: values(stepRewards),
      step_advantage: values(stepAdvantages),
      ...Object.fromEntries(this.columns.map((name, place) => [name, Array.from(credit[place])])),
    });
    await this.file.write(`${line}\n`);
  }

  async finish(): Promise<void> {
    await this.file.complete();
  }

  async publish(): Promise<void> {
    await this.file.publish();
  }

  async discard(): Promise<void> {
    await this.file.abort();
  }
}
