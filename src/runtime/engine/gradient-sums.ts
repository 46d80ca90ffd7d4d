/**
 * The gradients that a reverse pass has found so far. Those of slices of a tensor are kept as pieces and put together once, when the
 * tensor's gradient is asked for: a padded copy for each piece, added up, would cost as many times the whole tensor.
 */
import { add, concat, engine, type Tensor } from '@tensorflow/tfjs-core';
import { run, sizeAt } from '../ops/kernel.js';
import { beginOf } from './gradients/rule.js';

/** The gradient of a part of a tensor. */
interface Piece {
  readonly begin: readonly number[];
  readonly gradient: Tensor;
}

interface Pieces {
  readonly shape: readonly number[];
  readonly all: Piece[];
}

/** What a gradient is of. */
type Place = Pick<Tensor, 'id' | 'shape'>;

/** Gradients by the identity of the tensor. It owns what it is given, and frees it unless `keeps` says that it is read again. */
export class GradientSums {
  constructor(readonly keeps = false) {}

  readonly #whole = new Map<number, Tensor>();
  readonly #pieces = new Map<number, Pieces>();

  has(id: number): boolean {
    return this.#whole.has(id) || this.#pieces.has(id);
  }

  /** Adds a gradient of a tensor, or of a part of it. */
  add({ id, shape }: Place, gradient: Tensor): void {
    const begin = beginOf(gradient);
    if (begin === null) {
      this.#addWhole(id, gradient);
      return;
    }
    const known = this.#pieces.get(id) ?? { shape, all: [] };
    known.all.push({ begin, gradient });
    this.#pieces.set(id, known);
  }

  #addWhole(id: number, gradient: Tensor): void {
    const before = this.#whole.get(id);
    if (before === undefined) {
      this.#whole.set(id, gradient);
      return;
    }
    this.#whole.set(id, add(before, gradient));
    if (this.keeps) return;
    before.dispose();
    gradient.dispose();
  }

  /** The sum of what was added; undefined where nothing was. */
  get(id: number): Tensor | undefined {
    const pieces = this.#pieces.get(id);
    if (pieces !== undefined) {
      this.#pieces.delete(id);
      for (const gradient of joined(pieces, this.keeps)) this.#addWhole(id, gradient);
    }
    return this.#whole.get(id);
  }

  /** Frees the gradient of a tensor. */
  drop(id: number): void {
    if (!this.keeps) this.#whole.get(id)?.dispose();
    this.#whole.delete(id);
  }
}

/** Gradients of the whole tensor whose sum is that of the pieces: one where the pieces lie side by side, else one a piece. */
function joined({ shape, all }: Pieces, keeps: boolean): readonly Tensor[] {
  const made = engine().tidy(() => {
    const side = all.length === 1 ? null : sideBySide(shape, all);
    return side === null ? all.map((piece) => padded(shape, piece)) : [concatenated(shape, side)];
  });
  if (!keeps) for (const { gradient } of all) gradient.dispose();
  return made;
}

interface Row {
  readonly axis: number;
  /** In the order of the axis. */
  readonly pieces: readonly Piece[];
}

/** The axis along which the pieces follow each other without overlap while they have the tensor's size along all others, or null. */
function sideBySide(shape: readonly number[], pieces: readonly Piece[]): Row | null {
  const cut = shape.flatMap((size, axis) =>
    pieces.every(({ gradient }) => sizeAt(gradient.shape, axis) === size) ? [] : [axis],
  );
  const [axis, ...others] = cut;
  if (axis === undefined || others.length > 0) return null;
  const sorted = [...pieces].sort((a, b) => sizeAt(a.begin, axis) - sizeAt(b.begin, axis));
  const apart = sorted.every((piece, index) => {
    const next = sorted[index + 1];
    return next === undefined || endOf(piece, axis) <= sizeAt(next.begin, axis);
  });
  return apart ? { axis, pieces: sorted } : null;
}

function endOf({ begin, gradient }: Piece, axis: number): number {
  return sizeAt(begin, axis) + sizeAt(gradient.shape, axis);
}

function concatenated(shape: readonly number[], { axis, pieces }: Row): Tensor {
  const parts: Tensor[] = [];
  const fill = (from: number, to: number): void => {
    if (to <= from) return;
    const sizes = shape.map((size, at) => (at === axis ? to - from : size));
    parts.push(run('Fill', {}, { shape: sizes, value: 0, dtype: 'float32' }));
  };
  let end = 0;
  for (const piece of pieces) {
    fill(end, sizeAt(piece.begin, axis));
    parts.push(piece.gradient);
    end = endOf(piece, axis);
  }
  fill(end, sizeAt(shape, axis));
  return concat(parts, axis);
}

function padded(shape: readonly number[], { begin, gradient }: Piece): Tensor {
  const paddings = begin.map((from, axis) => [
    from,
    sizeAt(shape, axis) - from - sizeAt(gradient.shape, axis),
  ]);
  return run('PadV2', { x: gradient }, { paddings, constantValue: 0 });
}
