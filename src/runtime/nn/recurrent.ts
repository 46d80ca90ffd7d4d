/** Recurrent layers: over the steps of sequences, [batch, steps, values]. */
import * as ops from '../ops/index.js';
import { ranked, type Tensor, type Tensor1D, type Tensor2D, type Tensor3D } from '../tensor.js';
import { constantInitializer, initializer } from './initializers.js';
import { checkCount, checkLast } from './layers.js';
import { Module } from './module.js';
import { fusedLstm } from './fused-lstm.js';
import { forUnits, gruStates, handedOn, lstmStates, type Passage, type States } from './recurrence.js';
import type { Initializer, Weight } from './weight.js';

interface Shared {
  /** Values of a step of the input; a whole number of at least 1. */
  readonly inputs: number;
  /** Values of the state; a whole number of at least 1. */
  readonly units: number;
  /** Only the state after the last step that was gone through, [batch, units]; else those of all steps. False unless given. */
  readonly last?: boolean;
  /** Whether learned numbers are added in the gates; true unless given. */
  readonly bias?: boolean;
  /** First values of `weight`, by name (see `initializer`); `glorot_uniform` unless given. */
  readonly init?: string;
  /** First values of `recurrent`; `orthogonal` unless given. */
  readonly recurrentInit?: string;
}

/** A recurrent layer in one direction. */
export interface RecurrentOptions extends Shared {
  /** From the first step to the last (unless given), or from the last to the first. */
  readonly direction?: 'forward' | 'backward';
}

/** Two of them side by side: the states of the one that goes forward come first in the result. */
export interface BidirectionalOptions extends Shared {
  readonly direction: 'both';
}

type Inputs = [x: Tensor3D, mask?: Tensor2D | null];

/** How many parts of `units` a cell's gates have, and what its bias is. */
interface Cell {
  readonly name: 'lstm' | 'gru';
  readonly gates: number;
  readonly biasShape: (units: number) => readonly number[];
  readonly biasInit: (units: number) => Initializer;
}

const lstmCell: Cell = {
  name: 'lstm',
  gates: 4,
  biasShape: (units) => [4 * units],
  // A forget gate that begins open lets gradients through (Jozefowicz et al., 2015).
  biasInit: (units) => () => new Float32Array(4 * units).fill(1, units, 2 * units),
};

const gruCell: Cell = {
  name: 'gru',
  gates: 3,
  biasShape: (units) => [2, 3 * units],
  biasInit: (units) => constantInitializer(6 * units, 0),
};

/** A batch of sequences, step after step. */
interface Unrolled {
  /** [steps · batch, values]. */
  readonly x: Tensor2D;
  readonly steps: number;
  readonly rows: number;
  /** bool [steps · batch, 1]. */
  readonly kept: Tensor | null;
}

function unrolled(name: string, x: Tensor3D, mask: Tensor2D | null): Unrolled {
  if (x.rank !== 3)
    throw new Error(
      `${name} takes [batch, steps, values], got [${x.shape.join(', ')}]; check what comes before it`,
    );
  const [rows, steps, values] = x.shape;
  if (mask !== null && (mask.dtype !== 'bool' || mask.shape.join() !== [rows, steps].join()))
    throw new Error(
      `${name} takes a mask of bool [${rows}, ${steps}], one for each step, got ${mask.dtype} [${mask.shape.join(', ')}]`,
    );
  const byStep = ops.reshape<Tensor2D>(ops.transpose<Tensor3D>(x, { axes: [1, 0, 2] }), {
    shape: [steps * rows, values],
  });
  if (mask === null) return { x: byStep, steps, rows, kept: null };
  const kept = ops.reshape<Tensor>(ops.transpose<Tensor2D>(mask), { shape: [steps * rows, 1] });
  // What a masked step holds is in the weights' gradients times 0, which is NaN where it is no number.
  return { x: ops.select<Tensor2D>(kept, byStep, 0), steps, rows, kept };
}

/** What a layer gives of the states of its directions. */
function given({ steps, rows, kept }: Unrolled, states: readonly States[], last: boolean): Tensor {
  if (last)
    return ops.concat<Tensor2D>(
      states.map((each) => each.last()),
      { axis: 1 },
    );
  const all = ops.concat<Tensor2D>(
    states.map((each) => each.all),
    { axis: 1 },
  );
  const shown = kept === null ? all : ops.select<Tensor2D>(kept, all, 0);
  const width = shown.shape[1];
  return ops.transpose<Tensor3D>(ops.reshape<Tensor3D>(shown, { shape: [steps, rows, width] }), {
    axes: [1, 0, 2],
  });
}

abstract class OneWay extends Module<Inputs, Tensor> {
  readonly weight: Weight<Tensor2D>;
  readonly recurrent: Weight<Tensor2D>;
  readonly bias: Weight | null;

  constructor(
    readonly cell: Cell,
    readonly options: RecurrentOptions,
  ) {
    super();
    const { inputs, units, bias = true, init = 'glorot_uniform', recurrentInit = 'orthogonal' } = options;
    checkCount(cell.name, 'inputs', inputs);
    checkCount(cell.name, 'units', units);
    const width = cell.gates * units;
    this.weight = this.addWeight(
      'weight',
      [inputs, width],
      initializer(init, inputs * width, { inputs, outputs: width }),
    );
    this.recurrent = this.addWeight(
      'recurrent',
      [units, width],
      initializer(recurrentInit, units * width, { inputs: units, outputs: width }),
    );
    this.bias = bias ? this.addWeight('bias', cell.biasShape(units), cell.biasInit(units)) : null;
  }

  get isBackward(): boolean {
    return this.options.direction === 'backward';
  }

  override call<R extends Tensor>(x: Tensor3D, mask: Tensor2D | null = null): R {
    return ranked<R>(super.call(x, mask));
  }

  protected override forward(x: Tensor3D, mask: Tensor2D | null = null): Tensor {
    const over = unrolled(this.cell.name, x, mask);
    return given(over, [this.states(over)], this.options.last ?? false);
  }

  states({ x, steps, rows, kept }: Unrolled): States {
    const { inputs, units } = this.options;
    checkLast(this.cell.name, x, inputs);
    return this.recur(x, {
      steps,
      rows,
      backward: this.isBackward,
      kept: kept === null ? null : forUnits(kept, units),
    });
  }

  /** What the inputs come to in the gates, without a bias. */
  protected products(x: Tensor2D): Tensor2D {
    return ops.matmul<Tensor2D>(x, this.weight.read());
  }

  protected abstract recur(x: Tensor2D, passage: Passage): States;
}

/** Long short-term memory. weight is [inputs, 4 · units], recurrent [units, 4 · units], bias [4 · units]. */
export class Lstm extends OneWay {
  constructor(options: RecurrentOptions) {
    super(lstmCell, options);
  }

  protected override recur(x: Tensor2D, passage: Passage): States {
    const recurrent = this.recurrent.read();
    const bias: Tensor = this.bias?.read() ?? ops.zeros<Tensor1D>({ shape: [4 * this.options.units] });
    const fused = fusedLstm(x, this.weight.read(), recurrent, bias, passage);
    if (fused !== null) return fused;
    return handedOn(lstmStates(ops.add<Tensor2D>(this.products(x), bias), recurrent, passage), passage);
  }
}

/**
 * Gated recurrent unit. weight is [inputs, 3 · units], recurrent [units, 3 · units], bias [2, 3 · units]: of the inputs and of the
 * state.
 */
export class Gru extends OneWay {
  constructor(options: RecurrentOptions) {
    super(gruCell, options);
  }

  protected override recur(x: Tensor2D, passage: Passage): States {
    const bias = this.bias?.read() ?? null;
    const ofBias = (row: number): Tensor1D | null =>
      bias === null ? null : ops.slice<Tensor1D>(bias, [row]);
    const [ofInputs, ofState] = [ofBias(0), ofBias(1)];
    const products = this.products(x);
    const sums = ofInputs === null ? products : ops.add<Tensor2D>(products, ofInputs);
    return handedOn(gruStates(sums, this.recurrent.read(), ofState, passage), passage);
  }
}

/** Two layers with weights of their own, `forward` and `backward`, side by side. */
export class Bidirectional<L extends OneWay = OneWay> extends Module<Inputs, Tensor> {
  readonly ahead: L;
  readonly behind: L;

  constructor(
    make: (options: RecurrentOptions) => L,
    readonly options: BidirectionalOptions,
  ) {
    super();
    this.ahead = this.add('forward', make({ ...options, direction: 'forward' }));
    this.behind = this.add('backward', make({ ...options, direction: 'backward' }));
  }

  override call<R extends Tensor>(x: Tensor3D, mask: Tensor2D | null = null): R {
    return ranked<R>(super.call(x, mask));
  }

  protected override forward(x: Tensor3D, mask: Tensor2D | null = null): Tensor {
    const over = unrolled(this.ahead.cell.name, x, mask);
    const states = [this.ahead, this.behind].map((each) => each.states(over));
    return given(over, states, this.options.last ?? false);
  }
}

function refuseDirection(name: string, direction: string | undefined): void {
  if (direction !== undefined && !['forward', 'backward', 'both'].includes(direction))
    throw new Error(
      `${name} takes the direction "forward", "backward" or "both", got ${JSON.stringify(direction)}`,
    );
}

export function lstm(options: BidirectionalOptions): Bidirectional<Lstm>;
export function lstm(options: RecurrentOptions): Lstm;
export function lstm(options: RecurrentOptions | BidirectionalOptions): Lstm | Bidirectional<Lstm> {
  refuseDirection('lstm', options.direction);
  return options.direction === 'both'
    ? new Bidirectional((each) => new Lstm(each), { ...options, direction: 'both' })
    : new Lstm({ ...options, direction: options.direction ?? 'forward' });
}

export function gru(options: BidirectionalOptions): Bidirectional<Gru>;
export function gru(options: RecurrentOptions): Gru;
export function gru(options: RecurrentOptions | BidirectionalOptions): Gru | Bidirectional<Gru> {
  refuseDirection('gru', options.direction);
  return options.direction === 'both'
    ? new Bidirectional((each) => new Gru(each), { ...options, direction: 'both' })
    : new Gru({ ...options, direction: options.direction ?? 'forward' });
}
