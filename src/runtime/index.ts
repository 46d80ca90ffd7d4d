/** What a generated trainer imports, as `ztrain/runtime`: nothing else of the runtime is public. */
export * as addons from './addons/index.js';
export * as data from './data/index.js';
export * as losses from './losses/index.js';
export * as metrics from './metrics/index.js';
export * as nn from './nn/index.js';
export * as ops from './ops/index.js';
export * as optim from './optim/index.js';
export * as rows from './rows/index.js';
export * as schedules from './schedules/index.js';
export * as steps from './trainer/steps.js';
export * as units from '../values/units.js';
export type { Data } from './data/data.js';
export type { Clock } from './optim/optimizer.js';
export type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, Tensor5D, Tensor6D } from './tensor.js';
export { Trainer } from './trainer/trainer.js';
export type { TrainerClass, TrainerSetup } from './trainer/trainer.js';
export type { ParamSpec, TrainerOptions, TrainerSpec } from './trainer/spec.js';
