/** Random numbers, keyed by the seed, the step and the place of the draw. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { currentEngine, drawLabel } from '../engine/current.js';
import { offTape } from '../engine/tape.js';
import { ranked } from '../tensor.js';
import { add, div, less, log, max, neg, select } from './arithmetic.js';
import { run, sizeAt } from './kernel.js';
import { argmax } from './reductions.js';
import { slice } from './shapes.js';

export interface Draw {
  /** The stable name of the place of this draw. */
  readonly draw: string;
  /** With a seed of its own a draw is the same at every step. */
  readonly seed?: number | null;
}

function options(
  shape: readonly number[],
  { draw, seed }: Draw,
): {
  shape: readonly number[];
  label: string;
  seed: number | undefined;
} {
  return { shape, label: drawLabel(draw), seed: seed ?? undefined };
}

/** Standard normal draws. */
export function normal<R extends Tensor>({
  shape,
  ...draw
}: Draw & { readonly shape: readonly number[] }): R {
  return ranked<R>(currentEngine().normal(options(shape, draw)));
}

/** Uniform draws from [0, 1). */
export function uniform<R extends Tensor>({
  shape,
  ...draw
}: Draw & { readonly shape: readonly number[] }): R {
  return ranked<R>(currentEngine().uniform(options(shape, draw)));
}

/** Standard normal draws in the shape of x. */
export function normalLike<T extends Tensor>(x: T, draw: Draw): T {
  return ranked<T>(currentEngine().normal(options(x.shape, draw)));
}

/** Uniform draws from [0, 1) in the shape of x. */
export function uniformLike<T extends Tensor>(x: T, draw: Draw): T {
  return ranked<T>(currentEngine().uniform(options(x.shape, draw)));
}

/** The smallest draw that has a logarithm worth having: uniform draws are multiples of 2^-24, and 0 among them. */
const leastDraw = 2 ** -25;

/**
 * A class along the last axis, drawn with the probabilities softmax(logits / temperature): the largest of logits to which
 * Gumbel noise was added. Draws have 24 bits, so what is less likely than about 1 in 10 million is never drawn. With `topK`, what is
 * smaller than the k-th largest logit is never drawn either.
 */
export function choose<R extends Tensor>(
  logits: Tensor,
  {
    temperature = 1,
    topK = null,
    ...draw
  }: Draw & { readonly temperature?: number; readonly topK?: number | null },
): R {
  if (!(temperature > 0)) throw new Error(`choose takes a temperature above 0, got ${temperature}`);
  const uniformly = max<Tensor>(uniformLike(logits, draw), leastDraw);
  const noise = neg<Tensor>(log<Tensor>(neg<Tensor>(log<Tensor>(uniformly))));
  const likely = topK === null ? logits : largest(logits, topK);
  const scaled = temperature === 1 ? likely : div<Tensor>(likely, temperature);
  return argmax<R>(add<Tensor>(scaled, noise), { axis: -1 });
}

/** Logits below the k-th largest of the last axis replaced by -Infinity. */
function largest(logits: Tensor, k: number): Tensor {
  const classes = sizeAt(logits.shape, -1);
  if (!Number.isSafeInteger(k) || k < 1 || k > classes) {
    throw new Error(`choose takes a top_k from 1 to ${classes}, the number of classes, got ${k}`);
  }
  return offTape(() => {
    const values: Tensor = run('TopValues', { x: logits }, { k });
    const least = slice<Tensor>(values, ['ellipsis', [k - 1, k]]);
    return select<Tensor>(less<Tensor>(logits, least), Number.NEGATIVE_INFINITY, logits);
  });
}
