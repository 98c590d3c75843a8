/** The peer of the packed tree stands with the experiment that needs it as well: `lambda-grpo reproduce theorem`. */
export * from '../src/reproduce/padded.js';
