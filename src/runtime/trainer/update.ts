/**
 * One `update` of a step: the forward pass, its gradients, and what becomes of them. Gradients of numerators add up over
 * a window and are divided at its end by the sum of denominators, so that a window of small batches, the last one short,
 * gives the gradient of the one big batch.
 */
import type { Engine, StateVariable } from '../engine/engine.js';
import * as ops from '../ops/index.js';
import type { BoundOptimizer } from '../optim/bound.js';
import { plus, type Denominator, type Reduction, type Term, type Total } from '../rows/reduction.js';
import type { Scalar, Tensor } from '../tensor.js';
import type { Inspection } from './anomaly.js';
import type { LossScaling } from './loss-scaling.js';
import { enterRegion } from './step-context.js';
import type { StepTrace } from './stage.js';

/** What an update minimizes: a mean or sum over rows, or the sum of several. */
export interface Objective {
  readonly minimize: Reduction | readonly Reduction[];
}

/** What a trainer's updates share. */
export interface UpdateHost {
  readonly engine: Engine;
  readonly accumulate: number;
  readonly onNan: 'stop' | 'skip' | 'ignore';
  /** -1, or the last step (from 1) that was not finite. */
  readonly badStep: StateVariable;
  /** Where gradients are computed in few bits, else null. */
  readonly scaling: LossScaling | null;
  /** How many updates were skipped. */
  readonly skipped: StateVariable;
  /** Of each optimizer the last step (from 1) that had an update of it, by name: filled where somebody asks, else null. */
  readonly updatedAt: Map<string, StateVariable> | null;
  /** Looks at values while a step that failed is run once more, else null. */
  readonly inspection: Inspection | null;
  /** Gradient sums of a window, by path. */
  readonly accumulators: Map<string, StateVariable>;
  /** Keys of a region's terms, fixed by its first trace. */
  readonly keys: Map<string, string>;
  /** Called when an update has changed weights, unless it was not `fine`. */
  updated(trace: StepTrace, changed: ReadonlySet<StateVariable>, fine: Tensor | null): void;
  /** `loss` and `grad_norm`, or with the optimizers' names before them where the trainer has several. */
  metricName(optimizers: readonly BoundOptimizer[], name: 'loss' | 'grad_norm'): string;
}

type Gradients = ReadonlyMap<StateVariable, Tensor>;

/** Gradients of the numerators that share a denominator. */
interface Group {
  readonly key: string;
  readonly denominator: Scalar | null;
  readonly gradients: Gradients;
}

export function runUpdate(
  host: UpdateHost,
  trace: StepTrace,
  optimizers: readonly BoundOptimizer[],
  body: () => Objective,
): void {
  const name = optimizers.map((optimizer) => optimizer.name).join('+');
  const turn = (trace.updates.get(name) ?? 0) + 1;
  trace.updates.set(name, turn);
  const region = turn === 1 ? name : `${name}#${turn}`;
  enterRegion(region, () => {
    const start = trace.logged.length;
    const owned = new Set(optimizers.flatMap((optimizer) => optimizer.weights));
    const weights = [...owned].filter((weight) => !trace.frozen.has(weight));
    let terms: readonly Term[] = [];
    let keys: readonly string[] = [];
    const { gradients, result: objectives } = host.engine.differentiate(() => {
      terms = termsOf(body());
      keys = host.accumulate === 1 ? terms.map(() => 'all') : windowKeys(host, trace, region, terms);
      const losses = host.accumulate === 1 ? [wholeLoss(terms)] : numerators(terms, keys);
      const { scaling } = host;
      return {
        objectives: scaling === null ? losses : losses.map((loss) => scaling.up(loss)),
        result: losses,
      };
    }, weights);
    const groups = [...new Set(keys)].map((key, index): Group => {
      const found = (gradients[index] ?? []).flatMap((gradient, weight): [StateVariable, Tensor][] => {
        const variable = weights[weight];
        return gradient === null || variable === undefined
          ? []
          : [[variable, host.scaling?.down(gradient) ?? gradient]];
      });
      const term = terms[keys.indexOf(key)];
      const denominator = host.accumulate === 1 ? null : denominatorOf(term?.denominator ?? null);
      return { key, denominator, gradients: new Map(found) };
    });
    const total =
      host.accumulate === 1 ? (groups[0]?.gradients ?? new Map()) : addToWindow(host, trace, region, groups);
    const overflow = host.scaling === null || total === null ? null : finiteGradients(total);
    const exhausted = overflow === null ? null : (host.scaling?.exhausted(overflow) ?? null);
    // Gradients that overflow are what scaling is for: they are no fault, and the update is left out.
    const own = host.scaling === null && host.accumulate > 1 ? groups.map(({ gradients: of }) => of) : [];
    host.inspection?.judgeBatch(judged(trace, objectives, own));
    const fine = checkFinite(
      host,
      trace,
      objectives,
      overflow === null ? total : null,
      heldBy(optimizers),
      exhausted,
    );
    const kept = host.onNan === 'skip' ? fine : null;
    settlePending(trace, kept);
    const skip = ofWindow(host, trace, region, kept);
    if (total !== null) noteSkipped(host, skip);
    if (overflow !== null) host.scaling?.settle(overflow, skip ?? fine);
    const norms = total === null ? [] : applyAll(host, trace, optimizers, total, bothOf(skip, overflow));
    if (total !== null) host.updated(trace, new Set(total.keys()), bothOf(skip, overflow));
    logUpdate(host, trace, optimizers, start, terms, kept);
    logNorms(host, trace, norms, bothOf(skip, overflow));
  });
}

function termsOf({ minimize }: Objective): readonly Term[] {
  const { terms } = 'finish' in minimize ? minimize : plus(...minimize);
  if (terms === null || terms.length === 0) {
    throw new Error(
      'minimize takes a mean or sum over rows, or a list of them; a derived metric cannot be minimized',
    );
  }
  return terms;
}

// Weights that are all 0 leave numerators of 0: any denominator above 0 gives the gradient 0 instead of 0 / 0.
const least = 1e-30;

function wholeLoss(terms: readonly Term[]): Scalar {
  return sumOf(
    terms.map(({ numerator, denominator }) => {
      if (denominator === null) return numerator;
      const { value } = denominator;
      return typeof value === 'number'
        ? ops.mul<Scalar>(numerator, 1 / value)
        : ops.div<Scalar>(numerator, ops.max<Scalar>(value, least));
    }),
  );
}

function sumOf(values: readonly Scalar[]): Scalar {
  const [first, ...others] = values;
  if (first === undefined) throw new Error('there is nothing to add; this is a fault of the runtime');
  return others.reduce((total, value) => ops.add<Scalar>(total, value), first);
}

/**
 * Which terms share a sum of gradients: those whose denominators are equal in every batch. That is known of counts that
 * are a multiple of the batch's rows; other terms have a sum of their own.
 */
function windowKeys(
  host: UpdateHost,
  trace: StepTrace,
  region: string,
  terms: readonly Term[],
): readonly string[] {
  const { rows } = trace.context;
  const keys = terms.map(({ denominator }, index) => {
    if (denominator === null) return 'sum';
    if (denominator.of === 'batches') return 'batches';
    const multiple =
      typeof denominator.value === 'number' && rows !== null ? denominator.value / rows : Number.NaN;
    return Number.isInteger(multiple) ? `rows*${multiple}` : `term${index}`;
  });
  const text = keys.join(' ');
  const known = host.keys.get(`${trace.stage.plan.name}/${region}`) ?? text;
  host.keys.set(`${trace.stage.plan.name}/${region}`, known);
  if (known !== text) {
    throw new Error(
      `update ${region}: the number of values in a mean does not follow the rows of the batch, so a shorter batch cannot join the window; set drop_last = true on its data`,
    );
  }
  return keys;
}

function numerators(terms: readonly Term[], keys: readonly string[]): readonly Scalar[] {
  return [...new Set(keys)].map((key) =>
    sumOf(terms.filter((_, index) => keys[index] === key).map(({ numerator }) => numerator)),
  );
}

function denominatorOf(denominator: Denominator | null): Scalar | null {
  if (denominator === null) return null;
  const { value } = denominator;
  return typeof value === 'number' ? ops.mul<Scalar>(ops.ones<Scalar>({ shape: [] }), value) : value;
}

/** Adds a batch to its window. At the window's end returns its gradients and empties it; before that, null. */
function addToWindow(
  host: UpdateHost,
  trace: StepTrace,
  region: string,
  groups: readonly Group[],
): Gradients | null {
  const total = new Map<StateVariable, Tensor>();
  for (const { key, denominator, gradients } of groups) {
    const path = `window/${trace.stage.plan.name}/${region}/${key}`;
    const count = denominator === null ? null : accumulate(host, trace, `${path}/count`, denominator);
    for (const [variable, gradient] of gradients) {
      const sum = accumulate(host, trace, `${path}/${variable.path}`, gradient);
      if (!trace.last) continue;
      const share = count === null ? sum : ops.div<Tensor>(sum, ops.max<Tensor>(count, least));
      const before = total.get(variable);
      total.set(variable, before === undefined ? share : ops.add<Tensor>(before, share));
    }
  }
  return trace.last ? total : null;
}

/** The sum of the window so far, kept for the next batch or set to 0 after the last. */
function accumulate(host: UpdateHost, trace: StepTrace, path: string, value: Tensor): Tensor {
  let variable = host.accumulators.get(path);
  if (variable === undefined) {
    variable = host.engine.variable(path, {
      dtype: 'f32',
      shape: value.shape,
      values: new Float32Array(value.size),
    });
    host.accumulators.set(path, variable);
  }
  const sum = ops.add<Tensor>(variable.read(), value);
  variable.assign(trace.last ? ops.zerosLike(sum) : sum);
  return sum;
}

/** Whether losses, gradients and the running statistics to be kept are finite, as a bool tensor; remembers on the device where they are not. */
function checkFinite(
  host: UpdateHost,
  trace: StepTrace,
  objectives: readonly Scalar[],
  gradients: Gradients | null,
  held: ReadonlySet<StateVariable>,
  exhausted: Tensor | null,
): Tensor | null {
  if (host.onNan === 'ignore') return null;
  // A run that is to go on whatever comes keeps no square in its slots that is not finite: no update would mend that.
  const squared = (variable: StateVariable): boolean => host.onNan === 'skip' && !held.has(variable);
  host.inspection?.judgeWindow(judgedGradients(gradients, squared));
  // x · 0 is 0 for every finite number and NaN for the others, so one sum tells of all.
  // Statistics are never scaled: a product in 16 bits could leave the range where they do not.
  const kept = [...trace.context.pending.values()].map((value) => ops.sum<Scalar>(value));
  const sums = [
    ...objectives,
    ...[...(gradients ?? [])].map(([variable, gradient]) =>
      sumOfAll(squared(variable) ? ops.square(gradient) : gradient),
    ),
    ...kept,
  ];
  const zero = sumOf(sums.map((value) => ops.mul<Scalar>(value, 0)));
  const finite: Tensor = ops.equal(zero, 0);
  const fine = exhausted === null ? finite : ops.and<Tensor>(finite, ops.not(exhausted));
  const step = trace.scalars.get('step');
  if (step === undefined) throw new Error('a step got no clock; this is a fault of the runtime');
  const known = host.badStep.read();
  const now = ops.add<Tensor>(step, 1);
  // When stopping, the first bad step is the one to name: all after it are bad too.
  const bad = host.onNan === 'stop' ? ops.select<Tensor>(ops.less<Tensor>(known, 0), now, known) : now;
  host.badStep.assign(ops.select<Tensor>(fine, known, bad));
  return fine;
}

const isFalse = (value: Tensor): Tensor => ops.sub<Tensor>(1, ops.cast<Tensor>(value, { to: 'f32' }));

/** Whether all batches of the window up to this one were fine: one that was not takes the update of all with it. */
function ofWindow(host: UpdateHost, trace: StepTrace, region: string, fine: Tensor | null): Tensor | null {
  if (fine === null || host.accumulate === 1) return fine;
  const path = `window/${trace.stage.plan.name}/${region}/wrong`;
  return ops.equal<Tensor>(accumulate(host, trace, path, isFalse(fine)), 0);
}

/** Counts an update that was left out. */
function noteSkipped({ skipped }: UpdateHost, fine: Tensor | null): void {
  if (fine !== null) skipped.assign(ops.add<Tensor>(skipped.read(), isFalse(fine)));
}

/** Weights whose gradients are held in a range, element by element, before anything is made of them. */
function heldBy(optimizers: readonly BoundOptimizer[]): ReadonlySet<StateVariable> {
  return new Set(optimizers.flatMap(({ clip, weights }) => (clip?.kind === 'value' ? weights : [])));
}

type Judged = readonly (readonly [name: string, value: Tensor])[];

/** What of one batch is to be finite, in the order in which it came to be, with names for messages. */
const judged = (trace: StepTrace, objectives: readonly Scalar[], gradients: readonly Gradients[]): Judged => [
  ...objectives.map((value) => ['the loss', value] as const),
  ...[...trace.context.pending].map(([{ path }, value]) => [`the running statistic ${path}`, value] as const),
  ...gradients.flatMap((of) => [...of].map(nameGradient)),
];

const nameGradient = ([{ path }, value]: readonly [StateVariable, Tensor]) =>
  [`the gradient of ${path}`, value] as const;

/** What of the gradients that an update takes is to be finite. */
function judgedGradients(gradients: Gradients | null, squared: (variable: StateVariable) => boolean): Judged {
  const given = [...(gradients ?? [])];
  return [
    ...given.map(nameGradient),
    ...given
      .filter(([variable]) => squared(variable))
      .map(
        ([{ path }, value]) => [`the square of the gradient of ${path}`, ops.square<Tensor>(value)] as const,
      ),
  ];
}

/**
 * The sum of all values, only to tell whether they are finite. Of a matrix by a product with ones first: XLA adds up one value
 * after the other, which took a tenth of a small model's step.
 */
function sumOfAll(value: Tensor): Scalar {
  const [rows, columns] = value.shape;
  if (value.shape.length !== 2 || rows === undefined || columns === undefined) return ops.sum<Scalar>(value);
  return ops.sum<Scalar>(ops.matmul<Tensor>(ops.ones<Tensor>({ shape: [1, rows] }), value));
}

/** Whether all gradients are finite: x · 0 is 0 for every finite number and NaN for the others. */
function finiteGradients(gradients: Gradients): Tensor | null {
  if (gradients.size === 0) return null;
  const sums = [...gradients.values()].map((gradient) => ops.mul<Scalar>(ops.sum<Scalar>(gradient), 0));
  return ops.equal(sumOf(sums), 0);
}

function bothOf(a: Tensor | null, b: Tensor | null): Tensor | null {
  return a === null ? b : b === null ? a : ops.and(a, b);
}

/** Replaces running statistics by what the region has left of them. */
export function settlePending(trace: StepTrace, fine: Tensor | null): void {
  for (const [variable, value] of trace.context.pending) {
    variable.assign(fine === null ? value : ops.select<Tensor>(fine, value, variable.read()));
  }
  trace.context.pending.clear();
}

function applyAll(
  host: UpdateHost,
  trace: StepTrace,
  optimizers: readonly BoundOptimizer[],
  gradients: Gradients,
  fine: Tensor | null,
): readonly (readonly [BoundOptimizer, Scalar])[] {
  return optimizers.flatMap((optimizer): (readonly [BoundOptimizer, Scalar])[] => {
    const owned = new Set(optimizer.weights);
    const own = new Map([...gradients].filter(([variable]) => owned.has(variable)));
    const rates = optimizer.rateNames.map((name) => {
      const rate = trace.scalars.get(`rate:${name}`);
      if (rate === undefined)
        throw new Error(`the rate of ${name} did not reach the step; this is a fault of the runtime`);
      return rate;
    });
    const norm = optimizer.apply(own, rates, fine, trace.frozen);
    // Where all of its weights are frozen there is nothing to update.
    if (own.size > 0) noteUpdate(host, trace, optimizer.name, fine);
    return norm === null ? [] : [[optimizer, norm]];
  });
}

/** Remembers that a step updates an optimizer; on the device where it depends on values there whether it does. */
function noteUpdate(
  { engine, updatedAt }: UpdateHost,
  trace: StepTrace,
  name: string,
  fine: Tensor | null,
): void {
  trace.updated.add(name);
  if (updatedAt === null || fine === null) return;
  const step = trace.scalars.get('step');
  if (step === undefined) throw new Error('a step got no clock; this is a fault of the runtime');
  const at =
    updatedAt.get(name) ??
    engine.variable(`updated/${name}`, { dtype: 'f32', shape: [], values: new Float32Array(1) });
  updatedAt.set(name, at);
  at.assign(ops.select<Tensor>(fine, ops.add<Tensor>(step, 1), at.read()));
}

/** Those of the optimizers that were updated in step `step` (from 1): not those whose values there were not finite. */
export async function updatedIn(
  { updatedAt }: UpdateHost,
  names: readonly string[],
  step: number,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of names) {
    const last = await updatedAt?.get(name)?.download();
    if (last === undefined || last.values[0] === step) found.push(name);
  }
  return found;
}

function logUpdate(
  host: UpdateHost,
  trace: StepTrace,
  optimizers: readonly BoundOptimizer[],
  start: number,
  terms: readonly Term[],
  fine: Tensor | null,
): void {
  const logged = trace.logged.splice(start);
  const loss = host.metricName(optimizers, 'loss');
  const all = logged.some(({ name }) => name === loss)
    ? logged
    : [{ name: loss, reduction: plus({ totals: new Map(), finish: () => Number.NaN, terms }) }, ...logged];
  for (const { name, reduction } of all) trace.stage.totals.record(name, reduction, trace.constants, fine);
}

/** Norms of gradients, of the updates that were made. */
function logNorms(
  host: UpdateHost,
  trace: StepTrace,
  norms: readonly (readonly [BoundOptimizer, Scalar])[],
  fine: Tensor | null,
): void {
  for (const [optimizer, norm] of norms) {
    const totals = new Map<string, Total>([
      ['sum', { kind: 'sum', value: norm }],
      ['count', { kind: 'constant', value: 1 }],
    ]);
    const mean: Reduction = {
      totals,
      finish: (sums) => (sums.get('sum')?.[0] ?? Number.NaN) / (sums.get('count')?.[0] ?? Number.NaN),
      terms: null,
    };
    trace.stage.totals.record(host.metricName([optimizer], 'grad_norm'), mean, trace.constants, fine);
  }
}
