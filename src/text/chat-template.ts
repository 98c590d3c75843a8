/**
 * A model's chat template: converts messages to the text format that the model was trained on. Templates are Jinja,
 * from chat_template.jinja or the key chat_template of tokenizer_config.json (one template, or several by name), and
 * are rendered as in transformers.
 */
import { Template } from '@huggingface/jinja';
import { withPythonSpace } from './python-space.js';
import { TextError } from './tokenizer.js';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | 'tool' | (string & {});
  readonly content: string;
}

export interface RenderOptions {
  /** End with the text that opens the assistant's turn, default true. */
  readonly addGenerationPrompt?: boolean;
  /**
   * Additional variables of the template, e.g. enable_thinking, or date_string for a template that asks for the date.
   */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface ChatTemplate {
  /** @throws TextError naming the template's file and the cause */
  render(messages: readonly Message[], options?: RenderOptions): string;
}

/**
 * Templates may ask for today's date, which would make a prompt, and so a run, differ from day to day. They get this
 * date unless the caller gives another as `date_string`.
 */
const DATE = 'date_at_hand';
const FIXED_DATE = new Date(Date.UTC(2024, 6, 26));

function strftime(format: string): string {
  const parts = FIXED_DATE.toUTCString().split(/[ ,:]+/); // Fri 26 Jul 2024 00 00 00 GMT
  const [weekday, day, month, year] = parts;
  const number = String(FIXED_DATE.getUTCMonth() + 1).padStart(2, '0');
  const values: Record<string, string> = {
    a: weekday,
    d: day,
    b: month,
    m: number,
    Y: year,
    y: year.slice(2),
    H: '00',
    M: '00',
    S: '00',
  };
  return format.replace(/%([A-Za-z])/g, (whole, key: string) => values[key] ?? whole);
}

/**
 * @param source the template's text
 * @param where its file, for messages
 * @param special texts of the special tokens (bos_token, eos_token, …), as templates name them
 * @throws TextError if it is not a template
 */
export function chatTemplate(
  source: string,
  where: string,
  special: Readonly<Record<string, string>> = {},
): ChatTemplate {
  let template: Template;
  try {
    // Jinja normalises line ends, whatever the file has.
    template = new Template(source.replace(/\r\n?/g, '\n').replaceAll('strftime_now', DATE));
  } catch (error) {
    // The library's parser throws an unrelated error if a block is not closed.
    const why = error instanceof TypeError ? 'a block is not closed' : firstLine(error);
    throw new TextError(`${where}: the chat template cannot be parsed: ${why}`);
  }
  return {
    render(messages, { addGenerationPrompt = true, variables = {} } = {}) {
      try {
        return withPythonSpace({ messages, variables }, source, (values) =>
          template.render({
            ...special,
            messages: values.messages,
            add_generation_prompt: addGenerationPrompt,
            [DATE]: strftime,
            ...values.variables,
          }),
        );
      } catch (error) {
        const roles = messages.map(({ role }) => role).join(', ');
        throw new TextError(`${where}: the chat template fails on messages of ${roles}: ${firstLine(error)}`);
      }
    },
  };
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0];

/** Texts of the special tokens, as templates name them. @param config a tokenizer_config.json */
export function specialTexts(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const special: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    if (!key.endsWith('_token')) continue;
    const text =
      typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : value;
    if (typeof text === 'string') special[key] = text;
  }
  return special;
}

/**
 * The chat template within a tokenizer_config.json.
 * @param file its name, for messages
 * @returns null if it has none
 * @throws TextError if it is invalid, or if there are several and none is called default
 */
export function configuredTemplate(
  config: Readonly<Record<string, unknown>>,
  file: string,
): ChatTemplate | null {
  const special = specialTexts(config);
  const where = `${file}: chat_template`;
  const { chat_template: value } = config;
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return chatTemplate(value, where, special);
  if (Array.isArray(value)) {
    const named = value as { name?: unknown; template?: unknown }[];
    const chosen = named.find(({ name }) => name === 'default');
    if (typeof chosen?.template === 'string') return chatTemplate(chosen.template, where, special);
    throw new TextError(
      `${where}: expected one called default, got ${named.map(({ name }) => name).join(', ')}`,
    );
  }
  throw new TextError(`${where}: expected a string or a list, got ${typeof value}`);
}
