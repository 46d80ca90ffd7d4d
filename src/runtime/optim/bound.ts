/**
 * An optimizer bound to weights: its slots and count are state variables, its rates come in as tensors, and one update is
 * tensor arithmetic that an engine can trace.
 */
import type { Engine, HostTensor, StateVariable } from '../engine/engine.js';
import * as ops from '../ops/index.js';
import { RunError } from '../run/run-error.js';
import type { Scalar, Tensor } from '../tensor.js';
import { applyInPlace, changesInPlace } from './in-place.js';
import { isAmong, matchesPath } from './patterns.js';
import type { Clip, Clock, Freeze, Optimizer, Rate, Rule, WeightGroup } from './optimizer.js';
import { makeStep } from './steps.js';
import {
  clipScale,
  countUpdate,
  gradientNorm,
  type Frozen,
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
  /** The weights that each of the rates moves. */
  readonly rated: readonly (readonly StateVariable[])[];
  readonly clip: Clip | null;
  /** Weights that are kept for some time from the start of the run. */
  readonly freezes: ReadonlyMap<StateVariable, Freeze>;
  /** The rates at a step, on the host. Throws where one is not a number of at least 0. */
  ratesAt(clock: Clock): readonly number[];
  /**
   * Changes the weights by their gradients (null: no gradient reached the weight, which stays). With `fine`, nothing
   * changes where it is false. Weights that are `frozen` have no gradient, and the update does not count for them. Returns the
   * gradient's norm before clipping, where clipping needed it.
   */
  apply(
    gradients: ReadonlyMap<StateVariable, Tensor>,
    rates: readonly Scalar[],
    fine: Tensor | null,
    frozen?: Frozen,
  ): Scalar | null;
}

/** A weight as the trainer found it in a model. */
export interface FoundWeight {
  readonly path: string;
  /** The path below the model. */
  readonly local: string;
  readonly variable: StateVariable;
}

/** Slots of a rule, and the value that each starts with. */
function slotsOf(rule: Rule): readonly (readonly [name: string, start: number])[] {
  switch (rule.kind) {
    case 'sgd':
      return rule.momentum > 0 ? [['momentum', 0]] : [];
    case 'adam':
    case 'adamw':
    case 'lamb':
      return [
        ['m', 0],
        ['v', 0],
      ];
    case 'lion':
      return [['m', 0]];
    case 'extern':
      return [...rule.starts];
    case 'adagrad':
      return [['square', rule.initialAccumulator]];
    case 'rmsprop':
      return [
        ['square', 0],
        ...(rule.centered ? [['mean', 0] as const] : []),
        ...(rule.momentum > 0 ? [['momentum', 0] as const] : []),
      ];
  }
}

/**
 * Binds an optimizer to the weights that it owns. Slots get the paths `name/slot/Model.path`, the count of its updates `name/count`;
 * weights that a group freezes have a count of their own, `name/count/group`. Throws where a group's pattern matches no weight.
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
  const counts = new Map<WeightGroup<S> | null, StateVariable>([
    [null, engine.variable(`${name}/count`, filled([], 0))],
  ]);
  const countOfGroup = (group: WeightGroup<S> | null): StateVariable => {
    const count = counts.get(group) ?? engine.variable(`${name}/count/${group?.name ?? ''}`, filled([], 0));
    counts.set(group, count);
    return count;
  };
  const freezes = new Map<StateVariable, Freeze>();
  const weights = found.map((weight): OwnedWeight => {
    const { path, variable } = weight;
    let weightDecay = optimizer.weightDecay;
    let rate = 0;
    let { freeze } = optimizer;
    let frozenBy: WeightGroup<S> | null = null;
    for (const group of optimizer.groups) {
      if (!isAmong(group, weight.local)) continue;
      weightDecay = group.weightDecay ?? weightDecay;
      rate = groupRates.get(group) ?? rate;
      if (group.freeze === undefined) continue;
      ({ freeze } = group);
      frozenBy = group;
    }
    if (freeze !== null) freezes.set(variable, freeze);
    const slots = slotsOf(optimizer.rule).map(([slot, start]): [string, StateVariable] => [
      slot,
      engine.variable(`${name}/${slot}/${path}`, filled(variable.shape, start)),
    ]);
    return { path, variable, slots: new Map(slots), weightDecay, rate, count: countOfGroup(frozenBy) };
  });
  const clip = optimizer.clip === undefined ? trainerClip : optimizer.clip;
  return {
    name,
    weights: weights.map(({ variable }) => variable),
    state: [...counts.values(), ...weights.flatMap(({ slots }) => [...slots.values()])],
    freezes,
    rateNames: rates.map((rate) => rate.name),
    rated: rates.map((_, index) =>
      weights.filter(({ rate }) => rate === index).map(({ variable }) => variable),
    ),
    clip,
    ratesAt: (clock) => {
      const own = clockOf(clock);
      return rates.map(({ name: rateName, rate }) => {
        const value = typeof rate === 'number' ? rate : rate(own);
        if (!(value >= 0 && Number.isFinite(value))) {
          throw new RunError(
            `the learning rate of ${rateName} is ${value} at step ${clock.step + 1}; it must be a number of at least 0`,
          );
        }
        return value;
      });
    },
    apply: (gradients, lr, fine, frozen = new Set()) => {
      const { rule } = optimizer;
      const update = { engine, rule, weights, counts: [...counts.values()], clip };
      return applyUpdate(update, gradients, lr, fine, frozen);
    },
  };
}

function filled(shape: readonly number[], value: number): HostTensor {
  const values = new Float32Array(shape.reduce((size, n) => size * n, 1));
  return { dtype: 'f32', shape, values: value === 0 ? values : values.fill(value) };
}

function checkPatterns<S extends object>(
  name: string,
  groups: readonly WeightGroup<S>[],
  found: readonly FoundWeight[],
): void {
  for (const group of groups) {
    for (const pattern of [...group.match, ...(group.except ?? [])]) {
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
  frozen: Frozen,
): Scalar | null {
  if (changesInPlace(update)) return applyInPlace(update, gradients, rates, fine, frozen);
  const set = (variable: StateVariable, value: Tensor): void => {
    variable.assign(fine === null ? value : ops.select<Tensor>(fine, value, variable.read()));
  };
  const { clipped, norm } = clip(update.clip, gradients);
  const step = makeStep(update.rule, countUpdate(update, frozen, fine), set);
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
