/**
 * Models that have their weights from another one, the namespace `copies` of generated code: they follow it or keep what it began
 * with. No gradient reaches them and no optimizer owns them; checkpoints have them under their own names.
 */
import type { Part } from '../nn/module.js';
import type { Rate } from '../optim/optimizer.js';
import { epochs, type Duration } from '../../values/units.js';

interface Pair {
  readonly of: Part;
  /** A model like it, which gets its weights. */
  readonly into: Part;
}

/** How a model has its weights from another one. */
export type Copy<S extends object = object> =
  | (Pair & { readonly kind: 'ema'; readonly decay: Rate<S> })
  | (Pair & { readonly kind: 'average'; readonly from: Duration; readonly every: Duration })
  | {
      readonly kind: 'frozen';
      /** Where nothing else needs the model, its name alone: the copy begins as the model would, which is not made. */
      readonly of: Part | string;
      readonly into: Part;
      /** A file whose weights it has from the start of the run; null: those that the model begins with. */
      readonly from: string | null;
    };

interface PairOptions<M extends Part> {
  readonly of: M;
  readonly into: M;
}

/**
 * An exponential moving average: after each update of the model's weights, s = decay · s + (1 - decay) · w. It begins with
 * the model's first weights, so that there is no bias to correct.
 */
export function ema<M extends Part, S extends object = object>({
  of,
  into,
  decay = 0.999,
}: PairOptions<M> & { readonly decay?: Rate<S> }): Copy<S> {
  return { kind: 'ema', of, into, decay };
}

/**
 * The mean of the model's weights at `from` and at each `every` after it (stochastic weight averaging, Izmailov et al., 2018).
 * Before that, its weights are the model's. `from`, in steps, is rounded; from 0, those that the run begins with are in the mean.
 */
export function average<M extends Part>({
  of,
  into,
  from,
  every = epochs(1),
}: PairOptions<M> & { readonly from: Duration; readonly every?: Duration }): Extract<
  Copy,
  { readonly kind: 'average' }
> {
  return { kind: 'average', of, into, from, every };
}

/**
 * The weights that the model began with, or those that `from` has for the model: a safetensors file, a checkpoint of a run, or a run's
 * folder, of which the best checkpoint is taken, else the last. In evaluation mode also where a step trains. `of` is the model, or its
 * name where the trainer does not have it.
 */
export function frozen<M extends Part>({
  of,
  into,
  from = null,
}: {
  readonly of: M | string;
  readonly into: M;
  readonly from?: string | null;
}): Extract<Copy, { readonly kind: 'frozen' }> {
  return { kind: 'frozen', of, into, from };
}
