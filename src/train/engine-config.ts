/**
 * The `engine` section of a configuration: where the model is sampled and trained. API keys are not part of it: they
 * are only read from the environment (TINKER_API_KEY).
 */
import { z } from 'zod';
import { changeable, whole } from '../task/config-values.js';

const local = z.strictObject({ name: z.literal('local').describe('ONNX Runtime on this machine') });

const tinker = z.strictObject({
  name: z
    .literal('tinker')
    .describe(
      'A server of the Tinker API: SkyRL on a GPU machine or a cluster, or the cloud (docs/tinker.md)',
    ),
  url: changeable(
    z.string().superRefine((text, context) => {
      // The text may contain a password, so it is not part of the message.
      const fault = urlFault(text);
      if (fault !== null) context.addIssue({ code: 'custom', message: `expected ${fault}` });
    }),
  ).describe(
    'URL of the server, e.g. http://127.0.0.1:8000. The key comes from the environment variable TINKER_API_KEY',
  ),
  base_model: z.string().min(1).describe('Model that the adapter is trained for, as the server names it'),
  lora: z
    .strictObject({
      rank: whole(1).default(32).describe("Rank of the adapter, at most the server's limit"),
      seed: z
        .int()
        .min(0)
        .max(2 ** 31 - 1)
        .nullable()
        .default(null)
        .describe('Seed of the initial adapter weights; null: seed'),
    })
    .prefault({})
    .describe('The adapter'),
  concurrency: changeable(whole(1)).default(16).describe('Prompts sampled at the same time'),
  wire: changeable(z.enum(['json', 'protobuf']).nullable())
    .default(null)
    .describe('Encoding of training requests; null: detected'),
  reduction: z
    .enum(['mean', 'sum'])
    .nullable()
    .default(null)
    .describe(
      'How the server combines the gradients of several sequences: mean (over sequences of Σ(w·loss)/Σw) or sum; null: detected',
    ),
  kl: z
    .enum(['advantages', 'refuse'])
    .default('advantages')
    .describe(
      'Effect of kl_beta > 0, since servers have no KL term. advantages: add −β·(ln π − ln π_ref) to the advantage of each token (not the k3 term of the paper); refuse: report an error',
    ),
  ahead: z
    .int()
    .min(0)
    .max(1)
    .default(0)
    .describe(
      'Steps that sampling runs ahead of the update. 1: sample the next step during the update, with the previous weights; the importance ratio corrects for it',
    ),
  logprob_tolerance: changeable(z.number().positive().nullable())
    .default(null)
    .describe(
      'Largest mean difference between the log-probabilities of sampler and trainer in a step, nats; beyond it the run stops. null: 10 times that of the first step, at least 0.001',
    ),
});

export const engineSchema = z.discriminatedUnion('name', [local, tinker]);

/** The requirement that a URL violates (it is invalid, or contains something that must not be stored); null: none. */
function urlFault(text: string): string | null {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return 'a URL, as http://127.0.0.1:8000';
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'a URL with http or https';
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    return 'a URL without user name, password and query (the key comes from the environment variable TINKER_API_KEY)';
  }
  return null;
}

interface EngineConfig {
  readonly engine: z.output<typeof engineSchema>;
  readonly model: { readonly path: string | null; readonly lora: object | null };
  readonly sampling: { readonly resample_rounds: number };
}

/** Keys of other sections that have no effect with a server. */
export function refuseEngine(
  { engine, model, sampling }: EngineConfig,
  refuse: (key: string, expected: string, value: unknown) => void,
): void {
  if (engine.name !== 'tinker') return;
  if (engine.ahead > 0 && sampling.resample_rounds > 0) {
    refuse('engine.ahead', '0 with resample_rounds (later rounds would sample other weights)', engine.ahead);
  }
  if (model.path !== null) {
    refuse('model.path', 'null with engine tinker (the model is engine.base_model)', model.path);
  }
  if (model.lora !== null) {
    refuse('model.lora', 'null with engine tinker (the adapter is engine.lora)', 'a section');
  }
}
