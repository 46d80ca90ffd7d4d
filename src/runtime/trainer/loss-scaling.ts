/**
 * Dynamic loss scaling (Micikevicius et al., "Mixed precision training", 2018, §3.2): the loss is scaled up so that small gradients
 * survive 16 bits, and its gradients down again. An update whose gradients overflow is left out and halves the scale; after many
 * without an overflow it doubles. All of it is tensor arithmetic, so that a traced step does it by itself.
 */
import type { Engine, StateVariable } from '../engine/engine.js';
import * as ops from '../ops/index.js';
import type { Scalar, Tensor } from '../tensor.js';

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
    this.#scale = engine.variable('scaling/scale', scalar(firstScale));
    this.#good = engine.variable('scaling/good', scalar(0));
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
