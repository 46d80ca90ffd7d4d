/**
 * Optimizers as a spec describes them: rules with their numbers, models, groups. Plain data, bound to weights and slots
 * when the trainer starts.
 */
import type { Part } from '../nn/module.js';
import type { ExternRule } from './extern-optimizer.js';
import type { Duration } from '../../values/units.js';

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

/** Weights that are kept from a time of the run on. */
export interface FreezeAfter {
  readonly kind: 'after';
  /** When they are frozen: above 0. */
  readonly from: Duration;
  /** How long they are kept at the start as well, less than `from`. */
  readonly first: Duration | null;
}

/** How long weights are kept from the start of a run, rounded to whole steps; `rest`: for all of it. Or from when on. */
export type Freeze = Duration | FreezeAfter;

/** Weights are kept from a time of the run on, to its end; with `first`, for so long at its beginning as well. */
export const freezeAfter = ({
  from,
  first = null,
}: {
  readonly from: Duration;
  readonly first?: Duration | null;
}): FreezeAfter => ({ kind: 'after', from, first });

/** Patterns over paths below the model: `*` stands for a part of one name, `**` for any number of names. */
export interface Matching {
  readonly match: readonly string[];
  /** Of those that match, all but these. */
  readonly except?: readonly string[];
}

/** Weights that differ in some option. Every matching group applies, later ones win key by key. */
export interface WeightGroup<S extends object> extends Matching {
  readonly name: string;
  readonly lr?: Rate<S>;
  readonly weightDecay?: number;
  readonly freeze?: Freeze | null;
}

/** What every optimizer takes. */
export interface CommonOptions<S extends object> extends Partial<Matching> {
  /** Models whose weights this optimizer owns: all of them, or those that `match`. */
  readonly of: readonly Part[];
  readonly lr?: Rate<S>;
  readonly weightDecay?: number;
  /** When its weights do not change. */
  readonly freeze?: Freeze | null;
  /** Instead of the trainer's. */
  readonly clip?: Clip | null;
  readonly groups?: readonly WeightGroup<S>[];
}

export interface SgdOptions<S extends object> extends CommonOptions<S> {
  readonly lr: Rate<S>;
  readonly momentum?: number;
  readonly nesterov?: boolean;
}

export interface AdamOptions<S extends object> extends CommonOptions<S> {
  readonly betas?: readonly [number, number] | readonly number[];
  readonly epsilon?: number;
}

export interface RmspropOptions<S extends object> extends CommonOptions<S> {
  readonly decay?: number;
  readonly momentum?: number;
  readonly epsilon?: number;
  readonly centered?: boolean;
}

export interface AdagradOptions<S extends object> extends CommonOptions<S> {
  /** What the sum of squares starts at; at least 0. */
  readonly initialAccumulator?: number;
  readonly epsilon?: number;
}

export interface LionOptions<S extends object> extends CommonOptions<S> {
  readonly betas?: readonly [number, number] | readonly number[];
}

/** The update rule, with its numbers. */
export type Rule =
  | { readonly kind: 'sgd'; readonly momentum: number; readonly nesterov: boolean }
  | {
      readonly kind: 'adam' | 'adamw' | 'lamb';
      readonly betas: readonly [number, number];
      readonly epsilon: number;
    }
  | { readonly kind: 'lion'; readonly betas: readonly [number, number] }
  | ExternRule
  | { readonly kind: 'adagrad'; readonly initialAccumulator: number; readonly epsilon: number }
  | {
      readonly kind: 'rmsprop';
      readonly decay: number;
      readonly momentum: number;
      readonly epsilon: number;
      readonly centered: boolean;
    };

/** An optimizer that is not bound to weights yet. */
export interface Optimizer<S extends object = object> {
  readonly rule: Rule;
  readonly of: readonly Part[];
  /** Null: all weights of the models. */
  readonly owns: Matching | null;
  readonly lr: Rate<S>;
  readonly weightDecay: number;
  readonly freeze: Freeze | null;
  /** Undefined: the trainer's. Null: none. */
  readonly clip: Clip | null | undefined;
  readonly groups: readonly WeightGroup<S>[];
}

/** Throws where a number of the options is none that it can be. */
export function optimizer<S extends object>(
  rule: Rule,
  options: CommonOptions<S>,
  lr: Rate<S>,
  decay = 0,
): Optimizer<S> {
  return {
    rule,
    of: options.of,
    owns:
      options.match === undefined && options.except === undefined
        ? null
        : { match: options.match ?? ['**'], except: options.except ?? [] },
    lr: options.lr ?? lr,
    weightDecay: nonNegative('weight_decay', options.weightDecay ?? decay),
    freeze: options.freeze ?? null,
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

/**
 * LAMB (You et al., 2020, algorithm 2): r is Adam's step, with bias correction, plus decay · w; w -= lr · (‖w‖ / ‖r‖) · r, the norms
 * being each weight tensor's own; where one of them is 0, the ratio is 1.
 */
export function lamb<S extends object = object>(options: AdamOptions<S>): Optimizer<S> {
  return optimizer<S>(adamRule('lamb', options, 1e-6), options, 1e-3);
}

/**
 * Lion (Chen et al., 2023, algorithm 2): w -= lr · (sign(β₁ · m + (1 - β₁) · g) + decay · w); m = β₂ · m + (1 - β₂) · g. Its rate is
 * a third to a tenth of Adam's, its decay so many times larger.
 */
export function lion<S extends object = object>(options: LionOptions<S>): Optimizer<S> {
  return optimizer<S>({ kind: 'lion', betas: betasOf(options.betas ?? [0.9, 0.99]) }, options, 1e-4);
}

/** Adagrad (Duchi et al., 2011): a = a + g²; w -= lr · g / (√a + ε). Weight decay is added to the gradient. */
export function adagrad<S extends object = object>(options: AdagradOptions<S>): Optimizer<S> {
  const { initialAccumulator = 0, epsilon = 1e-10 } = options;
  return optimizer<S>(
    {
      kind: 'adagrad',
      initialAccumulator: nonNegative('initial_accumulator', initialAccumulator),
      epsilon: positiveNumber('epsilon', epsilon),
    },
    options,
    1e-2,
  );
}

function adamRule<S extends object>(
  kind: 'adam' | 'adamw' | 'lamb',
  options: AdamOptions<S>,
  epsilon = 1e-8,
): Rule {
  return {
    kind,
    betas: betasOf(options.betas ?? [0.9, 0.999]),
    epsilon: positiveNumber('epsilon', options.epsilon ?? epsilon),
  };
}

function betasOf(betas: readonly number[]): readonly [number, number] {
  const [first = Number.NaN, second = Number.NaN, ...more] = betas;
  if (more.length > 0) throw new Error(`betas are two numbers, got ${2 + more.length}`);
  return [fraction('betas[0]', first), fraction('betas[1]', second)];
}

/**
 * RMSprop (Hinton, 2012): a = decay · a + (1 - decay) · g²; w -= lr · g / (√a + ε), with momentum through
 * b = m · b + g / (√a + ε); w -= lr · b. `centered` takes a running mean c of g off: √max(a - c², 0). Weight decay is added to the
 * gradient.
 */
export function rmsprop<S extends object = object>(options: RmspropOptions<S>): Optimizer<S> {
  const { decay = 0.99, momentum = 0, epsilon = 1e-8, centered = false } = options;
  return optimizer<S>(
    {
      kind: 'rmsprop',
      decay: fraction('decay', decay),
      momentum: fraction('momentum', momentum),
      epsilon: positiveNumber('epsilon', epsilon),
      centered,
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
