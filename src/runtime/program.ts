/** A compiled program: a definition in a session, run by batches. */
import { bindShape, checkInputs, type Input, type ProgramDefinition } from '../graph/index.js';
import type { Backend } from './backend.js';
import { type Feed, RuntimeError, Session, type SessionOptions } from './session.js';

export class Program<Batch, Result> {
  private constructor(
    private readonly session: Session,
    private readonly definition: ProgramDefinition<Batch, Result>,
    private readonly inputs: readonly Input<Batch>[],
  ) {}

  /** Number of operations. */
  get nodeCount(): number {
    return this.session.nodeCount;
  }

  /** @throws ShapeError if an input is read that is not declared, or declared and not read */
  static async compile<Batch, Result>(
    backend: Backend,
    definition: ProgramDefinition<Batch, Result>,
    options: SessionOptions = {},
  ): Promise<Program<Batch, Result>> {
    const session = await Session.open(backend, definition.outputs, options);
    const inputs = checkInputs(
      definition.inputs,
      session.inputNames,
      new Set(options.stored?.values.keys() ?? []),
    );
    return new Program(session, definition, inputs);
  }

  /** @throws ShapeError if a batch's values do not fit an input */
  async run(batch: Batch): Promise<Result> {
    const sizes = new Map(Object.entries(this.definition.sizes(batch)));
    const feeds: Record<string, Feed> = {};
    for (const { name, shape, fill } of this.inputs) {
      const data = fill(batch);
      feeds[name] = { data, dims: bindShape(name, shape, data.length, sizes) };
    }
    const outputs = await this.session.run(feeds);
    return this.definition.read((name) => {
      const output = outputs[name];
      if (!output) throw new RuntimeError(`no output is named '${name}'`);
      return output.data;
    });
  }

  async dispose(): Promise<void> {
    await this.session.dispose();
  }
}
