/**
 * Dynamic loss scaling (Micikevicius et al., "Mixed precision training", 2018, §3.2): the loss is scaled up so that small gradients
 * survive 16 bits, and its gradients down again. An update whose gradients overflow is left out and halves the scale; after many
 * without an overflow it doubles. All of it is tensor arithmetic, so that a traced step does it by itself.
 */
import type { Engine, StateVariable } from '../engine/engine.js';
import * as ops from '../ops/index.js';
import type { Scalar, Tensor } from '../tensor.js';

const paths = { scale: 'scaling/scale', good: 'scaling/good' } as const;
const firstScale = 2 ** 15;
const mostScale = 2 ** 24;
/** Updates in a row without an overflow after which the scale doubles. */
const patience = 2000;

export class LossScaling {
  readonly #scale: StateVariable;
  readonly #good: StateVariable;
  /** How many updates overflowed. */
  readonly overflowed: StateVariable;

  constructor(engine: Engine) {
    const scalar = (value: number) => ({ dtype: 'f32', shape: [], values: Float32Array.of(value) }) as const;
    this.#scale = engine.variable(paths.scale, scalar(firstScale));
    this.#good = engine.variable(paths.good, scalar(0));
    this.overflowed = engine.variable('guard/overflowed', scalar(0));
  }

  /** What a checkpoint keeps. */
  get state(): readonly StateVariable[] {
    return [this.#scale, this.#good];
  }

  /** The loss to differentiate. */
  up(loss: Scalar): Scalar {
    return ops.mul<Scalar>(loss, ops.reshape<Scalar>(this.#scale.read(), { shape: [] }));
  }

  /** A gradient of a loss that was scaled up. */
  down(gradient: Tensor): Tensor {
    return ops.div<Tensor>(gradient, ops.reshape<Scalar>(this.#scale.read(), { shape: [] }));
  }

  /** Whether gradients are not finite although the scale can go no lower: that is no overflow. */
  exhausted(fine: Tensor): Tensor {
    return ops.and<Tensor>(ops.not(fine), ops.lessEqual<Tensor>(this.#scale.read(), 1));
  }

  /** Moves the scale after an update; `fine` is whether its gradients were finite, `sound` whether all else was (null: nobody looked). */
  settle(fine: Tensor, sound: Tensor | null): void {
    const scale = this.#scale.read();
    const good = ops.add<Tensor>(this.#good.read(), 1);
    const full = ops.greaterEqual<Tensor>(good, patience);
    const grown = ops.min<Tensor>(ops.mul<Tensor>(scale, 2), mostScale);
    const shrunk = ops.max<Tensor>(ops.mul<Tensor>(scale, 0.5), 1);
    this.#scale.assign(ops.select<Tensor>(fine, ops.select<Tensor>(full, grown, scale), shrunk));
    // At the lowest scale, and where the loss itself is not finite, it is no overflow, but a fault.
    const lowered = ops.and<Tensor>(ops.not(fine), ops.greater<Tensor>(scale, 1));
    const over = sound === null ? lowered : ops.and<Tensor>(lowered, sound);
    this.overflowed.assign(ops.add<Tensor>(this.overflowed.read(), ops.cast<Tensor>(over, { to: 'f32' })));
    const kept = ops.select<Tensor>(full, ops.zerosLike(good), good);
    this.#good.assign(ops.select<Tensor>(fine, kept, ops.zerosLike(good)));
  }
}

/** What a checkpoint has of optimizers, and the variables that it is for. */
interface Restored<T> {
  readonly variables: readonly StateVariable[];
  readonly tensors: ReadonlyMap<string, T>;
  /** What is not as it was, for the reader; null where nothing is. */
  readonly line: string | null;
}

/**
 * Where a run goes on in f16 that was in another type, its scale stays as in a new run; where it was in f16 and is not, the scale of then is
 * left out. Only where `allowed` names the precision; else they are not apart, and will not fit.
 */
export function withoutOtherScaling<T>(
  variables: readonly StateVariable[],
  tensors: ReadonlyMap<string, T>,
  allowed: readonly string[],
): Restored<T> {
  const isScaling = (path: string): boolean => path === paths.scale || path === paths.good;
  const isHere = variables.some(({ path }) => isScaling(path));
  const wasThere = tensors.has(paths.scale);
  const isMeant = allowed.some((name) => name === 'precision' || name === 'trainer.precision');
  if (isHere === wasThere || !isMeant) return { variables, tensors, line: null };
  if (isHere)
    return {
      variables: variables.filter(({ path }) => !isScaling(path)),
      tensors,
      line: `the loss is scaled from here on, as f16 needs it: its scale begins as in a new run, with ${firstScale}`,
    };
  return {
    variables,
    tensors: new Map([...tensors].filter(([path]) => !isScaling(path))),
    line: 'the loss is scaled no longer, which f16 alone needs: the scale of the checkpoint is left out',
  };
}
