/** A compiled program: a definition in a session, run by batches. */
import { bindShape, checkInputs, type Input, type ProgramDefinition } from '../graph/index.js';
import type { Backend } from './backend.js';
import { type Feed, RuntimeError, Session, type SessionOptions } from './session.js';

export class Program<Batch, Result> {
  /** Shape and number of values of each input without symbolic sizes; null: it has symbolic sizes. */
  private readonly fixed: readonly ({ readonly dims: readonly number[]; readonly size: number } | null)[];

  private constructor(
    private readonly session: Session,
    private readonly definition: ProgramDefinition<Batch, Result>,
    private readonly inputs: readonly Input<Batch>[],
  ) {
    this.fixed = inputs.map(({ shape }) => {
      const dims = shape.filter((dim) => typeof dim === 'number');
      if (dims.length < shape.length) return null;
      return { dims, size: dims.reduce((product, dim) => product * dim, 1) };
    });
  }

  /** Number of operations. */
  get nodeCount(): number {
    return this.session.nodeCount;
  }

  /** @throws ShapeError if an input is read but not declared, or declared but not read */
  static async compile<Batch, Result>(
    backend: Backend,
    definition: ProgramDefinition<Batch, Result>,
    options: SessionOptions = {},
  ): Promise<Program<Batch, Result>> {
    const session = await Session.open(backend, definition.outputs, options);
    const elsewhere = [...(options.stored?.values.keys() ?? []), ...(options.constants?.keys() ?? [])];
    // A quantized weight is still an input if something else than a product reads it.
    const replaced = [...(options.quantized?.keys() ?? [])].filter((name) => !session.inputNames.has(name));
    const inputs = checkInputs(definition.inputs, session.inputNames, new Set([...elsewhere, ...replaced]));
    return new Program(session, definition, inputs);
  }

  /** @throws ShapeError if a batch's values do not fit an input */
  async run(batch: Batch): Promise<Result> {
    const sizes = new Map(Object.entries(this.definition.sizes(batch)));
    const feeds: Record<string, Feed> = {};
    this.inputs.forEach(({ name, shape, fill }, i) => {
      const data = fill(batch);
      const fixed = this.fixed[i];
      const dims = fixed?.size === data.length ? fixed.dims : bindShape(name, shape, data.length, sizes);
      feeds[name] = { data, dims };
    });
    const outputs = await this.session.run(feeds, this.definition.wanted?.(batch));
    return this.definition.read((name) => {
      const output = outputs[name];
      if (!output) throw new RuntimeError(`no output is named '${name}'`);
      return output.data;
    }, batch);
  }

  async dispose(): Promise<void> {
    await this.session.dispose();
  }
}
