/** A row's expression, written for a whole batch: axes move back by one, the batch's size goes in front. */
import { notBuilt } from '../parser/messages.gen.js';
import type { Env } from './env.js';
import type { IrExpr, IrNamed, IrType } from './ir.js';

/** Operations on one row that are the same on many: element by element, or along axes counted from the end. */
const fromTheEnd = new Set(['softmax', 'log_softmax', 'one_hot', 'matmul']);
const alongAxes = new Set([
  'sum',
  'mean',
  'max_of',
  'min_of',
  'variance',
  'std',
  'norm',
  'log_sum_exp',
  'argmax',
  'argmin',
  'squeeze',
  'expand_dims',
  'concat',
  'stack',
  'repeat_axis',
  'softmax',
  'log_softmax',
]);
const refused = new Set([
  'flatten',
  'transpose',
  'pad',
  'range',
  'zeros',
  'ones',
  'take',
  'split_heads',
  'merge_heads',
  'causal_mask',
  'attention',
  'max_pool',
  'avg_pool',
  'global_avg_pool',
  'global_max_pool',
  'normal',
  'uniform',
  'normal_like',
  'uniform_like',
  'in_top',
]);

const rankOf = (type: IrType): number => (type.kind === 'tensor' ? type.shape.length : 0);

const lifted = (type: IrType): IrType =>
  type.kind === 'tensor' ? { ...type, shape: ['n', ...type.shape] } : type;

const moved = (value: IrExpr): IrExpr => {
  if (value.kind === 'items') return { ...value, items: value.items.map(moved) };
  if (value.kind === 'literal' && typeof value.value === 'number' && value.value >= 0)
    return { ...value, value: value.value + 1 };
  return value;
};

/** A row's tensor of fewer axes, brought to `rank` axes so that it still lines up from the end. */
const aligned = (arg: IrExpr, before: IrExpr, rank: number): IrExpr => {
  let at = arg;
  for (
    let missing = rank - rankOf(before.type);
    missing > 0 && before.type.kind === 'tensor' && usesRow(before);
    missing -= 1
  ) {
    at = {
      kind: 'op',
      home: 'ops',
      name: 'expand_dims',
      args: [at],
      options: [
        { name: 'axis', value: { kind: 'literal', value: 1, span: arg.span, type: { kind: 'int' } } },
      ],
      draw: null,
      free: true,
      span: arg.span,
      type:
        at.type.kind === 'tensor'
          ? { ...at.type, shape: [at.type.shape[0] ?? 'n', '1', ...at.type.shape.slice(1)] }
          : at.type,
    };
  }
  return at;
};

const usesRow = (expr: IrExpr): boolean => JSON.stringify(expr).includes('"kind":"row"');

export const liftRow = (env: Env, expr: IrExpr): IrExpr => {
  if (!usesRow(expr)) return expr;
  switch (expr.kind) {
    case 'field':
      return { ...expr, type: lifted(expr.type) };
    case 'slice':
      return {
        ...expr,
        of: liftRow(env, expr.of),
        slices: [{ kind: 'range', from: null, to: null }, ...expr.slices],
        type: lifted(expr.type),
      };
    case 'items':
      return { ...expr, items: expr.items.map((item) => liftRow(env, item)) };
    case 'op': {
      if (refused.has(expr.name)) {
        env.checker.report(
          notBuilt(
            expr.span,
            { what: `\`${expr.name}\` in \`map\`` },
            { help: 'apply it in the step or in the model' },
          ),
        );
        return expr;
      }
      const rank = Math.max(...expr.args.map((arg) => rankOf(arg.type)), 0);
      const elementwise =
        !alongAxes.has(expr.name) &&
        !fromTheEnd.has(expr.name) &&
        expr.name !== 'reshape' &&
        expr.name !== 'cast';
      const args = expr.args.map((arg) => {
        const up = liftRow(env, arg);
        return elementwise ? aligned(up, arg, rank) : up;
      });
      const options: IrNamed[] = expr.options.map((option) => {
        if (option.name === 'axis' && alongAxes.has(expr.name))
          return { ...option, value: moved(option.value) };
        if (option.name === 'shape' && option.value.kind === 'items') {
          const front: IrExpr = { kind: 'literal', value: -1, span: expr.span, type: { kind: 'int' } };
          return { ...option, value: { ...option.value, items: [front, ...option.value.items] } };
        }
        return option;
      });
      // A reduction of everything in a row keeps the rows apart.
      if (
        alongAxes.has(expr.name) &&
        !options.some((option) => option.name === 'axis') &&
        /^(sum|mean|max_of|min_of|variance|std|norm|log_sum_exp)$/.test(expr.name)
      ) {
        const items = Array.from({ length: rank }, (_, axis): IrExpr => ({
          kind: 'literal',
          value: axis + 1,
          span: expr.span,
          type: { kind: 'int' },
        }));
        options.push({
          name: 'axis',
          value: { kind: 'items', items, span: expr.span, type: { kind: 'list', of: { kind: 'int' } } },
        });
      }
      return { ...expr, args, options, free: expr.free, type: lifted(expr.type) };
    }
    case 'choose':
      return {
        ...expr,
        then: liftRow(env, expr.then),
        else: liftRow(env, expr.else),
        type: lifted(expr.type),
      };
    default:
      return expr;
  }
};
