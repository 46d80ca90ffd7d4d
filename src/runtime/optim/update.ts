/** What an update consists of, whether it is composed of arithmetic or done in place. */
import type { Engine, StateVariable } from '../engine/engine.js';
import * as ops from '../ops/index.js';
import { hasKernel, run } from '../ops/kernel.js';
import type { Scalar, Tensor } from '../tensor.js';
import type { Clip, Rule } from './optimizer.js';

/** A weight with its own options. */
export interface OwnedWeight {
  readonly path: string;
  readonly variable: StateVariable;
  readonly slots: ReadonlyMap<string, StateVariable>;
  readonly weightDecay: number;
  /** Index into `rates`. */
  readonly rate: number;
  /** Counts the updates that changed it. */
  readonly count: StateVariable;
}

export interface Update {
  readonly engine: Engine;
  readonly rule: Rule;
  readonly weights: readonly OwnedWeight[];
  /** Weights that are frozen for the same time share one. */
  readonly counts: readonly StateVariable[];
  readonly clip: Clip | null;
}

/** Weights that this update leaves alone. */
export type Frozen = ReadonlySet<StateVariable>;

/** Counts this update for the weights that are not frozen, unless it is not `fine`; the counts with it, for their bias corrections. */
export function countUpdate(
  { weights, counts }: Update,
  frozen: Frozen,
  fine: Tensor | null,
): ReadonlyMap<StateVariable, Scalar> {
  return new Map(
    counts.flatMap((count): [StateVariable, Scalar][] => {
      const counted = weights.filter((weight) => weight.count === count);
      if (counted.length > 0 && counted.every(({ variable }) => frozen.has(variable))) return [];
      const before = readScalar(count);
      const after = ops.add<Scalar>(before, 1);
      count.assign(fine === null ? after : ops.select<Scalar>(fine, after, before));
      return [[count, after]];
    }),
  );
}

/** The count of a weight that this update changes. */
export function countOf(counts: ReadonlyMap<StateVariable, Scalar>, { count, path }: OwnedWeight): Scalar {
  const value = counts.get(count);
  if (value === undefined)
    throw new Error(`${path} is frozen and has a gradient; this is a fault of the runtime`);
  return value;
}

export function readScalar(variable: StateVariable): Scalar {
  return ops.reshape<Scalar>(variable.read(), { shape: [] });
}

/** The norm over all gradients: √(Σ g²). */
export function gradientNorm(gradients: Iterable<Tensor>): Scalar {
  const all = [...gradients];
  if (all.length > 0 && hasKernel('NativeHalfSquareSum')) {
    const halves = all.map((x, index) => [String(index), run<Scalar>('NativeHalfSquareSum', { x })] as const);
    return ops.sqrt(ops.mul<Scalar>(run<Scalar>('NativeAddN', Object.fromEntries(halves)), 2));
  }
  const squares = all.map((gradient) => ops.sum<Scalar>(ops.square(gradient)));
  const [first, ...others] = squares;
  if (first === undefined) throw new Error('there is no gradient to take the norm of');
  return ops.sqrt(others.reduce((total, square) => ops.add<Scalar>(total, square), first));
}

/** most / max(norm, most): 1 below the limit, so that small gradients keep every bit but for one product by 1. */
export function clipScale(norm: Scalar, most: number): Scalar {
  return ops.div<Scalar>(most, ops.max<Scalar>(norm, most));
}

export function slotOf(weight: OwnedWeight, name: string): StateVariable {
  const slot = weight.slots.get(name);
  if (slot === undefined)
    throw new Error(`${weight.path} has no slot ${name}; this is a fault of the runtime`);
  return slot;
}

/** 1 - β^t as -expm1(t · ln β): exact to f32 also where β^t is close to 1. */
export function biasCorrection(beta: number, count: Scalar): Scalar {
  if (beta === 0) return ops.onesLike(count);
  return ops.neg(ops.expm1(ops.mul<Scalar>(count, Math.log(beta))));
}
