/**
 * Optimizers as a spec describes them: rules with their numbers, models, groups. Plain data, bound to weights and slots
 * when the trainer starts.
 */
import type { Part } from '../nn/module.js';

/** The numbers of a run that a learning rate may follow: each schedule by its name, and the clock. */
export type Clock<S extends object = object> = { readonly [K in keyof S]: number } & {
  /** Windows of the train step done. */
  readonly step: number;
  /** Epochs done. */
  readonly epoch: number;
};

/** A number, or a function of the clock that is evaluated on the host for each step. */
export type Rate<S extends object> = number | ((clock: Clock<S>) => number);

export interface Clip {
  readonly kind: 'norm' | 'value';
  readonly most: number;
}

/** Clips the gradient so that its norm over all of an optimizer's weights is at most `most` (Pascanu et al., 2013). */
export const clipNorm = ({ most }: { readonly most: number }): Clip => ({
  kind: 'norm',
  most: positive('norm', most),
});
/** Clips each element of the gradient to [-most, most]. */
export const clipValue = ({ most }: { readonly most: number }): Clip => ({
  kind: 'value',
  most: positive('value', most),
});

function positive(name: string, most: number): number {
  if (!(most > 0)) throw new Error(`clip = ${name}(…) takes a number above 0, got ${most}`);
  return most;
}

/** Weights that differ in some option. Every matching group applies, later ones win key by key. */
export interface WeightGroup<S extends object> {
  readonly name: string;
  /** Patterns over paths below the model: `*` stands for a part of one name, `**` for any number of names. */
  readonly match: readonly string[];
  readonly lr?: Rate<S>;
  readonly weightDecay?: number;
}

interface Common<S extends object> {
  /** Models whose weights this optimizer owns. */
  readonly of: readonly Part[];
  readonly lr?: Rate<S>;
  readonly weightDecay?: number;
  /** Instead of the trainer's. */
  readonly clip?: Clip | null;
  readonly groups?: readonly WeightGroup<S>[];
}

export interface SgdOptions<S extends object> extends Common<S> {
  readonly lr: Rate<S>;
  readonly momentum?: number;
  readonly nesterov?: boolean;
}

export interface AdamOptions<S extends object> extends Common<S> {
  readonly betas?: readonly [number, number] | readonly number[];
  readonly epsilon?: number;
}

export interface RmspropOptions<S extends object> extends Common<S> {
  readonly decay?: number;
  readonly momentum?: number;
  readonly epsilon?: number;
}

/** The update rule, with its numbers. */
export type Rule =
  | { readonly kind: 'sgd'; readonly momentum: number; readonly nesterov: boolean }
  | { readonly kind: 'adam' | 'adamw'; readonly betas: readonly [number, number]; readonly epsilon: number }
  | { readonly kind: 'rmsprop'; readonly decay: number; readonly momentum: number; readonly epsilon: number };

/** An optimizer that is not bound to weights yet. */
export interface Optimizer<S extends object = object> {
  readonly rule: Rule;
  readonly of: readonly Part[];
  readonly lr: Rate<S>;
  readonly weightDecay: number;
  /** Undefined: the trainer's. Null: none. */
  readonly clip: Clip | null | undefined;
  readonly groups: readonly WeightGroup<S>[];
}

function optimizer<S extends object>(rule: Rule, options: Common<S>, lr: Rate<S>, decay = 0): Optimizer<S> {
  return {
    rule,
    of: options.of,
    lr: options.lr ?? lr,
    weightDecay: nonNegative('weight_decay', options.weightDecay ?? decay),
    clip: options.clip,
    groups: options.groups ?? [],
  };
}

/**
 * Stochastic gradient descent. With momentum m: v = m · v + g; w -= lr · v, or with Nesterov w -= lr · (g + m · v)
 * (Sutskever et al., 2013). Weight decay is added to the gradient.
 */
export function sgd<S extends object = object>(options: SgdOptions<S>): Optimizer<S> {
  const { momentum = 0, nesterov = false } = options;
  return optimizer<S>(
    { kind: 'sgd', momentum: fraction('momentum', momentum), nesterov },
    options,
    options.lr,
  );
}

/** Adam (Kingma & Ba, 2015, algorithm 1), with bias correction. Weight decay is added to the gradient. */
export function adam<S extends object = object>(options: AdamOptions<S>): Optimizer<S> {
  return optimizer<S>(adamRule('adam', options), options, 1e-3);
}

/** Adam with decoupled weight decay: w -= lr · decay · w beside Adam's step (Loshchilov & Hutter, 2019). */
export function adamw<S extends object = object>(options: AdamOptions<S>): Optimizer<S> {
  return optimizer<S>(adamRule('adamw', options), options, 1e-3, 0.01);
}

function adamRule<S extends object>(kind: 'adam' | 'adamw', options: AdamOptions<S>): Rule {
  const [first = Number.NaN, second = Number.NaN, ...more] = options.betas ?? [0.9, 0.999];
  if (more.length > 0) throw new Error(`betas are two numbers, got ${2 + more.length}`);
  return {
    kind,
    betas: [fraction('betas[0]', first), fraction('betas[1]', second)],
    epsilon: positiveNumber('epsilon', options.epsilon ?? 1e-8),
  };
}

/**
 * RMSprop (Hinton, 2012): a = decay · a + (1 - decay) · g²; w -= lr · g / (√a + ε), with momentum through
 * b = m · b + g / (√a + ε); w -= lr · b. Weight decay is added to the gradient.
 */
export function rmsprop<S extends object = object>(options: RmspropOptions<S>): Optimizer<S> {
  const { decay = 0.99, momentum = 0, epsilon = 1e-8 } = options;
  return optimizer<S>(
    {
      kind: 'rmsprop',
      decay: fraction('decay', decay),
      momentum: fraction('momentum', momentum),
      epsilon: positiveNumber('epsilon', epsilon),
    },
    options,
    1e-2,
  );
}

function fraction(name: string, value: number): number {
  if (!(value >= 0 && value < 1)) throw new Error(`${name} is a number from 0 to below 1, got ${value}`);
  return value;
}

function positiveNumber(name: string, value: number): number {
  if (!(value > 0)) throw new Error(`${name} is a number above 0, got ${value}`);
  return value;
}

function nonNegative(name: string, value: number): number {
  if (!(value >= 0)) throw new Error(`${name} is a number of at least 0, got ${value}`);
  return value;
}
