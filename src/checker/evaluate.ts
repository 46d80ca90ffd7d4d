/**
 * Host expressions as numbers: what the defaults of a run's params make of schedules, options and counts. What needs
 * data, a schedule or the clock is `undefined`.
 */
import type { IrExpr } from './ir.js';

export type HostValue = number | string | boolean | null;

/** What a run's names stand for where its params have their defaults. */
export interface HostNames {
  readonly params: ReadonlyMap<string, HostValue>;
  /** Values of constants by name, unevaluated. */
  readonly consts?: ReadonlyMap<string, IrExpr>;
  /** Values of schedules at one time. Without them, what depends on a schedule is not known. */
  readonly schedules?: ReadonlyMap<string, number>;
  /** What `run.step` and `run.epoch` are; without it, what depends on them is not known. */
  readonly clock?: { readonly step: number; readonly epoch: number };
}

type Arithmetic = (a: number, b: number) => number | boolean;

const operators: ReadonlyMap<string, Arithmetic> = new Map<string, Arithmetic>([
  ['+', (a, b) => a + b],
  ['-', (a, b) => a - b],
  ['*', (a, b) => a * b],
  ['/', (a, b) => a / b],
  ['%', (a, b) => a % b],
  ['**', (a, b) => a ** b],
  ['<', (a, b) => a < b],
  ['<=', (a, b) => a <= b],
  ['>', (a, b) => a > b],
  ['>=', (a, b) => a >= b],
]);

/** The nearest whole number, halves to even. */
const roundHalfEven = (a: number): number => {
  const below = Math.floor(a);
  if (a - below !== 0.5) return Math.round(a);
  return below % 2 === 0 ? below : below + 1;
};

const functions: ReadonlyMap<string, (...args: readonly number[]) => number> = new Map<
  string,
  (...args: readonly number[]) => number
>([
  ['neg', (a = Number.NaN) => -a],
  ['floor', (a = Number.NaN) => Math.floor(a)],
  ['ceil', (a = Number.NaN) => Math.ceil(a)],
  ['round', (a = Number.NaN) => roundHalfEven(a)],
  ['abs', (a = Number.NaN) => Math.abs(a)],
  ['sign', (a = Number.NaN) => Math.sign(a)],
  ['sqrt', (a = Number.NaN) => Math.sqrt(a)],
  ['rsqrt', (a = Number.NaN) => 1 / Math.sqrt(a)],
  ['square', (a = Number.NaN) => a * a],
  ['exp', (a = Number.NaN) => Math.exp(a)],
  ['expm1', (a = Number.NaN) => Math.expm1(a)],
  ['log', (a = Number.NaN) => Math.log(a)],
  ['log1p', (a = Number.NaN) => Math.log1p(a)],
  ['sin', (a = Number.NaN) => Math.sin(a)],
  ['cos', (a = Number.NaN) => Math.cos(a)],
  ['tanh', (a = Number.NaN) => Math.tanh(a)],
  ['sigmoid', (a = Number.NaN) => 1 / (1 + Math.exp(-a))],
  ['min', (...args) => Math.min(...args)],
  ['max', (...args) => Math.max(...args)],
  ['clamp', (a = Number.NaN, low = Number.NaN, high = Number.NaN) => Math.min(Math.max(a, low), high)],
]);

const finite = (value: number | boolean): HostValue | undefined =>
  typeof value === 'boolean' || Number.isFinite(value) ? value : undefined;

const evaluateHost = (
  op: string,
  args: readonly IrExpr[],
  evaluate: (expr: IrExpr) => HostValue | undefined,
): HostValue | undefined => {
  const [first, second] = args;
  if (!first) return undefined;
  const a = evaluate(first);
  if (op === 'not') return typeof a === 'boolean' ? !a : undefined;
  const b = second ? evaluate(second) : undefined;
  // One side alone may decide.
  if (op === 'and') return a === false || b === false ? false : a === true && b === true ? true : undefined;
  if (op === 'or') return a === true || b === true ? true : a === false && b === false ? false : undefined;
  if (a === undefined || b === undefined) return undefined;
  if (op === '==') return a === b;
  if (op === '!=') return a !== b;
  const arithmetic = operators.get(op);
  return arithmetic && typeof a === 'number' && typeof b === 'number' ? finite(arithmetic(a, b)) : undefined;
};

/**
 * The value of a host expression, or undefined where it is not known before the run. A quantity gives its number, in
 * its own unit.
 */
export const evaluateIr = (expr: IrExpr, names: HostNames | HostNames['params']): HostValue | undefined => {
  const known: HostNames = 'params' in names ? names : { params: names };
  const open = new Set<string>();
  const evaluate = (at: IrExpr): HostValue | undefined => {
    switch (at.kind) {
      case 'literal':
        return at.value;
      case 'quantity':
        return evaluate(at.value);
      case 'decide':
        return evaluate(at.test);
      case 'host':
        return evaluateHost(at.op, at.args, evaluate);
      case 'hostCall': {
        const args = at.args.map(evaluate);
        const [only] = args;
        if (at.fn === 'not') return typeof only === 'boolean' ? !only : undefined;
        const numbers = args.filter((each) => typeof each === 'number');
        const apply = functions.get(at.fn);
        return apply && numbers.length === args.length ? finite(apply(...numbers)) : undefined;
      }
      case 'choose': {
        const test = evaluate(at.test);
        return typeof test === 'boolean' ? evaluate(test ? at.then : at.else) : undefined;
      }
      case 'element': {
        const index = evaluate(at.index);
        const items = at.of.kind === 'items' ? at.of.items : [];
        const item = typeof index === 'number' ? items[index] : undefined;
        return item ? evaluate(item) : undefined;
      }
      case 'ref': {
        const { ref } = at;
        if (ref.kind === 'param') return known.params.get(ref.name);
        if (ref.kind === 'schedule') return known.schedules?.get(ref.name);
        if (ref.kind === 'run') return known.clock?.[ref.name];
        if (ref.kind !== 'const' || open.has(ref.name)) return undefined;
        const value = known.consts?.get(ref.name);
        if (!value) return undefined;
        open.add(ref.name);
        const found = evaluate(value);
        open.delete(ref.name);
        return found;
      }
      default:
        return undefined;
    }
  };
  return evaluate(expr);
};
