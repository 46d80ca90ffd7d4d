/** Random numbers, keyed by the seed, the step and the place of the draw. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { currentEngine, drawLabel } from '../engine/current.js';
import { ranked } from '../tensor.js';

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
