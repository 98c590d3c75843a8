/** The paper's claims as experiments that anyone can run. */
export { EXPERIMENTS } from './catalogue.js';
export type { Experiment, Places, Report, Verdict } from './experiment.js';
export { type Reproduced, type ReproduceOptions, reproduce, rewrite } from './reproduce.js';
