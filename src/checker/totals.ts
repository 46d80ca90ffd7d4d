/** Reductions over rows: arithmetic on them is kept apart until a metric or a `minimize` asks for it. */
import type { Span } from '../parser/source.js';
import type { Env } from './env.js';
import { symbolsOf } from './dims/size.js';
import type { IrExpr, IrReduction } from './ir.js';
import type { Masked } from './masked-means.js';
import type { Builtin } from './prelude.js';
import { floatType, irType, isNumber, type TensorType, type Type } from './types.js';
import type { Total, Value } from './value.js';

/** Whether a tensor has rows of the batch at hand: its shape mentions a batch's size. */
export const hasRows = (env: Env, type: TensorType): boolean =>
  type.shape.some((size) => [...symbolsOf(size)].some((name) => env.place.batchSizes.has(name)));

/** Functions of one number that may stand around a running total. */
export const totalFunctions: ReadonlySet<string> = new Set([
  'exp',
  'log',
  'log1p',
  'expm1',
  'sqrt',
  'rsqrt',
  'square',
  'abs',
  'sigmoid',
  'tanh',
  'floor',
  'ceil',
  'round',
  'min',
  'max',
  'clamp',
  'sign',
]);

const isScalar = (each: Value): boolean => each.type.kind === 'tensor' && each.type.shape.length === 0;

/** A value as a total: what it sums, a host number, or a scalar without rows. Null where it can be none of these. */
export const totalOf = (each: Value): Total | null => {
  if (each.total) return each.total;
  if (isNumber(each.type) || each.type.kind === 'schedule') return { kind: 'host', ir: each.ir };
  if (isScalar(each)) return { kind: 'leaf', reduction: { span: each.span, kind: 'each', value: each.ir } };
  return null;
};

/** Whether two totals are one: the same value, or the same arithmetic on the same values. */
export const isSame = (a: Total, b: Total): boolean => {
  if (a.kind === 'leaf' && b.kind === 'leaf')
    return (
      a.reduction === b.reduction ||
      (a.reduction.kind === 'named' && b.reduction.kind === 'named' && a.reduction.name === b.reduction.name)
    );
  if (a.kind === 'op' && b.kind === 'op')
    return (
      a.op === b.op &&
      a.args.length === b.args.length &&
      a.args.every((each, i) => {
        const other = b.args[i];
        return other !== undefined && isSame(each, other);
      })
    );
  return a.kind === 'host' && b.kind === 'host' && isSameNumber(a.ir, b.ir);
};

const isSameNumber = (a: IrExpr, b: IrExpr): boolean =>
  a === b ||
  (a.kind === 'literal' && b.kind === 'literal' && a.value === b.value) ||
  (a.kind === 'ref' &&
    b.kind === 'ref' &&
    a.ref.kind === b.ref.kind &&
    'name' in a.ref &&
    'name' in b.ref &&
    a.ref.name === b.ref.name);

/** The total of an operation, where at least one part is a running total and all can be. */
export const totalOfOperation = (op: string, args: readonly Value[], span: Span): Total | null => {
  if (!args.some((each) => each.total && each.total.kind !== 'host')) return null;
  const totals = args.map(totalOf);
  const known = totals.filter((each) => each !== null);
  return known.length === totals.length ? { kind: 'op', op, args: known, span } : null;
};

const isHost = (each: Value): boolean =>
  isNumber(each.type) || each.type.kind === 'schedule' || each.total?.kind === 'host';

/** The total of arithmetic on tensors: running totals, or scalars made of schedules and numbers alone. */
export const totalOfArithmetic = (
  op: string,
  args: readonly Value[],
  span: Span,
  ir: IrExpr,
): Total | null => (args.every(isHost) ? { kind: 'host', ir } : totalOfOperation(op, args, span));

/** One term of a sum: a host number (or schedule) times a reduction. */
interface Term {
  readonly by: IrExpr | null;
  readonly of: IrReduction;
}

/** A schedule in a step, and what is computed with one, is a scalar tensor: a number there would be frozen. */
export const isDevice = (ir: IrExpr): boolean =>
  ir.kind === 'op' || ir.type.kind === 'tensor' || (ir.kind === 'ref' && ir.ref.kind === 'schedule');

const device = (span: Span, name: string, args: readonly IrExpr[]): IrExpr => ({
  kind: 'op',
  home: 'ops',
  name,
  args,
  options: [],
  draw: null,
  free: false,
  span,
  type: { kind: 'tensor', dtype: 'f32', shape: [] },
});

const deviceNames: Readonly<Record<string, string>> = {
  '+': 'add',
  '-': 'sub',
  '*': 'mul',
  '/': 'div',
  '%': 'mod',
  '**': 'pow',
};

/** Arithmetic on what multiplies a reduction: host numbers, or scalars of the device. */
const host = (span: Span, op: string, args: readonly IrExpr[]): IrExpr => {
  const name = deviceNames[op];
  return name !== undefined && args.some(isDevice)
    ? device(span, name, args)
    : { kind: 'host', op, args, span, type: irType(floatType) };
};

const negative = (span: Span, by: IrExpr | null): IrExpr => {
  if (!by) return { kind: 'literal', value: -1, span, type: irType(floatType) };
  if (isDevice(by)) return device(span, 'neg', [by]);
  return { kind: 'hostCall', fn: 'neg', args: [by], span, type: irType(floatType) };
};

const hostOf = (total: Total): IrExpr | null => {
  if (total.kind === 'host') return total.ir;
  if (total.kind === 'leaf') return null;
  const args = total.args.map(hostOf);
  const known = args.filter((each) => each !== null);
  if (known.length !== args.length) return null;
  return isOperator(total.op)
    ? host(total.span, total.op, known)
    : { kind: 'hostCall', fn: total.op, args: known, span: total.span, type: irType(floatType) };
};

export const isOperator = (op: string): boolean => ['+', '-', '*', '/', '%', '**'].includes(op);

const termsOf = (total: Total, masked: Masked | null = null): readonly Term[] | null => {
  if (total.kind === 'host') return null;
  if (total.kind === 'leaf') return [{ by: null, of: total.reduction }];
  const [a, b] = total.args;
  if (!a) return null;
  if (total.op === 'neg') {
    return termsOf(a, masked)?.map((term) => ({ by: negative(total.span, term.by), of: term.of })) ?? null;
  }
  if (!b) return null;
  if (total.op === '+' || total.op === '-') {
    const left = termsOf(a, masked);
    const right = termsOf(b, masked);
    if (!left || !right) return null;
    if (total.op === '+') return [...left, ...right];
    return [...left, ...right.map((term) => ({ by: negative(total.span, term.by), of: term.of }))];
  }
  const scaled = (terms: readonly Term[] | null, by: IrExpr | null, op: '*' | '/'): readonly Term[] | null =>
    terms && by
      ? terms.map((term) => ({
          by:
            op === '*'
              ? term.by
                ? host(total.span, '*', [by, term.by])
                : by
              : host(total.span, '/', [term.by ?? one(total.span), by]),
          of: term.of,
        }))
      : null;
  if (total.op === '*')
    return scaled(termsOf(b, masked), hostOf(a), '*') ?? scaled(termsOf(a, masked), hostOf(b), '*');
  if (total.op === '/') {
    const terms = termsOf(a, masked);
    if (masked && terms && b.kind === 'leaf') {
      const means = terms.map((term) => ({ ...term, of: masked(term.of, b.reduction) }));
      return means.every(isWhole) ? means : null;
    }
    const by = hostOf(b);
    return (by?.kind === 'batchSize' ? terms && overRows(terms, by.batch) : null) ?? scaled(terms, by, '/');
  }
  return null;
};

const isWhole = (term: { readonly by: IrExpr | null; readonly of: IrReduction | null }): term is Term =>
  term.of !== null;

/** Sums divided by the rows of their batch are means, times what else is summed in a row; null where they are not. */
const overRows = (terms: readonly Term[], batch: string): readonly Term[] | null => {
  const means = terms.flatMap(({ by, of }): readonly Term[] => {
    if (of.kind !== 'sum' || of.weight || of.values.type.kind !== 'tensor') return [];
    const { shape } = of.values.type;
    const others = shape.filter((size) => size !== `${batch}.size`).map(Number);
    const count = others.reduce((all, size) => all * size, 1);
    if (others.length !== shape.length - 1 || !Number.isSafeInteger(count)) return [];
    const mean: IrReduction = { ...of, kind: 'mean' };
    if (count === 1) return [{ by, of: mean }];
    const times: IrExpr = { kind: 'literal', value: count, span: of.span, type: irType(floatType) };
    return [{ by: by ? host(of.span, '*', [by, times]) : times, of: mean }];
  });
  return means.length === terms.length ? means : null;
};

const one = (span: Span): IrExpr => ({ kind: 'literal', value: 1, span, type: irType(floatType) });

const timesOf = (term: Term): IrReduction =>
  term.by ? { span: term.of.span, kind: 'times', by: term.by, of: term.of } : term.of;

/** The terms of a loss, or null where it is no sum of c · mean or sum over rows. */
export const lossTerms = (total: Total, masked: Masked): readonly IrReduction[] | null =>
  termsOf(total, masked)?.map(timesOf) ?? null;

/** Whether what a reduction gives exists only at the end, as a metric of the prelude does. */
export const isFinished = (reduction: IrReduction): boolean =>
  reduction.kind === 'metric' ||
  (reduction.kind === 'named' && reduction.finished === true) ||
  (reduction.kind === 'times' && isFinished(reduction.of));

/** A total as one reduction: itself, a multiple of one, or arithmetic on finished parts. */
export const reductionOf = (total: Total, span: Span): IrReduction => {
  const terms = termsOf(total);
  const [only, ...others] = terms ?? [];
  // A metric is finished before it is multiplied.
  if (only && others.length === 0 && !(only.by && isFinished(only.of))) return timesOf(only);
  const parts: { readonly name: string; readonly of: IrReduction }[] = [];
  const finished = (each: Total): IrExpr => {
    if (each.kind === 'host' && isDevice(each.ir)) {
      const name = each.ir.kind === 'ref' && each.ir.ref.kind === 'schedule' ? each.ir.ref.name : 'factor';
      return part(name, { span: each.ir.span, kind: 'last', value: each.ir });
    }
    if (each.kind === 'host') return each.ir;
    if (each.kind === 'leaf') {
      return part(
        each.reduction.kind === 'named' ? each.reduction.name : each.reduction.kind,
        each.reduction,
      );
    }
    const [sums, rows] = each.args;
    const by = each.op === '/' && rows ? hostOf(rows) : null;
    const terms = by?.kind === 'batchSize' && sums ? termsOf(sums) : null;
    const means = terms && by?.kind === 'batchSize' ? overRows(terms, by.batch) : null;
    if (means) {
      const added = means.map((term) => {
        const mean = part(term.of.kind, term.of);
        return term.by ? host(each.span, '*', [term.by, mean]) : mean;
      });
      return added.reduce((all, one) => host(each.span, '+', [all, one]));
    }
    const args = each.args.map(finished);
    return isOperator(each.op)
      ? host(each.span, each.op, args)
      : { kind: 'hostCall', fn: each.op, args, span: each.span, type: irType(floatType) };
  };
  const part = (name: string, of: IrReduction): IrExpr => {
    const known = parts.find(
      (each) =>
        each.of === of || (each.of.kind === 'named' && of.kind === 'named' && each.of.name === of.name),
    );
    const own =
      known?.name ?? (parts.some((each) => each.name === name) ? `${name}${parts.length + 1}` : name);
    if (!known) parts.push({ name: own, of });
    return { kind: 'ref', ref: { kind: 'part', name: own }, span: of.span, type: irType(floatType) };
  };
  const valueOf = finished(total);
  return { span, kind: 'derive', parts, value: valueOf };
};

/** A reduction over rows in a step is a running total; so is a function of one. */
export const totalOfCall = (
  env: Env,
  builtin: Builtin,
  bound: ReadonlyMap<string, Value>,
  values: readonly Value[],
  type: Type,
  span: Span,
): Total | null => {
  if (env.place.kind !== 'step' || type.kind !== 'tensor' || type.shape.length > 0) return null;
  if (builtin.name === 'mean' || builtin.name === 'sum') {
    const x = bound.get('x');
    if (x?.type.kind !== 'tensor' || x.type.shape.length === 0) return x?.total ?? null;
    if (!hasRows(env, x.type)) return null;
    const weight = bound.get('weight');
    const reduction: IrReduction = {
      span,
      kind: builtin.name,
      values: x.ir,
      weight: weight && weight.type.kind === 'tensor' ? weight.ir : null,
    };
    return { kind: 'leaf', reduction };
  }
  if (!totalFunctions.has(builtin.name)) return null;
  const args = builtin.params.flatMap((param) => bound.get(param.name.text) ?? []);
  return totalOfOperation(builtin.name, builtin.name === 'clamp' ? args : values, span);
};
