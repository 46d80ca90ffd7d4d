/** TensorFlow's ops that change variables in place. */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { InPlaceUpdate, StateVariable } from '../engine.js';
import * as ops from '../../ops/index.js';
import { filled } from '../../ops/kernel.js';
import type { Attributes } from './values.js';

/** An op that takes variables, then values. */
export interface InPlaceOp {
  readonly op: string;
  readonly variables: readonly StateVariable[];
  readonly inputs: readonly Tensor[];
  readonly attributes?: Attributes;
}

/** What the op of an update gives, as values that are assigned: nothing is changed before the end of the step. */
export function assignUpdate(update: InPlaceUpdate): void {
  const { weight } = update;
  const lower = (amount: Tensor): void => weight.assign(ops.sub(weight.read(), amount));
  switch (update.kind) {
    case 'subtract':
      lower(update.amount);
      break;
    case 'descent':
      lower(ops.mul(update.gradient, update.rate));
      break;
    case 'momentum': {
      const { velocity, gradient, momentum, rate, nesterov } = update;
      const kept: Tensor = ops.add(ops.mul(velocity.read(), momentum), gradient);
      velocity.assign(kept);
      lower(ops.mul(nesterov ? ops.add(gradient, ops.mul(kept, momentum)) : kept, rate));
      break;
    }
    case 'adam': {
      const { mean, square, rate, beta1, beta2, epsilon, gradient } = update;
      const nearer = (average: StateVariable, to: Tensor, beta: Tensor): Tensor => {
        const before = average.read();
        const now: Tensor = ops.add(before, ops.mul(ops.sub(to, before), ops.sub(1, beta)));
        average.assign(now);
        return now;
      };
      const m = nearer(mean, gradient, beta1);
      const v = nearer(square, ops.square(gradient), beta2);
      lower(ops.div(ops.mul(m, rate), ops.add(ops.sqrt(v), epsilon)));
      break;
    }
    case 'adagrad': {
      const { square, rate, epsilon, gradient } = update;
      const sum: Tensor = ops.add(square.read(), ops.square(gradient));
      square.assign(sum);
      lower(ops.div(ops.mul(gradient, rate), ops.add(ops.sqrt(sum), epsilon)));
      break;
    }
    default:
      unknown(update);
  }
}

function unknown(update: never): never {
  throw new Error(`there is no update ${JSON.stringify(update)}; this is a fault of the engine`);
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
