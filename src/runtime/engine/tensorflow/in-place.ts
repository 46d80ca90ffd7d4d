/** TensorFlow's ops that change variables in place. */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { InPlaceUpdate, StateVariable } from '../engine.js';
import { filled } from '../../ops/kernel.js';
import type { Attributes } from './values.js';

/** An op that takes variables, then values. */
export interface InPlaceOp {
  readonly op: string;
  readonly variables: readonly StateVariable[];
  readonly inputs: readonly Tensor[];
  readonly attributes?: Attributes;
}

export function inPlaceOp(update: InPlaceUpdate): InPlaceOp {
  const { weight } = update;
  switch (update.kind) {
    case 'subtract':
      return { op: 'AssignSubVariableOp', variables: [weight], inputs: [update.amount] };
    case 'descent':
      return {
        op: 'ResourceApplyGradientDescent',
        variables: [weight],
        inputs: [update.rate, update.gradient],
      };
    case 'momentum':
      return {
        op: 'ResourceApplyMomentum',
        variables: [weight, update.velocity],
        inputs: [update.rate, update.gradient, update.momentum],
        attributes: { use_nesterov: update.nesterov },
      };
    case 'adam': {
      // The op corrects its bias by powers of β, in f32, which loses digits; powers of 0 make it correct nothing.
      const none: Tensor = filled([], 0);
      const { mean, square, rate, beta1, beta2, epsilon, gradient } = update;
      return {
        op: 'ResourceApplyAdam',
        variables: [weight, mean, square],
        inputs: [none, none, rate, beta1, beta2, epsilon, gradient],
      };
    }
    case 'adagrad':
      return {
        op: 'ResourceApplyAdagradV2',
        variables: [weight, update.square],
        inputs: [update.rate, update.epsilon, update.gradient],
        attributes: { update_slots: true },
      };
  }
}
