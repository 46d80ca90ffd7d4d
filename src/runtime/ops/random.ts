/** Random numbers, keyed by the seed, the step and the place of the draw. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { currentEngine, drawLabel } from '../engine/current.js';
import { offTape } from '../engine/tape.js';
import { ranked } from '../tensor.js';
import { sigmoid } from './activations.js';
import {
  add,
  and,
  div,
  equal,
  expm1,
  greater,
  less,
  log,
  max,
  mul,
  neg,
  select,
  square,
  sub,
} from './arithmetic.js';
import { run, sizeAt, toFloat } from './kernel.js';
import { argmax, maxOf, sum } from './reductions.js';
import { expandDims, range, slice } from './shapes.js';

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

/** Candidates for each draw of `randomBeta`: all are rejected with a probability below 10^-20. */
const candidates = 16;

/**
 * Draws from the beta distribution of `a` and `b`, from 0.001 to 10,000 each: G / (G + H) of gamma draws G and H. Those are exact, by
 * rejection (Marsaglia & Tsang, "A simple method for generating gamma variables", 2000, which accepts at least 95 of 100
 * candidates; below 1, a draw of a + 1 times u^(1/a)): of 16 candidates the first that is accepted, with the draws of a step in their
 * place. Logarithms keep what f32 would round to 0.
 */
export function randomBeta<R extends Tensor>({
  shape,
  a,
  b,
  ...draw
}: Draw & { readonly shape: readonly number[]; readonly a: number; readonly b: number }): R {
  for (const [name, value] of Object.entries({ a, b }))
    if (!(value >= 1e-3 && value <= 1e4))
      throw new Error(`random_beta takes ${name} from 0.001 to 10,000, got ${value}`);
  const [g, h] = [logOfGamma(shape, a, draw, 'a'), logOfGamma(shape, b, draw, 'b')];
  return ranked<R>(sigmoid(sub<Tensor>(g, h)));
}

/** Logarithms of gamma draws of a shape parameter `k`. */
function logOfGamma(shape: readonly number[], k: number, { draw, seed }: Draw, name: string): Tensor {
  const named = (of: string): Draw => ({ draw: `${draw}.${name}.${of}`, seed: seed ?? null });
  const many = [...shape, candidates];
  // In (0, 1], so that the logarithm is finite.
  const logUniform = (of: string, size: readonly number[]): Tensor =>
    log<Tensor>(sub<Tensor>(1, uniform<Tensor>({ shape: size, ...named(of) })));
  const d = (k < 1 ? k + 1 : k) - 1 / 3;
  const x = normal<Tensor>({ shape: many, ...named('normal') });
  const base = add<Tensor>(mul<Tensor>(x, 1 / Math.sqrt(9 * d)), 1);
  const isPositive = greater<Tensor>(base, 0);
  const logCube = mul<Tensor>(log<Tensor>(select<Tensor>(isPositive, base, 1)), 3);
  // x² / 2 + d (1 - v + log v), of which the parts nearly cancel.
  const room = add<Tensor>(
    mul<Tensor>(square<Tensor>(x), 0.5),
    mul<Tensor>(sub<Tensor>(logCube, expm1<Tensor>(logCube)), d),
  );
  const isAccepted = and<Tensor>(isPositive, less<Tensor>(logUniform('uniform', many), room));
  // The first that is accepted has the highest rank; no two have the same.
  const order: Tensor = sub<Tensor>(candidates, toFloat(range({ count: candidates })));
  const rank = add<Tensor>(mul<Tensor>(toFloat(isAccepted), candidates), order);
  const highest = expandDims<Tensor>(maxOf<Tensor>(rank, { axis: -1 }), { axis: -1 });
  const taken = sum<Tensor>(mul<Tensor>(logCube, toFloat(equal<Tensor>(rank, highest))), { axis: -1 });
  const logGamma = add<Tensor>(taken, Math.log(d));
  return k < 1 ? add<Tensor>(logGamma, mul<Tensor>(logUniform('boost', shape), 1 / k)) : logGamma;
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
