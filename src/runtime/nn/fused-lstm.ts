/**
 * LSTMs on engines that have a kernel for whole sequences, TensorFlow's BlockLSTMV2. It knows neither masks nor directions: rows are given
 * to it in the order in which their steps count, those that do not behind, and its states are put back to their places.
 */
import { currentEngine } from '../engine/current.js';
import { offTape } from '../engine/tape.js';
import { add, mul, neg, select } from '../ops/arithmetic.js';
import { run, runSeveral, sizeAt, toFloat } from '../ops/kernel.js';
import { matmul } from '../ops/matmul.js';
import { ownGradient } from '../ops/own-gradient.js';
import { concat, range, reshape, slice, transpose, zeros } from '../ops/shapes.js';
import { ranked, type Tensor, type Tensor2D } from '../tensor.js';
import { lstmGradient, type Passage, type States } from './recurrence.js';

/**
 * Products of numbers in one step up to which the kernel is the faster one: it has no calls of ops between steps, but products of matrices
 * that are slower than those of oneDNN (batches of 32 on two cores: 64 units of 16 inputs take two thirds of the time, 128 units of 100
 * inputs almost twice).
 */
const mostProducts = 2 ** 20;

/** Where each state of a sequence is read and written, as rows of [steps · batch]. */
interface Order {
  /** The row that is gone through at each place. */
  readonly taken: Tensor;
  /** The place at which each row is gone through. */
  readonly places: Tensor;
}

function orderOf({ steps, rows, backward, kept }: Passage): Order | null {
  if (kept === null && !backward) return null;
  return offTape(() => {
    const time = toFloat(range({ count: steps }));
    const counts: Tensor =
      kept === null ? zeros<Tensor>({ shape: [rows, steps] }) : ofBatch(kept, steps, rows);
    // What counts comes first, and among it what is earlier on the way.
    const rank = add<Tensor>(mul<Tensor>(counts, 2 * steps), backward ? time : neg<Tensor>(time));
    const taken: Tensor = run('SortedOrder', { x: rank });
    const places: Tensor = run('SortedOrder', { x: neg<Tensor>(toFloat(taken)) });
    const flat = (steps_: Tensor): Tensor => {
      const row = reshape<Tensor>(range({ count: rows }), { shape: [rows, 1] });
      const all = add<Tensor>(mul<Tensor>(steps_, rows), row);
      return reshape<Tensor>(transpose<Tensor>(all), { shape: [steps * rows] });
    };
    return { taken: flat(taken), places: flat(places) };
  });
}

/** 1 where a step counts, [batch, steps]. */
function ofBatch(kept: Tensor, steps: number, rows: number): Tensor {
  const one: Tensor = run('Slice', { x: kept }, { begin: [0, 0], size: [steps * rows, 1] });
  return transpose<Tensor>(reshape<Tensor>(toFloat(one), { shape: [steps, rows] }));
}

function rowsAt(x: Tensor, indices: Tensor | undefined): Tensor {
  return indices === undefined ? x : run('GatherV2', { x, indices }, { axis: 0, batchDims: 0, inside: true });
}

/**
 * The states of an LSTM over x, [steps · rows, inputs], or null where the engine has no kernel that is faster. States of steps that the mask leaves
 * out are arbitrary.
 */
export function fusedLstm(
  x: Tensor2D,
  weight: Tensor2D,
  recurrent: Tensor2D,
  bias: Tensor,
  passage: Passage,
): States | null {
  if (currentEngine().fusesSequences !== true) return null;
  const { steps, rows, backward, kept } = passage;
  const [inputs, units] = [sizeAt(weight.shape, 0), sizeAt(recurrent.shape, 0)];
  if (rows * (inputs + units) * 4 * units > mostProducts) return null;
  const order = orderOf(passage);
  const sequence = (of: Tensor): Tensor => reshape<Tensor>(of, { shape: [steps, rows, sizeAt(of.shape, 1)] });
  const flat = (of: Tensor): Tensor => reshape<Tensor>(of, { shape: [steps * rows, sizeAt(of.shape, -1)] });
  const weights: Tensor = concat<Tensor2D>([weight, recurrent], { axis: 0 });
  const all = ownGradient<Tensor2D>(
    [x, weights, bias],
    () => {
      const made = runSeveral('NativeLstm', { x: sequence(rowsAt(x, order?.taken)), weights, bias });
      const states = made[6];
      if (states === undefined) throw new Error('an LSTM has no states');
      return { value: rowsAt(flat(states), order?.places), saved: made };
    },
    (dy, saved) => {
      const [input_, cell, forget, output, candidate, curve, states] = saved;
      if (!input_ || !cell || !forget || !output || !candidate || !curve || !states)
        throw new Error('an LSTM kept no steps');
      const [dx, dWeights, dBias] = runSeveral('NativeLstmGrad', {
        x: sequence(rowsAt(x, order?.taken)),
        weights,
        bias,
        input: input_,
        cell,
        forget,
        output,
        candidate,
        curve,
        states,
        dy: sequence(rowsAt(dy, order?.taken)),
      });
      if (!dx || !dWeights || !dBias) throw new Error('an LSTM has no gradient');
      return [rowsAt(flat(dx), order?.places), dWeights, dBias];
    },
    (dy) => {
      const own = (from: number, to: number): Tensor2D => slice<Tensor2D>(weights, [[from, to]]);
      const [ofInputs, ofState] = [own(0, inputs), own(inputs, inputs + units)];
      const sums = add<Tensor2D>(matmul<Tensor2D>(x, ofInputs), bias);
      const [dSums, dState] = lstmGradient(sums, ofState, passage, dy);
      const dWeight: Tensor = run('BatchMatMul', { a: x, b: dSums }, { transposeA: true, transposeB: false });
      return [
        matmul<Tensor2D>(dSums, ofInputs, { transposeB: true }),
        concat<Tensor2D>([dWeight, dState], { axis: 0 }),
        run('Sum', { x: dSums }, { axis: [0], keepDims: false }),
      ];
    },
  );
  return {
    all,
    last: () => {
      if (kept === null || order === null) {
        const at = backward ? 0 : steps - 1;
        return slice<Tensor2D>(all, [[at * rows, (at + 1) * rows]]);
      }
      const [ends, any] = offTape(() => {
        const counts = ofBatch(kept, steps, rows);
        const count: Tensor = run('Sum', { x: counts }, { axis: [1], keepDims: false });
        const isAny: Tensor = run('Greater', { a: count, b: zeros<Tensor>({ shape: [rows] }) });
        const place = run<Tensor>('Cast', { x: lastPlace(count) }, { dtype: 'int32' });
        const at = add<Tensor>(mul<Tensor>(place, rows), range({ count: rows }));
        return [rowsAt(order.taken, at), reshape<Tensor>(isAny, { shape: [rows, 1] })] as const;
      });
      return ranked<Tensor2D>(select<Tensor2D>(any, ranked<Tensor2D>(rowsAt(all, ends)), 0));
    },
  };
}

/** The place of the last of so many steps; of none, the first. */
function lastPlace(count: Tensor): Tensor {
  return run('Maximum', { a: add<Tensor>(count, -1), b: zeros<Tensor>({ shape: count.shape }) });
}
