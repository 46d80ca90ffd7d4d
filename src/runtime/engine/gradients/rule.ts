/** How a gradient is written down: one rule for each kernel, held in a table. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { run, sizeAt } from '../../ops/kernel.js';

/** Attributes of a kernel call, as the tape kept them. */
export type Attributes = Readonly<Record<string, unknown>>;

export interface Rule {
  /** Inputs whose values the gradient needs (or whose shapes: keeping one costs nothing). */
  readonly inputs: readonly string[];
  /** Whether it needs the output. It is then the last of what is kept. */
  readonly output?: boolean;
  /** Inputs by which the gradient is 0 wherever there is one: none passes to them. */
  readonly flat?: readonly string[];
  /** Gradients by input name; only those that are asked for are computed. */
  readonly gradient: (
    dy: Tensor,
    kept: Kept,
    attributes: Attributes,
  ) => Readonly<Record<string, () => Tensor>>;
}

/** Tensors that a rule asked to keep. */
export interface Kept {
  /** The kept input of that number. */
  at(index: number): Tensor;
  readonly output: Tensor;
}

export type Rules = Readonly<Record<string, Rule>>;

/** The rules that are in force, by kernel. */
const inForce = new Map<string, Rule>();

/** Puts rules in force. */
export function useRules(rules: Rules): void {
  for (const [kernel, rule] of Object.entries(rules)) inForce.set(kernel, rule);
}

/** The rule of a kernel, where it has one. */
export function ruleOf(kernel: string): Rule | undefined {
  return inForce.get(kernel);
}

/** Where the parts begin that gradients of slices are of. */
const begins = new WeakMap<Tensor, readonly number[]>();

/** The gradient of the part of a tensor that begins there: zeros elsewhere. */
export function partial(gradient: Tensor, begin: readonly number[]): Tensor {
  const part: Tensor = run('Identity', { x: gradient });
  begins.set(part, begin);
  return part;
}

/** Where the part begins that a gradient is of; null where it is of the whole tensor. */
export function beginOf(gradient: Tensor): readonly number[] | null {
  return begins.get(gradient) ?? null;
}

/** Sums a gradient over the axes along which an operand was repeated. */
export function unbroadcast(dy: Tensor, shape: readonly number[]): Tensor {
  const extra = dy.rank - shape.length;
  const axes = dy.shape.flatMap((size, axis) =>
    axis < extra || (size !== 1 && shape[axis - extra] === 1) ? [axis] : [],
  );
  if (axes.length === 0) {
    return dy;
  }
  const x: Tensor = run('Sum', { x: dy }, { axis: axes, keepDims: false });
  return run('Reshape', { x }, { shape: [...shape] });
}

/** A whole-number attribute. */
export function numberAt(attributes: Attributes, name: string): number {
  const value = attributes[name];
  if (typeof value !== 'number') {
    throw new Error(`a gradient needs the number \`${name}\`, but ${typeof value} was kept`);
  }
  return value;
}

/** An attribute that is a list of numbers. */
export function numbersAt(attributes: Attributes, name: string): readonly number[] {
  const value = attributes[name];
  if (typeof value === 'number') {
    return [value];
  }
  if (!isNumbers(value)) {
    throw new Error(`a gradient needs the numbers \`${name}\`, but ${typeof value} was kept`);
  }
  return value;
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'number');
}

/** The shape with size 1 at each of `axes`. */
export function keptShape(shape: readonly number[], axes: readonly number[]): number[] {
  const positive = axes.map((axis) => (axis < 0 ? axis + shape.length : axis));
  return shape.map((_, axis) => (positive.includes(axis) ? 1 : sizeAt(shape, axis)));
}
