/**
 * A metric in which rows of a batch meet, as totals over all rows: `mean(std(y, axis = 0))` is the mean of deviations that are joined
 * over batches, not of one batch's. What is around the totals is computed once, on the host.
 *
 * Known after this file: each total joins all of the rows, and has a size that is the same in each batch.
 */
import { wrongType } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { figuresOf, lookUp, splitLet } from './batch-figures.js';
import type { Env } from './env.js';
import type { IrExpr, IrJoined, IrReduction, IrStepStmt } from './ir.js';
import { walkIr } from './ir-walk.js';
import { axesOf, isJoined, rowAxes } from './row-axes.js';
import { isDevice, isOperator, totalFunctions } from './totals.js';
import { floatType, irType } from './types.js';
import type { Total } from './value.js';

/** As `mostNumbers` of the runtime: more would fill the device, the host and each checkpoint. */
const mostNumbers = 2 ** 18;

const operators: Readonly<Record<string, string>> = {
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  mod: '%',
  pow: '**',
};

const comparisons: readonly string[] = [
  'equal',
  'not_equal',
  'less',
  'less_equal',
  'greater',
  'greater_equal',
];

const isScalar = ({ type }: IrExpr): boolean => type.kind !== 'tensor' || type.shape.length === 0;

type Op = IrExpr & { readonly kind: 'op' };

const optionOf = (op: Op, name: string): IrExpr | undefined =>
  op.options.find((option) => option.name === name)?.value;

const textOf = (node: unknown): string =>
  JSON.stringify(node, (key, value: unknown) => (key === 'span' ? undefined : value));

const firstName = (of: IrReduction): string =>
  of.kind === 'joined' ? of.how : of.kind === 'named' ? of.name : of.kind;

/** Numbers that the host knows when a total is finished: of literals, params and consts alone. */
const isPlain = (expr: IrExpr): boolean =>
  expr.kind === 'literal' ||
  (expr.kind === 'items' && expr.items.every(isPlain)) ||
  (expr.kind === 'ref' && (expr.ref.kind === 'param' || expr.ref.kind === 'const')) ||
  ((expr.kind === 'host' || expr.kind === 'hostCall') && expr.args.every(isPlain));

/** The metric as totals over all rows; null where a part of it exists for one batch only, or (reported) a total is too large. */
export const streamedOf = (env: Env, total: Total, span: Span): IrReduction | 'too large' | null => {
  const { place } = env;
  const { statements } = place;
  const figure = figuresOf(place);
  const parts: { readonly name: string; readonly of: IrReduction }[] = [];
  const open: { large: boolean } = { large: false };

  const part = (of: IrReduction, type: IrExpr['type']): IrExpr => {
    const text = textOf(of);
    const known = parts.find((each) => textOf(each.of) === text);
    const first = firstName(of);
    const name =
      known?.name ?? (parts.some((each) => each.name === first) ? `${first}${parts.length + 1}` : first);
    if (!known) parts.push({ name, of });
    return { kind: 'ref', ref: { kind: 'part', name }, span: of.span, type };
  };
  const number = irType(floatType);
  const kept = (expr: IrExpr): IrExpr =>
    isScalar(expr)
      ? part({ span: expr.span, kind: 'last', value: expr }, number)
      : part(
          { span: expr.span, kind: 'joined', how: 'last', values: expr, axes: null, weight: null },
          expr.type,
        );

  /** Whether a value is the same in each batch: weights, what was measured, schedules. */
  const isSteady = (expr: IrExpr): boolean => {
    let steady = true;
    const seen = new Set<string>();
    const look = (node: IrExpr | IrStepStmt): void =>
      walkIr(node, (each) => {
        const { kind, draw, ref } = each;
        if (kind === 'batchSize' || kind === 'model' || (kind === 'op' && draw !== null)) steady = false;
        if (kind !== 'ref' || typeof ref !== 'object' || ref === null || !('kind' in ref)) return;
        if (ref.kind === 'batch' || ref.kind === 'index' || ref.kind === 'dim') steady = false;
        if (ref.kind !== 'local' || !('name' in ref) || typeof ref.name !== 'string') return;
        if (seen.has(ref.name)) return;
        seen.add(ref.name);
        const statement = lookUp(statements, ref.name);
        if (statement) look(statement);
        else steady = false;
      });
    look(expr);
    return steady;
  };

  /** A reduction that joins the rows: `local` is the let in which it stands. */
  const joined = (op: Op, how: IrJoined['how'], of: IrExpr, local: string | null): IrExpr | null => {
    if (of.type.kind !== 'tensor' || op.type.kind !== 'tensor') return null;
    const weight = optionOf(op, 'weight') ?? null;
    const all = axesOf(op, of.type.shape.length);
    if (figure(of) || (weight && figure(weight)) || !all) return null;
    const rows = rowAxes(of.type, place.batchSizes);
    if (rows.length !== 1 || !rows.every((axis) => all.includes(axis))) return null;
    const sizes = op.type.shape.map(Number);
    const size = sizes.reduce((product, each) => product * each, 1);
    if (Number.isSafeInteger(size) && size > mostNumbers) {
      env.checker.report(
        wrongType(
          op.span,
          {
            what: `the total of \`${op.name}\``,
            found: `${size.toLocaleString('en-US')} numbers`,
            expected: `at most ${mostNumbers.toLocaleString('en-US')}`,
          },
          { help: 'join more axes' },
        ),
      );
      open.large = true;
      return null;
    }
    const values = local === null || isNamed(of) ? of : (splitLet(statements, local, of, place.unique) ?? of);
    const { span: at, type } = op;
    if (isScalar(op) && (how === 'mean' || how === 'sum') && rowsFit(of, weight))
      return part({ span: at, kind: how, values, weight }, number);
    const axes = isScalar(op) ? null : all;
    return part({ span: at, kind: 'joined', how, values, axes, weight }, axes ? type : number);
  };

  /** A call of `arrays`, or host arithmetic where it is one number. */
  const call = (expr: IrExpr, name: string, args: readonly IrExpr[]): IrExpr | null => {
    const { span: at, type } = expr;
    if (!isScalar(expr))
      return {
        kind: 'op',
        home: 'arrays',
        name,
        args,
        options: [],
        draw: null,
        free: false,
        span: at,
        type,
      };
    const op = operators[name];
    if (op !== undefined) return { kind: 'host', op, args, span: at, type: number };
    return totalFunctions.has(name) || name === 'neg'
      ? { kind: 'hostCall', fn: name, args, span: at, type: number }
      : null;
  };

  const allOf = (exprs: readonly IrExpr[], local: string | null): readonly IrExpr[] | null => {
    const found: IrExpr[] = [];
    for (const expr of exprs) {
      const one = finished(expr, local);
      if (!one) return null;
      found.push(one);
    }
    return found;
  };

  const reduced = (expr: Op, of: IrExpr, local: string | null): IrExpr | null => {
    const below = optionOf(expr, 'weight') ? null : finished(of, local);
    if (!below || of.type.kind !== 'tensor') return null;
    const axes = axesOf(expr, of.type.shape.length);
    if (!axes) return null;
    const { span: at } = expr;
    const axis: IrExpr = {
      kind: 'items',
      items: axes.map((value) => ({ kind: 'literal', value, span: at, type: { kind: 'int' } })),
      span: at,
      type: { kind: 'list', of: { kind: 'int' } },
    };
    const isOne = isScalar(expr);
    const options = isOne ? [] : [{ name: 'axis', value: axis }];
    const type = isOne ? number : expr.type;
    return { ...expr, home: 'arrays', args: [below], options, type, free: false };
  };

  const finished = (expr: IrExpr, local: string | null): IrExpr | null => {
    if (rowAxes(expr.type, place.batchSizes).length > 0) return null;
    if (expr.type.kind !== 'tensor') {
      if (isPlain(expr)) return expr;
      return isSteady(expr) ? kept(expr) : null;
    }
    if (expr.kind === 'op' && expr.name === 'vector' && expr.args.every(isPlain))
      return { ...expr, home: 'arrays' };
    if (isSteady(expr)) return kept(expr);
    if (expr.kind === 'ref' && expr.ref.kind === 'local') {
      const statement = lookUp(statements, expr.ref.name);
      return statement?.kind === 'let' ? finished(statement.value, expr.ref.name) : null;
    }
    if (expr.kind === 'slice') {
      const below = finished(expr.of, local);
      const plain = expr.slices.every((slice) =>
        slice.kind === 'at'
          ? isPlain(slice.at)
          : slice.kind === 'ellipsis' || [slice.from, slice.to].every((end) => end === null || isPlain(end)),
      );
      if (!below || !plain) return null;
      return { ...expr, of: below, home: 'arrays' };
    }
    if (expr.kind !== 'op' || expr.home !== 'ops' || expr.draw !== null) return null;
    const [first] = expr.args;
    if (!first) return null;
    if (isJoined(expr.name))
      return rowAxes(first.type, place.batchSizes).length > 0
        ? joined(expr, expr.name, first, local)
        : isScalar(first)
          ? null
          : reduced(expr, first, local);
    if (expr.name === 'stop_gradient') return finished(first, local);
    const known =
      operators[expr.name] !== undefined ||
      expr.name === 'neg' ||
      (totalFunctions.has(expr.name) && expr.name !== 'clamp') ||
      (comparisons.includes(expr.name) && !isScalar(expr));
    if (!known || expr.options.length > 0) return null;
    const args = allOf(expr.args, local);
    return args && call(expr, expr.name, args);
  };

  const ofTotal = (each: Total): IrExpr | null => {
    if (each.kind === 'host') {
      if (figure(each.ir)) return null;
      return isPlain(each.ir) && !isDevice(each.ir) ? each.ir : kept(each.ir);
    }
    if (each.kind === 'leaf') {
      const { reduction } = each;
      if (reduction.kind === 'each') return finished(reduction.value, null);
      return figure(reduction) ? null : part(reduction, number);
    }
    const args: IrExpr[] = [];
    for (const arg of each.args) {
      const one = ofTotal(arg);
      if (!one) return null;
      args.push(one);
    }
    return isOperator(each.op)
      ? { kind: 'host', op: each.op, args, span: each.span, type: number }
      : { kind: 'hostCall', fn: each.op, args, span: each.span, type: number };
  };

  const value = ofTotal(total);
  if (open.large) return 'too large';
  if (!value) return null;
  const [only, ...others] = parts;
  if (only && others.length === 0 && value.kind === 'ref' && value.ref.kind === 'part') return only.of;
  return { span, kind: 'derive', parts, value };
};

const isNamed = (expr: IrExpr): boolean =>
  expr.kind === 'ref' || expr.kind === 'literal' || (expr.kind === 'field' && isNamed(expr.of));

/** Whether `rows.mean` and `rows.sum` take a weight of this shape: one that is broadcast along rows is repeated. */
const rowsFit = (values: IrExpr, weight: IrExpr | null): boolean =>
  weight === null ||
  (values.type.kind === 'tensor' &&
    weight.type.kind === 'tensor' &&
    weight.type.shape.join() === values.type.shape.join());
