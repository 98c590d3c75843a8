/**
 * Writes weights as Parquet through DuckDB. A completion's values are constant within a step, so only one value per
 * step and the step's length are passed to DuckDB, which expands them to one value per token. Rows are collected in
 * batches of bounded size; each is written as a part beside the target, and the parts become one file at the end. Only
 * the number of parts grows with the number of rows.
 */
import { join } from 'node:path';
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { makeTemporaryFolder, move, remove } from '../files/index.js';
import { openDuckDB, parquetTable, parquetTarget } from '../input/files.js';
import { creditColumns, creditValues, type WeightsRow, type WeightsSink } from './weights-row.js';

/** A batch ends when the first of these limits is reached. */
const BATCH_TOKENS = 1 << 19;
const BATCH_ROWS = 1 << 14;
/** Tokens per row group, whose pages the writer holds in memory. */
const ROW_GROUP_TOKENS = 1 << 20;

const KEYS = 'step, group_id, completion, file, line, reward, advantage, token_source, tokens';
const VALUES = ['lambda_weight', 'step_reward', 'step_advantage'];

export class ParquetSink implements WeightsSink {
  private batch: WeightsRow[] = [];
  private batchTokens = 0;
  private parts = 0;
  private longest = 1;

  private constructor(
    private readonly path: string,
    private readonly folder: string,
    private readonly instance: DuckDBInstance,
    private readonly db: DuckDBConnection,
    private readonly credit: readonly string[],
  ) {}

  /**
   * @param path the file to be written; parts are in a temporary folder beside it until it is complete
   * @param rules credit rules whose columns come last, with a value for each token
   */
  static async open(path: string, rules: readonly string[]): Promise<ParquetSink> {
    const credit = creditColumns(rules);
    const folder = await makeTemporaryFolder(path);
    const instance = await openDuckDB('256MB');
    const db = await instance.connect();
    await db.run(
      `CREATE TABLE batch (step INTEGER, group_id VARCHAR, completion INTEGER, file VARCHAR, line BIGINT,
       reward DOUBLE, advantage DOUBLE, token_source VARCHAR, tokens INTEGER[], lengths INTEGER[],
       ${[...VALUES, ...credit].map((name) => `${name} FLOAT[]`).join(', ')})`,
    );
    return new ParquetSink(path, folder, instance, db, credit);
  }

  async write(row: WeightsRow): Promise<void> {
    this.batch.push(row);
    this.batchTokens += row.tokens.length;
    this.longest = Math.max(this.longest, row.tokens.length);
    if (this.batchTokens >= BATCH_TOKENS || this.batch.length >= BATCH_ROWS) await this.writePart();
  }

  async finish(): Promise<void> {
    // A log without groups gives a table without rows but with all columns.
    if (this.batch.length > 0 || this.parts === 0) await this.writePart();
    const rows = Math.max(1, Math.min(1 << 16, Math.floor(ROW_GROUP_TOKENS / this.longest)));
    const parts = Array.from({ length: this.parts }, (_, part) => this.partFile(part));
    await this.db.run(
      `COPY (SELECT * FROM ${parquetTable(...parts)}) TO ${parquetTarget(this.whole)}
       (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rows})`,
    );
  }

  async publish(): Promise<void> {
    await move(this.whole, this.path);
    await this.discard();
  }

  async discard(): Promise<void> {
    this.batch = [];
    this.db.closeSync();
    this.instance.closeSync();
    await remove(this.folder);
  }

  private get whole(): string {
    return join(this.folder, 'whole.parquet');
  }

  private partFile(part: number): string {
    return join(this.folder, `${part}.parquet`);
  }

  /** Copies the batch into the table, writes it with a value for each token, and empties the table. */
  private async writePart(): Promise<void> {
    await this.append(this.batch);
    const perToken = VALUES.map(
      (name) =>
        `flatten(list_transform(range(1, len(lengths) + 1),
         lambda i: list_resize([]::FLOAT[], lengths[i], ${name}[i]))) AS ${name}`,
    );
    await this.db.run(
      `COPY (SELECT ${[KEYS, ...perToken, ...this.credit].join(', ')} FROM batch) TO ${parquetTarget(this.partFile(this.parts++))}
       (FORMAT parquet, COMPRESSION zstd)`,
    );
    await this.db.run('TRUNCATE batch');
    this.batch = [];
    this.batchTokens = 0;
  }

  private async append(rows: readonly WeightsRow[]): Promise<void> {
    const { BIGINT, DOUBLE, DuckDBDataChunk, DuckDBListValue, FLOAT, INTEGER, LIST, VARCHAR } = await import(
      '@duckdb/node-api'
    );
    const keys = [INTEGER, VARCHAR, INTEGER, VARCHAR, BIGINT, DOUBLE, DOUBLE, VARCHAR];
    const lists = [LIST(INTEGER), LIST(INTEGER), ...[...VALUES, ...this.credit].map(() => LIST(FLOAT))];
    const list = (values: Iterable<number>) => new DuckDBListValue(Array.from(values));
    const appender = await this.db.createAppender('batch');
    const perChunk = 1024;
    for (let from = 0; from < rows.length; from += perChunk) {
      const chunk = DuckDBDataChunk.create([...keys, ...lists]);
      chunk.setRows(
        rows.slice(from, from + perChunk).map((row) => {
          const { tree, lambdaWeights, stepRewards, stepAdvantages } = row.analysis;
          const path = Array.from(tree.pathOf(row.completion));
          return [
            row.step,
            row.groupId,
            row.completion,
            row.file,
            row.line === null ? null : BigInt(row.line),
            row.reward,
            row.advantage,
            row.tokenSource,
            list(row.tokens),
            list(path.map((node) => tree.end[node] - tree.start[node])),
            list(path.map((node) => lambdaWeights[node])),
            list(path.map((node) => stepRewards[node])),
            list(path.map((node) => stepAdvantages[node])),
            ...creditValues(row).map(list),
          ];
        }),
      );
      appender.appendDataChunk(chunk);
    }
    appender.closeSync();
  }
}
