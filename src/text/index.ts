/** Conversion of text: token ids, and messages in the format of a chat template. files.ts reads them from a folder. */
export {
  type ChatTemplate,
  chatTemplate,
  configuredTemplate,
  type Message,
  type RenderOptions,
} from './chat-template.js';
export {
  checkTokenizer,
  type ModelTokenizer,
  modelTokenizer,
  TextError,
  type TextTokenizer,
  type TokenizerSettings,
} from './tokenizer.js';
