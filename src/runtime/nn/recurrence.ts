/**
 * Recurrences over the steps of a sequence, each as one op: the states of all steps, and back through time. All rows of a step lie
 * together, step after step: [steps · rows, values]. Gradients by weights are one product for all steps. Where an op is a call of its own,
 * what of the gradient is the same arithmetic in every step is done for all steps at once as well, so that the way back has few ops a step.
 */
import { ranked, type Tensor, type Tensor1D, type Tensor2D } from '../tensor.js';
import { add, mul, select, square, sub } from '../ops/arithmetic.js';
import { sigmoid, tanh } from '../ops/activations.js';
import { broadcastTo, hasKernel, run, sizeAt, toFloat } from '../ops/kernel.js';
import { matmul } from '../ops/matmul.js';
import { ownGradient, savedAt } from '../ops/own-gradient.js';
import { concat, stopGradient, zeros } from '../ops/shapes.js';

/** How a sequence is gone through. */
export interface Passage {
  readonly steps: number;
  /** Rows of the batch. */
  readonly rows: number;
  /** From the last step to the first. */
  readonly backward: boolean;
  /** bool [steps · rows, units]: where false, the step leaves the row's state as it was. Null: every step counts. */
  readonly kept: Tensor | null;
}

/** The states of a sequence. */
export interface States {
  /** After each step, [steps · rows, units]. */
  readonly all: Tensor2D;
  /** After the last step that was gone through, [rows, units]. */
  readonly last: () => Tensor2D;
}

/** States that each step hands on, also one that does not count. */
export function handedOn(all: Tensor2D, passage: Passage): States {
  const { steps, backward } = passage;
  return { all, last: () => stepOf(all, backward ? 0 : steps - 1, passage) };
}

/** Places of steps in the order in which they are gone through. */
function orderOf({ steps, backward }: Passage): readonly number[] {
  return Array.from({ length: steps }, (_, index) => (backward ? steps - 1 - index : index));
}

/** The rows of one step. */
function stepOf(x: Tensor, at: number, { rows }: Passage): Tensor2D {
  return run('Slice', { x }, { begin: [at * rows, 0], size: [rows, sizeAt(x.shape, 1)] });
}

/** Part `index` of columns that are parts of `units` each, or `count` parts from there on. */
function partOf(x: Tensor, index: number, units: number, count = 1): Tensor2D {
  return run('Slice', { x }, { begin: [0, index * units], size: [sizeAt(x.shape, 0), count * units] });
}

const stacked = (parts: readonly Tensor[]): Tensor2D => concat<Tensor2D>(parts, { axis: 0 });
const besides = (parts: readonly Tensor[]): Tensor2D => concat<Tensor2D>(parts, { axis: 1 });
/** 1 - x. */
const rest = (x: Tensor): Tensor2D => sub<Tensor2D>(1, x);
const where = (test: Tensor | null, x: Tensor, otherwise: Tensor | number): Tensor2D =>
  test === null ? ranked<Tensor2D>(x) : select<Tensor2D>(test, x, otherwise);

/** For each step the values of the one that was gone through before it: 0 for the first. */
function before(x: Tensor, { steps, rows, backward }: Passage): Tensor2D {
  const width = sizeAt(x.shape, 1);
  const none = zeros<Tensor2D>({ shape: [rows, width] });
  if (steps === 1) return none;
  const from = backward ? rows : 0;
  const others: Tensor2D = run('Slice', { x }, { begin: [from, 0], size: [(steps - 1) * rows, width] });
  return stacked(backward ? [others, none] : [none, others]);
}

/** aᵀ · b. */
function across(a: Tensor, b: Tensor): Tensor2D {
  return run('BatchMatMul', { a, b }, { transposeA: true, transposeB: false });
}

/** What steps gave, put together in the order of the sequence. */
class Kept {
  readonly #lists: Tensor[][];

  constructor(count: number) {
    this.#lists = Array.from({ length: count }, () => []);
  }

  put(at: number, ...values: readonly Tensor[]): void {
    values.forEach((value, index) => {
      const list = this.#lists[index];
      if (list !== undefined) list[at] = value;
    });
  }

  all(index: number): Tensor2D {
    return stacked(this.#lists[index] ?? []);
  }
}

/**
 * The states of an LSTM (Hochreiter & Schmidhuber, 1997, with the forget gate of Gers et al., 2000), [steps · rows, units]. `given`,
 * [steps · rows, 4 · units], is what inputs and bias come to in the gates input, forget, cell, output; `recurrent` is
 * [units, 4 · units]. States begin at 0.
 */
export function lstmStates(given: Tensor, recurrent: Tensor2D, passage: Passage): Tensor2D {
  const { pass, back } = lstmOf(given, recurrent, passage);
  return ownGradient<Tensor2D>([given, recurrent], pass, back, (dy) => back(dy, pass().saved));
}

/** The gradients by `given` and `recurrent` of an objective whose gradient by the states is `dy`, of ops that have gradients themselves. */
export function lstmGradient(
  given: Tensor,
  recurrent: Tensor2D,
  passage: Passage,
  dy: Tensor,
): readonly [Tensor2D, Tensor2D] {
  const { pass, back } = lstmOf(given, recurrent, passage);
  return back(dy, pass().saved);
}

function lstmOf(given: Tensor, recurrent: Tensor2D, passage: Passage) {
  const { rows, kept } = passage;
  const units = sizeAt(recurrent.shape, 0);
  const part = (x: Tensor, index: number): Tensor2D => partOf(x, index, units);
  const order = orderOf(passage);
  const none = (): Tensor2D => zeros<Tensor2D>({ shape: [rows, units] });
  // Where slopes are kernels, steps are done one by one: what is small stays in the processor's caches.
  const isStepwise = hasKernel('NativeSigmoidGrad');

  const pass = () => {
    const made = new Kept(5);
    const single: Tensor[][] = [];
    let state: Tensor2D | null = null;
    let cell: Tensor2D | null = null;
    for (const at of order) {
      const inputs = stepOf(given, at, passage);
      const gates: Tensor =
        state === null ? inputs : add<Tensor2D>(inputs, matmul<Tensor2D>(state, recurrent));
      const open = sigmoid(gates);
      const candidate = tanh(part(gates, 2));
      const [input, forget, output] = [part(open, 0), part(open, 1), part(open, 3)];
      const fresh = mul<Tensor2D>(input, candidate);
      const next: Tensor2D = cell === null ? fresh : add<Tensor2D>(mul<Tensor2D>(forget, cell), fresh);
      const curve = tanh(next);
      const shown = mul<Tensor2D>(output, curve);
      const test: Tensor | null = kept === null ? null : stepOf(kept, at, passage);
      cell = where(test, next, cell ?? none());
      state = where(test, shown, state ?? none());
      made.put(at, open, candidate, cell, curve, state);
      single[at] = [input, forget, output, candidate, cell, curve];
    }
    const value = made.all(4);
    if (isStepwise) return { value, saved: [...single.flat(), value] };
    return { value, saved: [made.all(0), made.all(1), made.all(2), made.all(3), value] };
  };

  const stepwise = (dy: Tensor, saved: readonly Tensor[]): readonly [Tensor2D, Tensor2D] => {
    const slopeOf = (kernel: 'Sigmoid' | 'Tanh', y: Tensor, of: Tensor): Tensor2D =>
      run(`Native${kernel}Grad`, { y, dy: of });
    const wide = kept === null ? null : besides([kept, kept, kept, kept]);
    const made = new Kept(1);
    let ofState: Tensor2D | null = null;
    let ofCell: Tensor2D | null = null;
    [...order].reverse().forEach((at, turn) => {
      const place = order[order.length - 2 - turn];
      const kind = (index: number, of = at): Tensor => savedAt(saved, 6 * of + index);
      const [input, forget, output, candidate, curve] = [kind(0), kind(1), kind(2), kind(3), kind(5)];
      const test: Tensor | null = kept === null ? null : stepOf(kept, at, passage);
      const own = stepOf(dy, at, passage);
      const dState = ofState === null ? own : add<Tensor2D>(own, ofState);
      const through = where(test, slopeOf('Tanh', curve, mul<Tensor2D>(dState, output)), 0);
      const dCell = ofCell === null ? through : add<Tensor2D>(ofCell, through);
      const dGates = besides([
        slopeOf('Sigmoid', input, mul<Tensor2D>(dCell, candidate)),
        place === undefined ? none() : slopeOf('Sigmoid', forget, mul<Tensor2D>(dCell, kind(4, place))),
        slopeOf('Tanh', candidate, mul<Tensor2D>(dCell, input)),
        slopeOf('Sigmoid', output, mul<Tensor2D>(dState, curve)),
      ]);
      const counted = where(wide === null ? null : stepOf(wide, at, passage), dGates, 0);
      made.put(at, counted);
      if (place === undefined) return;
      const product = matmul<Tensor2D>(counted, recurrent, { transposeB: true });
      ofState = test === null ? product : add<Tensor2D>(product, select<Tensor2D>(test, 0, dState));
      ofCell = where(test, mul<Tensor2D>(dCell, forget), dCell);
    });
    const dGiven = made.all(0);
    return [dGiven, across(before(savedAt(saved, 6 * order.length), passage), dGiven)];
  };

  const together = (dy: Tensor, saved: readonly Tensor[]): readonly [Tensor2D, Tensor2D] => {
    const [open, candidate, cell, curve, states] = [0, 1, 2, 3, 4].map((index) => savedAt(saved, index));
    if (!open || !candidate || !cell || !curve || !states) throw new Error('a recurrence kept no steps');
    const gate = (index: number): Tensor2D => part(open, index);
    const slope = (of: Tensor): Tensor2D => mul<Tensor2D>(of, rest(of));
    const [input, forget, output] = [gate(0), gate(1), gate(3)];
    // What a gate's sum gets of the gradient by the cell (of the output gate: by the state), for all steps.
    const factors = besides([
      where(kept, mul<Tensor2D>(candidate, slope(input)), 0),
      where(kept, mul<Tensor2D>(before(cell, passage), slope(forget)), 0),
      where(kept, mul<Tensor2D>(input, rest(square(candidate))), 0),
      where(kept, mul<Tensor2D>(curve, slope(output)), 0),
    ]);
    const shown = where(kept, mul<Tensor2D>(output, rest(square(curve))), 0);
    const carried = where(kept, forget, 1);
    const passed: Tensor | null = kept === null ? null : rest(toFloat(kept));
    const made = new Kept(1);
    let ofState: Tensor2D | null = null;
    let ofCell: Tensor2D | null = null;
    [...order].reverse().forEach((at, turn) => {
      const own = stepOf(dy, at, passage);
      const dState = ofState === null ? own : add<Tensor2D>(own, ofState);
      const through = mul<Tensor2D>(dState, stepOf(shown, at, passage));
      const dCell = ofCell === null ? through : add<Tensor2D>(ofCell, through);
      const dGates = mul<Tensor2D>(besides([dCell, dCell, dCell, dState]), stepOf(factors, at, passage));
      made.put(at, dGates);
      if (turn === order.length - 1) return;
      const product = matmul<Tensor2D>(dGates, recurrent, { transposeB: true });
      ofState =
        passed === null
          ? product
          : add<Tensor2D>(product, mul<Tensor2D>(dState, stepOf(passed, at, passage)));
      ofCell = mul<Tensor2D>(dCell, stepOf(carried, at, passage));
    });
    const dGiven = made.all(0);
    return [dGiven, across(before(states, passage), dGiven)];
  };

  return { pass, back: isStepwise ? stepwise : together };
}

/**
 * The states of a GRU (Cho et al., 2014) whose reset gate stands behind the product, as in cuDNN, [steps · rows, units]. `given`,
 * [steps · rows, 3 · units], is what inputs and their bias come to in the gates update, reset, candidate; `recurrent` is
 * [units, 3 · units], `bias` what is added to the state's product. States begin at 0.
 */
export function gruStates(
  given: Tensor,
  recurrent: Tensor2D,
  bias: Tensor1D | null,
  passage: Passage,
): Tensor2D {
  const { rows, kept } = passage;
  const units = sizeAt(recurrent.shape, 0);
  const order = orderOf(passage);
  const first = zeros<Tensor2D>({ shape: [rows, units] });

  const pass = () => {
    const made = new Kept(4);
    let state = first;
    for (const at of order) {
      const inputs = stepOf(given, at, passage);
      const product = matmul<Tensor2D>(state, recurrent);
      const own: Tensor2D = bias === null ? product : add<Tensor2D>(product, bias);
      const open = sigmoid(add<Tensor2D>(partOf(inputs, 0, units, 2), partOf(own, 0, units, 2)));
      const inner = partOf(own, 2, units);
      const seen = mul<Tensor2D>(partOf(open, 1, units), inner);
      const candidate = tanh(add<Tensor2D>(partOf(inputs, 2, units), seen));
      const shift = mul<Tensor2D>(partOf(open, 0, units), sub<Tensor2D>(state, candidate));
      const next = add<Tensor2D>(candidate, shift);
      state = where(kept === null ? null : stepOf(kept, at, passage), next, state);
      made.put(at, open, candidate, inner, state);
    }
    const value = made.all(3);
    return { value, saved: [made.all(0), made.all(1), made.all(2), value] };
  };

  const back = (dy: Tensor, saved: readonly Tensor[]): readonly Tensor[] => {
    const [open, candidate, inner, states] = [0, 1, 2, 3].map((index) => savedAt(saved, index));
    if (!open || !candidate || !inner || !states) throw new Error('a recurrence kept no steps');
    const [update, reset] = [partOf(open, 0, units), partOf(open, 1, units)];
    const earlier = before(states, passage);
    // What each sum gets of the gradient by the state, for all steps.
    const toUpdate = mul<Tensor2D>(sub<Tensor2D>(earlier, candidate), mul<Tensor2D>(update, rest(update)));
    const toCandidate = mul<Tensor2D>(rest(update), rest(square(candidate)));
    const toReset = mul<Tensor2D>(mul<Tensor2D>(toCandidate, inner), mul<Tensor2D>(reset, rest(reset)));
    const ofSums = (last: Tensor): Tensor2D =>
      besides([toUpdate, toReset, last].map((each) => where(kept, each, 0)));
    const factors = ofSums(mul<Tensor2D>(toCandidate, reset));
    const carried = where(kept, update, 1);
    const made = new Kept(2);
    let ofState: Tensor2D | null = null;
    [...order].reverse().forEach((at, turn) => {
      const own = stepOf(dy, at, passage);
      const dState = ofState === null ? own : add<Tensor2D>(own, ofState);
      const dOwn = mul<Tensor2D>(besides([dState, dState, dState]), stepOf(factors, at, passage));
      made.put(at, dOwn, dState);
      if (turn === order.length - 1) return;
      const product = matmul<Tensor2D>(dOwn, recurrent, { transposeB: true });
      ofState = add<Tensor2D>(product, mul<Tensor2D>(dState, stepOf(carried, at, passage)));
    });
    const [dOwn, dStates] = [made.all(0), made.all(1)];
    const dGiven = mul<Tensor2D>(besides([dStates, dStates, dStates]), ofSums(toCandidate));
    const dBias: readonly Tensor[] =
      bias === null ? [] : [run('Sum', { x: dOwn }, { axis: [0], keepDims: false })];
    return [dGiven, across(earlier, dOwn), ...dBias];
  };

  const inputs = [given, recurrent, ...(bias === null ? [] : [bias])];
  return ownGradient<Tensor2D>(inputs, pass, back, (dy) => back(dy, pass().saved));
}

/** A mask over steps and rows, bool [steps · rows, 1], for each unit. */
export function forUnits(kept: Tensor, units: number): Tensor {
  return stopGradient(broadcastTo<Tensor>(kept, [sizeAt(kept.shape, 0), units]));
}
