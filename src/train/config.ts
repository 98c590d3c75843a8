/**
 * The configuration of a run: one YAML file. The schema below (for the `task` section: task/config.ts) is the only
 * definition of keys, defaults, ranges and meanings; errors, `lambda-grpo config` and the reference in docs/ are
 * generated from it. Names are the same in the file and in the type. Checks that need the task (the context length)
 * follow when the task is created.
 */
import { stringify } from 'yaml';
import { z } from 'zod';
import { UserError } from '../errors.js';
import { CREDIT_NAMES } from '../objective/index.js';
import { taskSchema } from '../task/config.js';
import { changeable, type DeepReadonly, positive, share, whole } from '../task/config-values.js';
import { issueLine, markdownTable } from './config-wording.js';
import { engineSchema, refuseEngine } from './engine-config.js';

/** An invalid configuration; one line for each fault. */
export class ConfigError extends UserError {
  override name = 'ConfigError';
}

/** An amount of memory. */
const MEMORY = /^(\d+(?:\.\d+)?) ?(GiB|MiB)$/;

/** Number of bytes in a `runtime.memory`. */
export function memoryBytes(text: string): number {
  const [, amount, unit] = MEMORY.exec(text) ?? [];
  return Number(amount) * (unit === 'GiB' ? 2 ** 30 : 2 ** 20);
}

const schema = z
  .strictObject({
    seed: whole(0).default(0).describe('Seed for weights, problems and samples'),
    method: z
      .enum(['grpo', 'lambda-grpo'])
      .default('lambda-grpo')
      .describe(
        'grpo, or λ-GRPO: each step of the process tree counts once, not once for each of its |λ| members',
      ),
    task: taskSchema.describe('The task'),
    model: z
      .strictObject({
        path: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe(
            'A model in the Hugging Face layout: its folder, or owner/name on the Hub; null: a small random model',
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
            alpha: z
              .number()
              .positive()
              .default(128)
              .describe('Scale; the adapter is multiplied by alpha / r'),
            dropout: z
              .number()
              .min(0)
              .lt(1)
              .default(0)
              .describe('Dropout: share of adapter inputs set to 0 during updates'),
            targets: z
              .union([z.literal('all-linear'), z.array(z.string().min(1)).min(1)])
              .default('all-linear')
              .describe('Names of the adapted linear layers as in PEFT, e.g. [q_proj, v_proj]'),
          })
          .nullable()
          .default(null)
          .describe('Train a low-rank adapter and freeze the model; null: train all weights'),
        tokenizer: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe('Folder with tokenizer.json, for text tasks; null: the folder of the model'),
        layers: whole(1).default(2).describe('Transformer blocks (random model)'),
        heads: whole(1).default(2).describe('Attention heads; width must be a multiple of it (random model)'),
        width: whole(1).default(64).describe('Width of the residual stream (random model)'),
        context: whole(2)
          .nullable()
          .default(null)
          .describe(
            "Context length in tokens; null: the context of the model (random model: the task's longest prompt plus its longest completion)",
          ),
      })
      .prefault({})
      .describe('The policy: a pretrained model, or a GPT-2 with random weights'),
    engine: engineSchema.prefault({ name: 'local' }).describe('Where the model is sampled and trained'),
    runtime: changeable(
      z.strictObject({
        memory: z
          .string()
          .regex(MEMORY, 'expected a size, as 4GiB or 800MiB')
          .nullable()
          .default(null)
          .describe(
            'Memory for weights, sampling and updates together, e.g. 4GiB or 800MiB; null: 60% of the free memory at the start. Work that does not fit is split into parts',
          ),
      }),
    )
      .prefault({})
      .describe('Resources of this machine (engine local)'),
    objective: z
      .strictObject({
        loss: z
          .enum(['dapo', 'grpo', 'dr_grpo', 'bnpo', 'cispo', 'gspo'])
          .default('dapo')
          .describe(
            'The loss (docs/losses.md); gspo has no λ-GRPO, because its ratio is that of a whole sequence',
          ),
        normalisation: z
          .enum(['token', 'group', 'sequence', 'constant'])
          .nullable()
          .default(null)
          .describe(
            '1/Σ|g| over the batch (dapo, cispo) or over each group (bnpo), 1/(k·|g|) (grpo, gspo), or 1/(k·longest completion) (dr_grpo); null: that of the loss',
          ),
        advantage_scale: z
          .enum(['std', 'batch', 'none'])
          .default('std')
          .describe(
            "group: divide advantages by the group's std + 1e-4; batch: by the std of all rewards of the step; none: do not divide",
          ),
        lambda_exponent: z
          .number()
          .min(0)
          .nullable()
          .default(null)
          .describe(
            'p of the weight |λ|^−p: 0 for grpo, above 0 for lambda-grpo; null: 0 or 1. With p > 1, a step that more completions share counts less',
          ),
        credit: z
          .string()
          .min(1)
          .nullable()
          .default(null)
          .describe(
            `Credit rule instead of the method's: ${CREDIT_NAMES.join(', ')} (docs/credit.md), or a file of your module that exports coefficients(tree, rewards, { advantages, weights }), which returns A⁺ and A⁻ of each node (docs/losses.md); null: the method's`,
          ),
        credit_seconds: changeable(z.number().positive().max(1_000_000))
          .default(60)
          .describe('Time limit for loading the module of credit and for each call into it, s'),
        rescale_to: z
          .enum(['lambda-grpo'])
          .nullable()
          .default(null)
          .describe(
            "With method grpo: scale every gradient to the norm of λ-GRPO's gradient on the same batch (a control for the smaller step); null: do not scale",
          ),
        clip_low: share().default(0.2).describe('Importance ratios are clipped at 1 − clip_low'),
        clip_high: z.number().min(0).default(0.2).describe('Importance ratios are clipped at 1 + clip_high'),
        clip_bound: z
          .number()
          .positive()
          .nullable()
          .default(null)
          .describe(
            'Dual clipping: largest ratio for negative advantages, more than 1 + clip_high; null: no bound',
          ),
        kl_beta: z.number().min(0).default(0).describe('β of the KL term to the reference policy'),
        reference_sync_every: whole(0)
          .default(0)
          .describe('Steps between updates of the reference policy from the current policy; 0: never'),
        reference_sync_share: share()
          .default(0.6)
          .describe(
            'Weight of the current policy in such an update; 1: the current policy replaces the reference policy',
          ),
        entropy_bonus: z.number().min(0).default(0).describe('Coefficient of an entropy bonus'),
        truncated: z
          .enum(['train', 'mask'])
          .default('train')
          .describe(
            'mask: completions cut off at the length limit have no loss; their rewards still count in the group',
          ),
        length_penalty_tokens: whole(0)
          .default(0)
          .describe(
            "DAPO's soft length penalty: within this many tokens before the length limit the reward falls linearly by 1; 0: none",
          ),
        importance_cap: z
          .number()
          .positive()
          .nullable()
          .default(null)
          .describe(
            'For tokens that were not sampled from the policy itself (a server, sampling.precision int8): weight min(π/π_sampler, this) of their terms; null: no weights, and 2 with int8',
          ),
        updates_per_batch: whole(1).default(1).describe('Optimizer steps per batch of samples (μ)'),
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
          .describe('How the learning rate falls after the warm-up until the last step (train.steps)'),
        final_share: share()
          .default(0)
          .describe('linear and cosine: final learning rate as a share of learning_rate'),
        beta1: z.number().min(0).lt(1).default(0.9).describe('AdamW: β1, decay of the mean gradient'),
        beta2: z
          .number()
          .min(0)
          .lt(1)
          .default(0.999)
          .describe('AdamW: β2, decay of the mean squared gradient'),
        epsilon: positive()
          .default(1e-8)
          .describe('AdamW: ε, added to the root of the mean squared gradient'),
        weight_decay: z.number().min(0).default(0).describe('Decoupled decay of the matrices'),
        momentum: z.number().min(0).lt(1).default(0).describe('SGD: momentum'),
        max_grad_norm: positive()
          .nullable()
          .default(1)
          .describe('Gradient clipping: largest global norm; null: no clipping'),
      })
      .prefault({})
      .describe('The optimizer'),
    sampling: z
      .strictObject({
        group_size: whole(2).default(16).describe('Completions per prompt (k)'),
        prompts_per_step: whole(1).default(1).describe('Prompts (groups) per step'),
        resample_rounds: whole(0)
          .default(0)
          .describe(
            'Dynamic sampling: replace groups with equal rewards by groups of new prompts, in at most this many rounds per step; 0: keep them',
          ),
        temperature: positive().default(1).describe('Divides the logits'),
        top_k: whole(0).default(0).describe('Sample from the k most likely tokens; 0: all'),
        top_p: z
          .number()
          .positive()
          .max(1)
          .default(1)
          .describe('Sample from the most likely tokens that reach this probability'),
        precision: z
          .enum(['float32', 'int8'])
          .default('float32')
          .describe(
            'int8: sample with frozen weights and inputs rounded to 8 bits, which is faster; the loss is corrected for the difference (objective.importance_cap). Evaluations use float32. Needs model.lora',
          ),
      })
      .prefault({})
      .describe('How completions are sampled'),
    warmup: z
      .strictObject({
        steps: whole(0).default(0).describe('Supervised steps before the first group; 0: none'),
        batch_size: whole(1).default(64).describe('Solutions per step'),
        learning_rate: positive().default(1e-3).describe('Step size'),
        data: z
          .array(z.string().min(1))
          .min(1)
          .nullable()
          .default(null)
          .describe(
            'Files of solutions, .jsonl, .json or .parquet: messages that end with an assistant message, or prompt and completion; null: solutions of the task',
          ),
      })
      .prefault({})
      .describe('Supervised warm-up on solutions'),
    train: z
      .strictObject({
        steps: changeable(whole(0)).default(250).describe('Steps: sample, reward, update'),
        micro_batch_tokens: changeable(whole(1))
          .default(4096)
          .describe('Largest number of tokens in one run of the model; does not change the result'),
        gradient_checkpointing: changeable(z.boolean())
          .default(false)
          .describe(
            'Gradient checkpointing: keep the activations of one layer and recompute the others: less memory, about a quarter more time, the same result',
          ),
      })
      .prefault({})
      .describe('The training loop'),
    evaluation: changeable(
      z.strictObject({
        every: whole(0)
          .default(50)
          .describe(
            'Steps between evaluations; also one before the first and one after the last step. 0: no evaluation',
          ),
        problems: whole(1)
          .default(200)
          .describe('Number of held-out problems to evaluate, at most those of the task'),
      }),
    )
      .prefault({})
      .describe('Greedy decoding on held-out problems'),
    checkpoint: changeable(
      z.strictObject({
        every: whole(0).default(100).describe('Steps between checkpoints; 0: only at the end'),
        keep: whole(1).default(2).describe('Number of latest checkpoints to keep'),
        best: z
          .boolean()
          .default(false)
          .describe('Also keep the checkpoint of the best evaluation: --checkpoint best'),
      }),
    )
      .prefault({})
      .describe('Checkpoints, used by --resume'),
    log: changeable(
      z.strictObject({
        rollouts_every: whole(0).default(1).describe('Steps between written rollouts; 0: none'),
        tensorboard: z
          .boolean()
          .default(false)
          .describe(
            'Also write metrics as a TensorBoard event file in the run folder (tensorboard --logdir runs)',
          ),
      }),
    )
      .prefault({})
      .describe('Output besides metrics'),
  })
  .superRefine((config, context) => {
    const refuse = (key: string, expected: string, value: unknown) =>
      context.addIssue({
        code: 'custom',
        path: key.split('.'),
        message: `expected ${expected}, got ${value}`,
      });
    const { task, method, objective, warmup, model, engine, sampling } = config;
    const { loss, clip_bound, clip_high, lambda_exponent: p, rescale_to, credit } = objective;
    refuseEngine(config, refuse);
    if (credit !== null && loss === 'gspo') {
      refuse(
        'objective.credit',
        'null with loss gspo (it has one ratio per sequence, so steps have no coefficients)',
        credit,
      );
    }
    if (credit !== null && p !== null && p !== exponentOf(method)) {
      refuse('objective.lambda_exponent', 'null with objective.credit (the rule replaces |λ|^−p)', p);
    }
    if (loss === 'gspo' && (p ?? exponentOf(method)) !== 0) {
      refuse(
        'objective.loss',
        `another loss with method ${method} (gspo has one ratio per sequence, so there are no steps for |λ| to divide)`,
        loss,
      );
    }
    if (sampling.precision === 'int8') {
      const refusePrecision = (reason: string) => refuse('sampling.precision', `float32 ${reason}`, 'int8');
      if (engine.name !== 'local') refusePrecision(`with engine ${engine.name} (the server chooses its own)`);
      else if (model.lora === null)
        refusePrecision('without model.lora (only frozen weights are rounded once)');
      if (loss === 'gspo') refusePrecision('with loss gspo (it has no terms of tokens to weight)');
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
      refuse('warmup.steps', '0 (task binary-tree has no solutions to learn from)', warmup.steps);
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

/** A checked configuration with all keys. */
export type Config = Omit<Parsed, 'objective'> & {
  readonly objective: Omit<Parsed['objective'], 'lambda_exponent' | 'normalisation'> & {
    readonly lambda_exponent: number;
    readonly normalisation: NonNullable<Parsed['objective']['normalisation']>;
  };
};
export type Method = Config['method'];

/** The configuration as JSON Schema; the source of every description. */
const jsonSchema = z.toJSONSchema(schema, { io: 'input' });

/**
 * Whether a key may differ when a run is continued: the key or its section is marked in the schema.
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
 * Checks a whole configuration at once.
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
  const importance_cap =
    objective.importance_cap ?? (rest.sampling.precision === 'int8' ? IMPORTANCE_CAP : null);
  return { ...rest, objective: { ...objective, lambda_exponent, normalisation, importance_cap } };
}

/** The largest importance weight of samples in int8, as in TRL (vllm_importance_sampling_cap). */
const IMPORTANCE_CAP = 2;

/** The default normalisation of each loss. */
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
 * Longest sequence that the model has to support.
 * @param longest limit of a pretrained model; absent: none
 * @throws ConfigError if model.context is given and too short for the task, or beyond the model's limit
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

/** The configuration as YAML that `parseConfig` reads back unchanged. */
export function formatConfig(config: Config): string {
  return stringify(config);
}

/** Outermost keys, in order. */
export const SECTIONS: readonly string[] = Object.keys(jsonSchema.properties ?? {});

/**
 * A Markdown table of all keys with default, allowed values and meaning.
 * @param sections only these outermost keys; default: all
 */
export function describeConfig(sections: readonly string[] = SECTIONS): string {
  return markdownTable(jsonSchema, (key) => sections.includes(key));
}
