/**
 * An optimizer bound to weights: its slots and count are state variables, its rates come in as tensors, and one update is
 * tensor arithmetic that an engine can trace.
 */
import type { Engine, HostTensor, StateVariable } from '../engine/engine.js';
import * as ops from '../ops/index.js';
import type { Scalar, Tensor } from '../tensor.js';
import { applyInPlace, changesInPlace } from './in-place.js';
import { matchesPath } from './patterns.js';
import type { Clip, Clock, Optimizer, Rate, Rule, WeightGroup } from './optimizer.js';
import {
  biasCorrection,
  clipScale,
  gradientNorm,
  readScalar,
  slotOf,
  type OwnedWeight,
  type Update,
} from './update.js';

export interface BoundOptimizer {
  readonly name: string;
  readonly weights: readonly StateVariable[];
  /** State besides the weights: slots and the count, for checkpoints. */
  readonly state: readonly StateVariable[];
  /** How many learning rates the step takes in, and their names: the optimizer's first, then groups'. */
  readonly rateNames: readonly string[];
  readonly clip: Clip | null;
  /** The rates at a step, on the host. Throws where one is not a number of at least 0. */
  ratesAt(clock: Clock): readonly number[];
  /**
   * Changes the weights by their gradients (null: no gradient reached the weight, which stays). With `fine`, nothing
   * changes where it is false. Returns the gradient's norm before clipping, where clipping needed it.
   */
  apply(
    gradients: ReadonlyMap<StateVariable, Tensor>,
    rates: readonly Scalar[],
    fine: Tensor | null,
  ): Scalar | null;
}

/** A weight as the trainer found it in a model. */
export interface FoundWeight {
  readonly path: string;
  /** The path below the model. */
  readonly local: string;
  readonly variable: StateVariable;
}

const slotNames: Readonly<Record<Rule['kind'], (rule: Rule) => readonly string[]>> = {
  sgd: (rule) => (rule.kind === 'sgd' && rule.momentum > 0 ? ['momentum'] : []),
  adam: () => ['m', 'v'],
  adamw: () => ['m', 'v'],
  rmsprop: (rule) => (rule.kind === 'rmsprop' && rule.momentum > 0 ? ['square', 'momentum'] : ['square']),
};

/**
 * Binds an optimizer. Slots get the paths `name/slot/Model.path`, the count `name/count`. Throws where a group's
 * pattern matches no weight.
 */
export function bindOptimizer<S extends object>(
  engine: Engine,
  name: string,
  optimizer: Optimizer<S>,
  found: readonly FoundWeight[],
  trainerClip: Clip | null,
  clockOf: (clock: Clock) => Clock<S>,
): BoundOptimizer {
  checkPatterns(name, optimizer.groups, found);
  const rates: { readonly name: string; readonly rate: Rate<S> }[] = [{ name, rate: optimizer.lr }];
  const groupRates = new Map<WeightGroup<S>, number>();
  for (const group of optimizer.groups) {
    if (group.lr !== undefined) {
      groupRates.set(group, rates.length);
      rates.push({ name: `${name}.${group.name}`, rate: group.lr });
    }
  }
  const weights = found.map((weight): OwnedWeight => {
    let weightDecay = optimizer.weightDecay;
    let rate = 0;
    for (const group of optimizer.groups) {
      if (group.match.some((pattern) => matchesPath(pattern, weight.local))) {
        weightDecay = group.weightDecay ?? weightDecay;
        rate = groupRates.get(group) ?? rate;
      }
    }
    const slots = slotNames[optimizer.rule.kind](optimizer.rule).map((slot): [string, StateVariable] => [
      slot,
      engine.variable(`${name}/${slot}/${weight.path}`, zeros(weight.variable.shape)),
    ]);
    return { path: weight.path, variable: weight.variable, slots: new Map(slots), weightDecay, rate };
  });
  const count = engine.variable(`${name}/count`, zeros([]));
  const clip = optimizer.clip === undefined ? trainerClip : optimizer.clip;
  return {
    name,
    weights: weights.map(({ variable }) => variable),
    state: [count, ...weights.flatMap(({ slots }) => [...slots.values()])],
    rateNames: rates.map((rate) => rate.name),
    clip,
    ratesAt: (clock) => {
      const own = clockOf(clock);
      return rates.map(({ name: rateName, rate }) => {
        const value = typeof rate === 'number' ? rate : rate(own);
        if (!(value >= 0 && Number.isFinite(value))) {
          throw new Error(
            `the learning rate of ${rateName} is ${value} at step ${clock.step}; it must be a number of at least 0`,
          );
        }
        return value;
      });
    },
    apply: (gradients, lr, fine) =>
      applyUpdate({ engine, rule: optimizer.rule, weights, count, clip }, gradients, lr, fine),
  };
}

function zeros(shape: readonly number[]): HostTensor {
  return { dtype: 'f32', shape, values: new Float32Array(shape.reduce((size, n) => size * n, 1)) };
}

function checkPatterns<S extends object>(
  name: string,
  groups: readonly WeightGroup<S>[],
  found: readonly FoundWeight[],
): void {
  for (const group of groups) {
    for (const pattern of group.match) {
      if (!found.some(({ local }) => matchesPath(pattern, local))) {
        throw new Error(
          `group ${group.name} of ${name}: no weight matches ${JSON.stringify(pattern)}; there are ${found.map(({ local }) => local).join(', ')}`,
        );
      }
    }
  }
}

function applyUpdate(
  update: Update,
  gradients: ReadonlyMap<StateVariable, Tensor>,
  rates: readonly Scalar[],
  fine: Tensor | null,
): Scalar | null {
  if (changesInPlace(update)) return applyInPlace(update, gradients, rates, fine);
  const set = (variable: StateVariable, value: Tensor): void => {
    variable.assign(fine === null ? value : ops.select<Tensor>(fine, value, variable.read()));
  };
  const { clipped, norm } = clip(update.clip, gradients);
  const count = ops.add<Scalar>(readScalar(update.count), 1);
  set(update.count, count);
  const step = makeStep(update.rule, count, rates, set);
  for (const weight of update.weights) {
    const gradient = clipped.get(weight.variable);
    const rate = rates[weight.rate];
    if (gradient === undefined || rate === undefined) continue;
    set(weight.variable, step(weight, gradient, rate));
  }
  return norm;
}

function clip(
  how: Clip | null,
  gradients: ReadonlyMap<StateVariable, Tensor>,
): { readonly clipped: ReadonlyMap<StateVariable, Tensor>; readonly norm: Scalar | null } {
  if (how === null || gradients.size === 0) return { clipped: gradients, norm: null };
  const each = (change: (gradient: Tensor) => Tensor): ReadonlyMap<StateVariable, Tensor> =>
    new Map([...gradients].map(([variable, gradient]) => [variable, change(gradient)]));
  if (how.kind === 'value') {
    return {
      clipped: each((gradient) => ops.clamp(gradient, { low: -how.most, high: how.most })),
      norm: null,
    };
  }
  const norm = gradientNorm(gradients.values());
  const scale = clipScale(norm, how.most);
  return { clipped: each((gradient) => ops.mul<Tensor>(gradient, scale)), norm };
}

type Set = (variable: StateVariable, value: Tensor) => void;
type Step = (weight: OwnedWeight, gradient: Tensor, rate: Scalar) => Tensor;

function makeStep(rule: Rule, count: Scalar, rates: readonly Scalar[], set: Set): Step {
  switch (rule.kind) {
    case 'sgd':
      return sgdStep(rule, set);
    case 'adam':
    case 'adamw':
      return adamStep(rule, count, rates, set);
    case 'rmsprop':
      return rmspropStep(rule, set);
  }
}

function decayed(weight: OwnedWeight, gradient: Tensor): Tensor {
  const { weightDecay } = weight;
  return weightDecay === 0
    ? gradient
    : ops.add<Tensor>(gradient, ops.mul<Tensor>(weight.variable.read(), weightDecay));
}

function sgdStep({ momentum, nesterov }: Extract<Rule, { kind: 'sgd' }>, set: Set): Step {
  return (weight, given, rate) => {
    const gradient = decayed(weight, given);
    if (momentum === 0) return ops.sub<Tensor>(weight.variable.read(), ops.mul<Tensor>(gradient, rate));
    const slot = slotOf(weight, 'momentum');
    const velocity = ops.add<Tensor>(ops.mul<Tensor>(slot.read(), momentum), gradient);
    set(slot, velocity);
    const direction = nesterov ? ops.add<Tensor>(gradient, ops.mul<Tensor>(velocity, momentum)) : velocity;
    return ops.sub<Tensor>(weight.variable.read(), ops.mul<Tensor>(direction, rate));
  };
}

function adamStep(
  { kind, betas: [beta1, beta2], epsilon }: Extract<Rule, { kind: 'adam' | 'adamw' }>,
  count: Scalar,
  rates: readonly Scalar[],
  set: Set,
): Step {
  const first = biasCorrection(beta1, count);
  const second = ops.rsqrt(biasCorrection(beta2, count));
  const corrected = new Map(rates.map((rate) => [rate, ops.div<Scalar>(rate, first)]));
  return (weight, given, rate) => {
    const gradient = kind === 'adam' ? decayed(weight, given) : given;
    const m = slotOf(weight, 'm');
    const v = slotOf(weight, 'v');
    const mean = ops.add<Tensor>(ops.mul<Tensor>(m.read(), beta1), ops.mul<Tensor>(gradient, 1 - beta1));
    const square = ops.add<Tensor>(
      ops.mul<Tensor>(v.read(), beta2),
      ops.mul<Tensor>(ops.square(gradient), 1 - beta2),
    );
    set(m, mean);
    set(v, square);
    const root = ops.add<Tensor>(ops.mul<Tensor>(ops.sqrt(square), second), epsilon);
    const step = ops.mul<Tensor>(ops.div<Tensor>(mean, root), corrected.get(rate) ?? rate);
    const before = weight.variable.read();
    const shrunk =
      kind === 'adamw' && weight.weightDecay !== 0
        ? ops.sub<Tensor>(before, ops.mul<Tensor>(before, ops.mul<Scalar>(rate, weight.weightDecay)))
        : before;
    return ops.sub<Tensor>(shrunk, step);
  };
}

function rmspropStep({ decay, momentum, epsilon }: Extract<Rule, { kind: 'rmsprop' }>, set: Set): Step {
  return (weight, given, rate) => {
    const gradient = decayed(weight, given);
    const slot = slotOf(weight, 'square');
    const square = ops.add<Tensor>(
      ops.mul<Tensor>(slot.read(), decay),
      ops.mul<Tensor>(ops.square(gradient), 1 - decay),
    );
    set(slot, square);
    const scaled = ops.div<Tensor>(gradient, ops.add<Tensor>(ops.sqrt(square), epsilon));
    if (momentum === 0) return ops.sub<Tensor>(weight.variable.read(), ops.mul<Tensor>(scaled, rate));
    const buffer = slotOf(weight, 'momentum');
    const velocity = ops.add<Tensor>(ops.mul<Tensor>(buffer.read(), momentum), scaled);
    set(buffer, velocity);
    return ops.sub<Tensor>(weight.variable.read(), ops.mul<Tensor>(velocity, rate));
  };
}
