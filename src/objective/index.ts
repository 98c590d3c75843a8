/** Advantages, hidden step rewards, λ weights and loss coefficients of a group. Pure; runs anywhere. */
export {
  type AdvantageOptions,
  groupAdvantages,
  RewardError,
  type RewardStatistics,
  rewardStatistics,
} from './advantages.js';
export {
  type BatchTotals,
  type CoefficientOptions,
  type LossCoefficients,
  lossCoefficients,
  type Normalisation,
  sequenceWeights,
  tokenCoefficients,
} from './coefficients.js';
export {
  type CopyCredit,
  type CopyRule,
  copyCoefficients,
  type NodePush,
  nodePush,
} from './credit/copies.js';
export { lambdaCredit } from './credit/lambda.js';
export {
  askRule,
  type CreditContext,
  CreditError,
  type CreditRule,
  checkCredit,
  type NodeCredit,
} from './credit/rule.js';
export { CREDIT_NAMES, CREDIT_RULES, type CreditName, isCreditName, type NamedRule } from './credit/rules.js';
export { oppositeShare, stepFlaw } from './flaw.js';
export { lambdaWeights } from './lambda.js';
export { type StepMass, stepMass } from './mass.js';
export { memberSums, stepAdvantages, stepRewards, tokenValues } from './steps.js';
export { hasZeroVariance, type ZeroVariance, zeroVariance } from './zero-variance.js';
