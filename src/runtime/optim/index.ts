/** Optimizers, the namespace `optim` of generated code. */
export {
  adagrad,
  adam,
  adamw,
  clipNorm,
  clipValue,
  freezeAfter,
  lamb,
  lion,
  rmsprop,
  sgd,
} from './optimizer.js';
export { extern } from './extern-optimizer.js';
export type { ExternOptimizer, UpdatedWeight, UpdateRule, WeightUpdate } from './extern-optimizer.js';
export type {
  AdagradOptions,
  AdamOptions,
  Clip,
  Clock,
  CommonOptions,
  Freeze,
  FreezeAfter,
  LionOptions,
  Matching,
  Optimizer,
  Rate,
  RmspropOptions,
  SgdOptions,
  WeightGroup,
} from './optimizer.js';
