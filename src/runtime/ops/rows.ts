/** Rows of a batch: of a tensor, or of every field of a record alike. */
import { Tensor, type Tensor1D } from '@tensorflow/tfjs-core';
import { currentEngine, drawLabel } from '../engine/current.js';
import type { OrMissing } from '../data/record.js';
import { offTape } from '../engine/tape.js';
import { ranked } from '../tensor.js';
import { run, shapeText, sizeAt, tensorText } from './kernel.js';
import type { Draw } from './random.js';
import { cast, range, slice } from './shapes.js';
import { counted } from '../../values/counted.js';

/** A tensor, or the fields of a batch. */
export type Rows = Tensor | Readonly<Record<string, Tensor | OrMissing<Tensor>>>;

const isTensor = (of: Rows): of is Tensor => of instanceof Tensor;

function eachOf<B extends Rows>(of: B, make: (x: Tensor) => Tensor): B {
  const made: Rows = isTensor(of)
    ? make(of)
    : Object.fromEntries(
        Object.entries(of).map(([name, field]) => [
          name,
          'missing' in field ? { value: make(field.value), missing: make(field.missing) } : make(field),
        ]),
      );
  return sameFields(made, of) ? made : of;
}

function sameFields<B extends Rows>(made: Rows, of: B): made is B {
  return isTensor(made) === isTensor(of);
}

/** How many rows all of them have. */
function countOf(op: string, of: Rows): number {
  const tensors = isTensor(of)
    ? [of]
    : Object.values(of).flatMap((field) => ('missing' in field ? [field.value, field.missing] : [field]));
  const counts = new Set(tensors.map(({ shape }) => shape[0]));
  const [count] = counts;
  if (count === undefined || counts.size > 1) {
    throw new Error(
      `${op} needs tensors of as many rows each, but ${tensors.map(tensorText).join(', ')} arrived`,
    );
  }
  return count;
}

/** The rows in an order that is drawn, the same for every field. */
export function shuffleRows<B extends Rows>(of: B, { draw, seed }: Draw): B {
  const count = countOf('shuffleRows', of);
  const keys = currentEngine().uniform({ shape: [count], label: drawLabel(draw), seed: seed ?? undefined });
  const order = offTape(() => run<Tensor1D>('SortedOrder', { x: keys }));
  return eachOf(of, (x) => rowsAt(x, order));
}

/** Rows by places that are known to be inside. */
function rowsAt(x: Tensor, indices: Tensor): Tensor {
  if (x.dtype === 'bool') return cast(rowsAt(cast(x, { to: 'i32' }), indices), { to: 'bool' });
  return run('GatherV2', { x, indices }, { axis: 0, batchDims: 0, inside: true });
}

/** `count` rows from row `from` on. */
export function rowsOf<B extends Rows>(
  of: B,
  { from, count }: { readonly from: number; readonly count: number },
): B {
  const rows = countOf('rowsOf', of);
  if (
    !Number.isSafeInteger(from) ||
    from < 0 ||
    !Number.isSafeInteger(count) ||
    count < 1 ||
    from + count > rows
  ) {
    throw new Error(
      `rows_of takes ${counted(count, 'row')} from row ${from} on, but the batch has ${rows}; set drop_last = true where the last batch is shorter`,
    );
  }
  return eachOf(of, (x) => slice<Tensor>(x, [[from, from + count]]));
}

/** The rows of all devices: there is one. */
export function gather<T extends Tensor>(x: T): T {
  if (x.rank === 0) throw new Error(`gather needs rows, but a tensor of shape ${shapeText(x.shape)} arrived`);
  return x;
}

/** The places of this device's rows among those that `gather` gave: with one device, all. */
export function ownRows(x: Tensor): Tensor1D {
  return ranked<Tensor1D>(range({ count: sizeAt(x.shape, 0) }));
}
