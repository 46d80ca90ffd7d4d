/**
 * Updates on engines that change variables in place. What they compute is what `bound.ts` composes of arithmetic, to float
 * tolerance; where `fine` is false, factors of 0 and 1 leave every value as it was.
 */
import type { Engine, StateVariable } from '../engine/engine.js';
import * as ops from '../ops/index.js';
import { constant, hasKernel, run } from '../ops/kernel.js';
import type { Scalar, Tensor } from '../tensor.js';
import type { Rule } from './optimizer.js';
import {
  biasCorrection,
  clipScale,
  countOf,
  countUpdate,
  gradientNorm,
  slotOf,
  type Frozen,
  type OwnedWeight,
  type Update,
} from './update.js';

// TensorFlow's op for RMSprop has its epsilon inside of the root and the rate inside of the momentum: another rule.
const rulesInPlace: ReadonlySet<Rule['kind']> = new Set<Rule['kind']>(['sgd', 'adam', 'adamw', 'adagrad']);

/** Whether the engine has an op for the rule. */
export function changesInPlace({ engine, rule }: Update): boolean {
  return (
    engine.updateInPlace !== undefined && rulesInPlace.has(rule.kind) && hasKernel('NativeMultiplyNoNan')
  );
}

/** Factors that leave things as they are where a step is not to change anything. */
class Guard {
  constructor(private readonly fine: Tensor | null) {}

  /** `factor`, or 0. */
  orZero(factor: Scalar | number): Scalar {
    if (this.fine !== null) return ops.select<Scalar>(this.fine, factor, 0);
    return typeof factor === 'number' ? constant<Scalar>(factor) : factor;
  }

  /** `factor`, or 1. */
  orOne(factor: number): Scalar {
    return this.fine === null ? constant<Scalar>(factor) : ops.select<Scalar>(this.fine, factor, 1);
  }

  /** x · factor; 0 where the factor is, whatever x is. */
  scaled(x: Tensor, factor: Scalar | number): Tensor {
    return this.fine === null
      ? ops.mul<Tensor>(x, factor)
      : run<Tensor>('NativeMultiplyNoNan', { a: x, b: this.orZero(factor) });
  }

  /** x, or 0. */
  passed(x: Tensor): Tensor {
    return this.fine === null ? x : this.scaled(x, 1);
  }
}

type Gradients = ReadonlyMap<StateVariable, Tensor>;

/** As `BoundOptimizer.apply`. */
export function applyInPlace(
  update: Update,
  gradients: Gradients,
  rates: readonly Scalar[],
  fine: Tensor | null,
  frozen: Frozen,
): Scalar | null {
  const guard = new Guard(fine);
  const { clipped, norm } = guardedGradients(update, gradients, guard);
  const change = changeOf(update, countUpdate(update, frozen, fine), guard);
  for (const weight of update.weights) {
    const gradient = clipped.get(weight.variable);
    const rate = rates[weight.rate];
    if (gradient === undefined || rate === undefined) continue;
    change(weight, gradient, rate);
  }
  return norm;
}

function guardedGradients(
  { clip }: Update,
  gradients: Gradients,
  guard: Guard,
): { readonly clipped: Gradients; readonly norm: Scalar | null } {
  const each = (change: (gradient: Tensor) => Tensor): Gradients =>
    new Map([...gradients].map(([variable, gradient]) => [variable, change(gradient)]));
  if (clip === null || gradients.size === 0) return { clipped: each((x) => guard.passed(x)), norm: null };
  if (clip.kind === 'value') {
    const { most } = clip;
    return { clipped: each((x) => guard.passed(ops.clamp(x, { low: -most, high: most }))), norm: null };
  }
  const norm = gradientNorm(gradients.values());
  const scale = clipScale(norm, clip.most);
  return { clipped: each((x) => guard.scaled(x, scale)), norm };
}

type Change = (weight: OwnedWeight, gradient: Tensor, rate: Scalar) => void;

type Counts = ReadonlyMap<StateVariable, Scalar>;

function changeOf({ engine, rule }: Update, counts: Counts, guard: Guard): Change {
  switch (rule.kind) {
    case 'sgd':
      return descent(engine, rule, guard);
    case 'adam':
    case 'adamw':
      return adam(engine, rule, counts, guard);
    case 'adagrad':
      return adagrad(engine, rule, guard);
    default:
      throw new Error(`${rule.kind} has no update in place; this is a fault of the runtime`);
  }
}

function decayed(weight: OwnedWeight, gradient: Tensor, guard: Guard): Tensor {
  return weight.weightDecay === 0
    ? gradient
    : ops.add<Tensor>(gradient, guard.scaled(weight.variable.read(), weight.weightDecay));
}

function descent(
  engine: Engine,
  { momentum, nesterov }: Extract<Rule, { kind: 'sgd' }>,
  guard: Guard,
): Change {
  const kept = guard.orOne(momentum);
  return (weight, given, rate) => {
    const gradient = decayed(weight, given, guard);
    const own = { weight: weight.variable, rate: guard.orZero(rate), gradient };
    engine.updateInPlace?.(
      momentum === 0
        ? { kind: 'descent', ...own }
        : { kind: 'momentum', ...own, velocity: slotOf(weight, 'momentum'), momentum: kept, nesterov },
    );
  };
}

function adagrad(engine: Engine, { epsilon }: Extract<Rule, { kind: 'adagrad' }>, guard: Guard): Change {
  return (weight, given, rate) =>
    engine.updateInPlace?.({
      kind: 'adagrad',
      weight: weight.variable,
      square: slotOf(weight, 'square'),
      rate: guard.orZero(rate),
      epsilon: constant<Scalar>(epsilon),
      gradient: decayed(weight, given, guard),
    });
}

interface Corrected {
  readonly beta1: Scalar;
  readonly beta2: Scalar;
  readonly epsilon: Scalar;
  readonly correction: Scalar;
}

function adam(
  engine: Engine,
  { kind, betas, epsilon }: Extract<Rule, { kind: 'adam' | 'adamw' | 'lamb' }>,
  counts: Counts,
  guard: Guard,
): Change {
  // The averages forget by β in f32, so that is the β to correct for.
  const [beta1, beta2] = betas.map(Math.fround);
  if (beta1 === undefined || beta2 === undefined) throw new Error('adam needs two betas');
  const kept = { beta1: guard.orOne(beta1), beta2: guard.orOne(beta2) };
  const byCount = new Map<Scalar, Corrected>();
  const rates = new Map<string, Scalar>();
  // m / c₁ / (√(v / c₂) + ε) = m · (√c₂ / c₁) / (√v + ε√c₂)
  const correctedBy = (count: Scalar): Corrected => {
    const root = ops.sqrt(biasCorrection(beta2, count));
    const correction = ops.div<Scalar>(root, biasCorrection(beta1, count));
    return { ...kept, epsilon: ops.mul<Scalar>(root, epsilon), correction };
  };
  return (weight, given, rate) => {
    const count = countOf(counts, weight);
    const { correction, ...shared } = byCount.get(count) ?? correctedBy(count);
    byCount.set(count, { correction, ...shared });
    const key = `${count.id} ${rate.id}`;
    const corrected = rates.get(key) ?? guard.orZero(ops.mul<Scalar>(rate, correction));
    rates.set(key, corrected);
    const gradient = kind === 'adam' ? decayed(weight, given, guard) : given;
    const { variable } = weight;
    if (kind === 'adamw' && weight.weightDecay !== 0) {
      const amount = guard.scaled(variable.read(), ops.mul<Scalar>(rate, weight.weightDecay));
      engine.updateInPlace?.({ kind: 'subtract', weight: variable, amount });
    }
    engine.updateInPlace?.({
      kind: 'adam',
      weight: variable,
      mean: slotOf(weight, 'm'),
      square: slotOf(weight, 'v'),
      rate: corrected,
      ...shared,
      gradient,
    });
  };
}
