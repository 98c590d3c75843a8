/** The server's reduction is detected from its gradient norms; a server with another reduction is refused. */
import { describe, expect, it } from 'vitest';
import { findReduction } from '../../src/engine/tinker/reduction.js';
import { Session, TinkerClient, type TrainingModel } from '../../src/tinker/index.js';
import { TableServer } from './table-server.js';

async function reductionOf(
  options: ConstructorParameters<typeof TableServer>[0],
  change = (model: TrainingModel): Parameters<typeof findReduction>[0] => model,
) {
  const server = await new TableServer(options).start();
  const session = await Session.open(new TinkerClient({ url: server.url, pause: 1 }));
  try {
    return await findReduction(change(await session.createModel({ baseModel: 'table', rank: 1 })));
  } finally {
    session.close();
    await server.stop();
  }
}

describe('the reduction', () => {
  it.each(['json', 'protobuf'] as const)('of a server of the %s wire is found', async (wire) => {
    expect(await reductionOf({ wire, reduction: 'mean' })).toBe('mean');
    expect(await reductionOf({ wire, reduction: 'sum' })).toBe('sum');
  });

  it('that is neither is refused: a mean over sequences of plain sums', async () => {
    const other = reductionOf({ wire: 'json', reduction: 'sum' }, (model) => {
      let count = 1;
      return {
        forwardBackward: (...args) => {
          count = args[0].data.length;
          return model.forwardBackward(...args);
        },
        optimStep: async (...args) => ({
          grad_norm: (await model.optimStep(...args))['skyrl.ai/grad_norm'] / count,
        }),
      };
    });
    await expect(other).rejects.toThrow(/got factors 1\.00 and 2\.00$/);
  });

  it('of a server that reports no norm is refused', async () => {
    const silent = reductionOf({ wire: 'json' }, (model) => ({
      forwardBackward: (...args) => model.forwardBackward(...args),
      optimStep: async () => ({}),
    }));
    await expect(silent).rejects.toThrow(/got factors no number and no number$/);
  });
});
