/**
 * Exports the padded peer of the packed tree, which is in src/ because `lambda-grpo reproduce theorem` needs it too.
 */
export * from '../src/reproduce/padded.js';
