/**
 * The configuration of a run: one YAML file. The schema below (of the `task` section: task/config.ts) is the only
 * place where keys, defaults, ranges and meanings stand; errors, `--help` and the reference in docs/ are made from it. Names are the same in the file and
 * in the type. What depends on the task's own tokens (the context length) is checked once the task is made.
 */
import { stringify } from 'yaml';
import { z } from 'zod';
import { UserError } from '../errors.js';
import { CREDIT_NAMES } from '../objective/index.js';
import { taskSchema } from '../task/config.js';
import { changeable, type DeepReadonly, positive, share, whole } from '../task/config-values.js';
import { issueLine, markdownTable } from './config-wording.js';
import { engineSchema, refuseEngine } from './engine-config.js';

/** A configuration that cannot be used; one line for each fault. */
export class ConfigError extends UserError {
  override name = 'ConfigError';
}

/** An amount of memory. */
const MEMORY = /^(\d+(?:\.\d+)?) ?(GiB|MiB)$/;

/** Bytes of a `runtime.memory`. */
export function memoryBytes(text: string): number {
  const [, amount, unit] = MEMORY.exec(text) ?? [];
  return Number(amount) * (unit === 'GiB' ? 2 ** 30 : 2 ** 20);
}

const schema = z
  .strictObject({
    seed: whole(0).default(0).describe('Weights, problems and samples all follow from it'),
    method: z
      .enum(['grpo', 'lambda-grpo'])
      .default('lambda-grpo')
      .describe(
        'grpo, or λ-GRPO: each step of the process tree counts once, not once for each of its |λ| members',
      ),
    task: taskSchema.describe('What is to be learnt'),
    model: z
      .strictObject({
        path: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe(
            'A model in the Hugging Face layout: its folder, or owner/name on the Hub; null: a small random one',
          ),
        revision: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe('Branch, tag or commit on the Hub; null: main'),
        lora: z
          .strictObject({
            r: whole(1).default(64).describe('Rank'),
            alpha: z.number().positive().default(128).describe('The correction is multiplied by alpha / r'),
            dropout: z
              .number()
              .min(0)
              .lt(1)
              .default(0)
              .describe('Share of its inputs that an update leaves out'),
            targets: z
              .union([z.literal('all-linear'), z.array(z.string().min(1)).min(1)])
              .default('all-linear')
              .describe("Linear maps by PEFT's names, e.g. [q_proj, v_proj]"),
          })
          .nullable()
          .default(null)
          .describe(
            'Trains an adapter of low rank, the model itself stays as it is; null: all weights are trained',
          ),
        tokenizer: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe("Folder with tokenizer.json, for tasks of text; null: the model's own"),
        layers: whole(1).default(2).describe('Transformer blocks (random model)'),
        heads: whole(1).default(2).describe('Attention heads; width must be a multiple of it (random model)'),
        width: whole(1).default(64).describe('Width of the residual stream (random model)'),
        context: whole(2)
          .nullable()
          .default(null)
          .describe(
            "Longest sequence, tokens; null: that of the model, or of a random one the task's longest prompt and completion",
          ),
      })
      .prefault({})
      .describe('The policy: a pretrained model, or one of GPT-2 architecture with random weights'),
    engine: engineSchema.prefault({ name: 'local' }).describe('Where the model is sampled and trained'),
    runtime: changeable(
      z.strictObject({
        memory: z
          .string()
          .regex(MEMORY, 'expected a size, as 4GiB or 800MiB')
          .nullable()
          .default(null)
          .describe(
            'Memory that weights, sampling and updates may take together, as 4GiB or 800MiB; null: 60% of what is free at the start. Work that does not fit is done in parts',
          ),
      }),
    )
      .prefault({})
      .describe("This machine's means (engine local)"),
    objective: z
      .strictObject({
        loss: z
          .enum(['dapo', 'grpo', 'dr_grpo', 'bnpo', 'cispo', 'gspo'])
          .default('dapo')
          .describe(
            'Which loss of the family (docs/losses.md); gspo has no λ-GRPO: its ratio is that of a sequence',
          ),
        normalisation: z
          .enum(['token', 'group', 'sequence', 'constant'])
          .nullable()
          .default(null)
          .describe(
            "1/Σ|g| (dapo, cispo), the same of each group (bnpo), 1/(k·|g|) (grpo, gspo), or 1/(k·longest completion) (dr_grpo); null: the loss's own",
          ),
        advantage_scale: z
          .enum(['std', 'batch', 'none'])
          .default('std')
          .describe(
            "Advantages are divided by the group's std + 1e-4, by that of all rewards of the step, or not",
          ),
        lambda_exponent: z
          .number()
          .min(0)
          .nullable()
          .default(null)
          .describe(
            'p of the weight |λ|^−p, 0 for grpo, above 0 for lambda-grpo; null: 0 or 1; above 1 a step counts the less the more completions share it',
          ),
        credit: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe(
            `Credit rule in the place of the method's: ${CREDIT_NAMES.join(', ')} (docs/credit.md), or a module of your own that exports coefficients(tree, rewards, { advantages, weights }), which returns A⁺ and A⁻ of each node (docs/losses.md); null: the method's`,
          ),
        credit_seconds: changeable(z.number().positive().max(1_000_000))
          .default(60)
          .describe('Longest time for one call into the module of credit, its loading included, s'),
        rescale_to: z
          .enum(['lambda-grpo'])
          .nullable()
          .default(null)
          .describe(
            "method grpo: scales every gradient to the norm that λ-GRPO's has on the same batch, a control for the smaller step; null: not at all",
          ),
        clip_low: share().default(0.2).describe('Importance ratios below 1 − this are clipped'),
        clip_high: z.number().min(0).default(0.2).describe('Importance ratios above 1 + this are clipped'),
        clip_bound: z
          .number()
          .positive()
          .nullable()
          .default(null)
          .describe(
            'Two-sided clipping: ratios of negative advantages are at most this, above 1 + clip_high; null: any',
          ),
        kl_beta: z.number().min(0).default(0).describe('β of the KL term to the policy before training'),
        reference_sync_every: whole(0)
          .default(0)
          .describe(
            'Steps after which the reference policy of the KL term is moved to the current one; 0: never',
          ),
        reference_sync_share: share()
          .default(0.6)
          .describe('How far it is moved: 1 makes it the current policy'),
        entropy_bonus: z
          .number()
          .min(0)
          .default(0)
          .describe('Coefficient of the entropy of the distributions that tokens are drawn from'),
        truncated: z
          .enum(['train', 'mask'])
          .default('train')
          .describe(
            'mask: completions cut off at the longest length have no loss; their rewards count in the group',
          ),
        length_penalty_tokens: whole(0)
          .default(0)
          .describe(
            "DAPO's soft punishment: over the last so many tokens before the longest length the reward falls linearly by 1; 0: none",
          ),
        importance_cap: z
          .number()
          .positive()
          .nullable()
          .default(null)
          .describe(
            'For tokens sampled by another engine: weight min(π/π_sampler, this) of their terms; null: the sampler is the policy',
          ),
        updates_per_batch: whole(1).default(1).describe('Optimizer steps on each batch of samples (μ)'),
      })
      .prefault({})
      .describe('The loss'),
    optimizer: z
      .strictObject({
        name: z.enum(['adamw', 'sgd']).default('adamw').describe('AdamW or stochastic gradient descent'),
        learning_rate: positive().default(3e-4).describe('Step size'),
        warmup_steps: whole(0)
          .default(0)
          .describe('Steps over which the learning rate grows linearly from 0'),
        schedule: z
          .enum(['constant', 'linear', 'cosine'])
          .default('constant')
          .describe('How the learning rate falls from there to the last step (train.steps)'),
        final_share: share().default(0).describe('Share of the learning rate that linear and cosine fall to'),
        beta1: z.number().min(0).lt(1).default(0.9).describe('AdamW: decay of the mean gradient'),
        beta2: z.number().min(0).lt(1).default(0.999).describe('AdamW: decay of the mean squared gradient'),
        epsilon: positive().default(1e-8).describe('AdamW: added to the root of the mean squared gradient'),
        weight_decay: z.number().min(0).default(0).describe('Decoupled decay of the matrices'),
        momentum: z.number().min(0).lt(1).default(0).describe('SGD: momentum'),
        max_grad_norm: positive()
          .nullable()
          .default(1)
          .describe('Largest global norm of a gradient; null: any'),
      })
      .prefault({})
      .describe('How gradients become steps'),
    sampling: z
      .strictObject({
        group_size: whole(2).default(16).describe('Completions of one prompt (k)'),
        prompts_per_step: whole(1).default(1).describe('Prompts, and so groups, in a step'),
        resample_rounds: whole(0)
          .default(0)
          .describe(
            'Dynamic sampling: groups whose rewards are all equal are replaced by those of further prompts, at most so many times a step; 0: they are kept',
          ),
        temperature: positive().default(1).describe('Divides the logits'),
        top_k: whole(0).default(0).describe('Only the k likeliest tokens; 0: all'),
        top_p: z
          .number()
          .positive()
          .max(1)
          .default(1)
          .describe('Only the likeliest tokens that reach this probability'),
      })
      .prefault({})
      .describe('How completions are drawn'),
    warmup: z
      .strictObject({
        steps: whole(0).default(0).describe('Supervised steps before the first group; 0: none'),
        batch_size: whole(1).default(64).describe('Solutions in a step'),
        learning_rate: positive().default(1e-3).describe('Step size'),
        data: z
          .array(z.string().min(1))
          .min(1)
          .nullable()
          .default(null)
          .describe(
            "Files of solutions, .jsonl, .json or .parquet: messages that end with the assistant's, or prompt and completion; null: the task's own",
          ),
      })
      .prefault({})
      .describe('Supervised warm-up on solutions'),
    train: z
      .strictObject({
        steps: changeable(whole(0)).default(250).describe('Steps: sample, reward, update'),
        micro_batch_tokens: changeable(whole(1))
          .default(4096)
          .describe('Most tokens in one run of the model; does not change the result'),
        gradient_checkpointing: changeable(z.boolean())
          .default(false)
          .describe(
            'An update holds the values of one layer and computes the others again: less memory, about a quarter more time, the same result',
          ),
      })
      .prefault({})
      .describe('The loop'),
    evaluation: changeable(
      z.strictObject({
        every: whole(0)
          .default(50)
          .describe(
            'Steps between evaluations, besides one before the first step and one after the last; 0: none at all',
          ),
        problems: whole(1).default(200).describe('Held-out problems, at most as many as the task has'),
      }),
    )
      .prefault({})
      .describe('Greedy decoding on held-out problems'),
    checkpoint: changeable(
      z.strictObject({
        every: whole(0).default(100).describe('Steps between checkpoints; 0: only at the end'),
        keep: whole(1).default(2).describe('How many of the latest are kept'),
        best: z
          .boolean()
          .default(false)
          .describe(
            'Each evaluation that is better than all before writes a checkpoint, kept besides the latest: --checkpoint best',
          ),
      }),
    )
      .prefault({})
      .describe('What --resume continues from'),
    log: changeable(
      z.strictObject({
        rollouts_every: whole(0).default(1).describe('Steps between written rollouts; 0: none'),
        tensorboard: z
          .boolean()
          .default(false)
          .describe('Metrics also as an event file in the run folder, for tensorboard --logdir runs'),
      }),
    )
      .prefault({})
      .describe('What is written besides metrics'),
  })
  .superRefine((config, context) => {
    const refuse = (key: string, expected: string, value: unknown) =>
      context.addIssue({
        code: 'custom',
        path: key.split('.'),
        message: `expected ${expected}, got ${value}`,
      });
    const { task, method, objective, warmup, model } = config;
    const { loss, clip_bound, clip_high, lambda_exponent: p, rescale_to, credit } = objective;
    refuseEngine(config, refuse);
    if (credit !== null && loss === 'gspo') {
      refuse(
        'objective.credit',
        'null with loss gspo (its one ratio for a sequence takes no coefficients of steps)',
        credit,
      );
    }
    if (credit !== null && p !== null && p !== exponentOf(method)) {
      refuse(
        'objective.lambda_exponent',
        'null with objective.credit (the rule takes the place of |λ|^−p)',
        p,
      );
    }
    if (loss === 'gspo' && (p ?? exponentOf(method)) !== 0) {
      refuse(
        'objective.loss',
        `another loss with method ${method} (gspo's one ratio for a sequence is not a sum over steps, so there is no step for |λ| to divide)`,
        loss,
      );
    }
    if (loss === 'gspo' && rescale_to !== null)
      refuse('objective.rescale_to', 'null with loss gspo', rescale_to);
    if (clip_bound !== null && clip_bound <= 1 + clip_high) {
      refuse('objective.clip_bound', `more than 1 + clip_high, ${1 + clip_high}`, clip_bound);
    }
    if (objective.reference_sync_every > 0 && objective.kl_beta === 0) {
      const every = objective.reference_sync_every;
      refuse('objective.reference_sync_every', '0 without a KL term (kl_beta 0)', every);
    }
    if (task.name === 'binary-tree' && task.n > task.depth) {
      refuse('task.n', `at most depth, ${task.depth}`, task.n);
    }
    if (warmup.data !== null && warmup.steps === 0) {
      refuse('warmup.steps', 'at least 1 with warmup.data', warmup.steps);
    }
    if (task.name === 'binary-tree' && warmup.steps > 0) {
      refuse('warmup.steps', '0: task binary-tree has no solutions to learn from', warmup.steps);
    }
    if (model.path === null && model.width % model.heads !== 0) {
      refuse('model.width', `a multiple of heads, ${model.heads}`, model.width);
    }
    if (rescale_to !== null && method !== 'grpo') {
      refuse('objective.rescale_to', `null with method ${method}`, rescale_to);
    }
    if (p !== null && (method === 'grpo') !== (p === 0)) {
      const expected = method === 'grpo' ? '0 with method grpo' : 'more than 0 with method lambda-grpo';
      refuse('objective.lambda_exponent', expected, p);
    }
  });

type Parsed = DeepReadonly<z.output<typeof schema>>;

/** A checked configuration with every key in place. */
export type Config = Omit<Parsed, 'objective'> & {
  readonly objective: Omit<Parsed['objective'], 'lambda_exponent' | 'normalisation'> & {
    readonly lambda_exponent: number;
    readonly normalisation: NonNullable<Parsed['objective']['normalisation']>;
  };
};
export type Method = Config['method'];

/** What a configuration looks like as JSON Schema; the source of every description. */
const jsonSchema = z.toJSONSchema(schema, { io: 'input' });

/**
 * Whether a key may differ when a run is continued: it, or its section, is marked in the schema.
 * @param key dotted
 */
export function mayChange(key: string): boolean {
  type Schema = z.core.JSONSchema.BaseSchema;
  let at: Schema[] = [jsonSchema];
  for (const name of key.split('.')) {
    const members = at.flatMap((schema) => [schema, ...((schema.oneOf ?? schema.anyOf ?? []) as Schema[])]);
    at = members.map(({ properties }) => properties?.[name] as Schema).filter(Boolean);
    if (at.some(({ changeable }) => changeable === true)) return true;
  }
  return false;
}

/**
 * Checks all of a configuration at once.
 * @param place where a key was given, ending in ': ', or nothing
 * @throws ConfigError with one line for each fault: place, key, what is expected and what came
 */
export function checkConfig(object: unknown, place: (path: readonly PropertyKey[]) => string): Config {
  const result = schema.safeParse(object);
  if (!result.success) {
    const faults = result.error.issues.flatMap((issue) => issueLine(issue, object, jsonSchema, place));
    throw new ConfigError(faults.join('\n'));
  }
  const { objective, ...rest } = result.data;
  const lambda_exponent = objective.lambda_exponent ?? exponentOf(rest.method);
  const normalisation = objective.normalisation ?? NORMALISATION[objective.loss];
  return { ...rest, objective: { ...objective, lambda_exponent, normalisation } };
}

/** What each loss is normalised by, unless the configuration says otherwise. */
export const NORMALISATION = {
  dapo: 'token',
  cispo: 'token',
  bnpo: 'group',
  grpo: 'sequence',
  gspo: 'sequence',
  dr_grpo: 'constant',
} as const;

function exponentOf(method: Method): number {
  return method === 'grpo' ? 0 : 1;
}

/**
 * Longest sequence that the model has to cover.
 * @param longest what a pretrained model can cover; absent: any
 * @throws ConfigError if model.context is given and too short for the task, or the model cannot cover it
 */
export function contextLength(
  config: Config,
  task: { readonly maxPromptTokens: number; readonly maxCompletionTokens: number },
  longest?: number,
): number {
  const { context, path } = config.model;
  if (context !== null && longest !== undefined && context > longest) {
    throw new ConfigError(
      `model.context: expected at most ${longest}, the context of ${path}, got ${context}`,
    );
  }
  const needed = task.maxPromptTokens + task.maxCompletionTokens;
  const length = context ?? longest ?? needed;
  if (length < needed) {
    const [key, what] =
      context === null ? ['model.path', 'a model with a context of '] : ['model.context', ''];
    throw new ConfigError(
      `${key}: expected ${what}at least ${needed}, got ${length}: the task's prompts have up to ` +
        `${task.maxPromptTokens} tokens, its completions up to ${task.maxCompletionTokens}`,
    );
  }
  return length;
}

/** The configuration as YAML that `parseConfig` reads back as it is. */
export function formatConfig(config: Config): string {
  return stringify(config);
}

/** Outermost keys, in their order. */
export const SECTIONS: readonly string[] = Object.keys(jsonSchema.properties ?? {});

/**
 * Every key with its default, what is allowed and what it means, as a Markdown table.
 * @param sections only these outermost keys; default: all
 */
export function describeConfig(sections: readonly string[] = SECTIONS): string {
  return markdownTable(jsonSchema, (key) => sections.includes(key));
}
