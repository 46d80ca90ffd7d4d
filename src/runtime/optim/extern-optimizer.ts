/** Optimizers of a spec that are written in TypeScript: a rule that says what one update makes of one weight and its slots. */
import { Tensor } from '@tensorflow/tfjs-core';
import { shapeText, tensorText } from '../ops/kernel.js';
import { externError, inExtern, type Extern } from '../run/extern-error.js';
import type { Scalar } from '../tensor.js';
import { optimizer, type CommonOptions, type Optimizer, type Rate } from './optimizer.js';

/** One weight in one update. Every tensor but `rate` and `count` has the weight's shape, and all are f32. */
export interface WeightUpdate<S extends string> {
  /** The weight before the update. */
  readonly weight: Tensor;
  /** The gradient of the loss, after clipping. */
  readonly gradient: Tensor;
  /** The learning rate of this update, at least 0. */
  readonly rate: Scalar;
  /** `weight_decay` of the weight's group, at least 0; 0 where the optimizer declares none. */
  readonly weightDecay: number;
  /** Updates of this weight, this one among them: 1 in the first. */
  readonly count: Scalar;
  /** What is kept for the weight, as the update before left it. */
  readonly slots: Readonly<Record<S, Tensor>>;
}

/** The weight and its slots after an update. */
export interface UpdatedWeight<S extends string> {
  readonly weight: Tensor;
  readonly slots: Readonly<Record<S, Tensor>>;
}

/** A rule; `S` are the names of its slots, `never` where it keeps nothing. */
export interface UpdateRule<S extends string = never> {
  /** The number that each slot starts with, in every element. */
  readonly slots: Readonly<Record<S, number>>;
  /**
   * The weight and its slots after an update, computed by ops from what it is given: part of the step, so it sees no values. It is
   * called for each weight that has a gradient.
   */
  readonly update: (given: WeightUpdate<S>) => UpdatedWeight<S>;
}

/** The rule as an update runs it, slots by name. */
export interface ExternRule {
  readonly kind: 'extern';
  readonly starts: ReadonlyMap<string, number>;
  readonly run: (
    given: Omit<WeightUpdate<string>, 'slots'>,
    slot: (name: string) => Tensor,
  ) => { readonly weight: Tensor; readonly slots: ReadonlyMap<string, Tensor> };
}

/** What a spec declares of an optimizer of its own. */
export interface ExternOptimizer<S extends string> {
  readonly name: string;
  readonly file: string;
  readonly slots: readonly S[];
}

/**
 * The optimizer with the rule that `make` gives for `options`, held against its declaration. What goes wrong in the rule is an error
 * that names the optimizer, its file and its line.
 */
export function extern<S extends string, O extends object, C extends object = object>(
  { name, file, slots: declared }: ExternOptimizer<S>,
  make: (options: O) => UpdateRule<S>,
  options: NoInfer<O>,
  common: CommonOptions<C> & { readonly lr: Rate<C> },
): Optimizer<C> {
  const about: Extern = { what: 'optimizer', name, file };
  const { slots, update } = inExtern(about, () => make(options));
  const extra = Object.keys(slots).filter((slot) => !declared.some((each) => each === slot));
  if (extra.length > 0)
    throw externError(
      about,
      `has the slot ${extra.join(', ')}, which the spec does not declare; add it to \`slots\``,
    );
  const starts = new Map<string, number>();
  for (const slot of declared) {
    const start: unknown = slots[slot];
    if (typeof start !== 'number' || !Number.isFinite(start))
      throw externError(about, `starts the slot ${slot} with ${String(start)}; give a finite number`);
    starts.set(slot, start);
  }
  const rule: ExternRule = {
    kind: 'extern',
    starts,
    run: (given, slot) => {
      const before = record(declared, slot);
      const after = inExtern(about, () => update({ ...given, slots: before }));
      const { shape } = given.weight;
      return {
        weight: fitting(about, 'the weight', after.weight, shape),
        slots: new Map(
          declared.map((each) => [each, fitting(about, `the slot ${each}`, after.slots[each], shape)]),
        ),
      };
    },
  };
  return optimizer<C>(rule, common, common.lr);
}

function record<S extends string>(
  names: readonly S[],
  value: (name: S) => Tensor,
): Readonly<Record<S, Tensor>> {
  const made: Partial<Record<S, Tensor>> = {};
  for (const name of names) made[name] = value(name);
  if (!isWhole(made, names)) throw new Error('an optimizer lost a slot; this is a fault of the runtime');
  return made;
}

function isWhole<S extends string>(
  made: Partial<Record<S, Tensor>>,
  names: readonly S[],
): made is Record<S, Tensor> {
  return names.every((name) => made[name] !== undefined);
}

function fitting(about: Extern, what: string, value: unknown, shape: readonly number[]): Tensor {
  if (!(value instanceof Tensor)) throw externError(about, `gives no tensor for ${what}`);
  if (value.dtype === 'float32' && value.shape.join() === shape.join()) return value;
  throw externError(
    about,
    `gives ${tensorText(value)} for ${what}, which is f32${shapeText(shape)}; keep its shape`,
  );
}
