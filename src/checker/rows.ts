/** A row's expression, written for a whole batch: axes move back by one, the batch's size goes in front. */
import { notBuilt } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import type { Env } from './env.js';
import type { IrExpr, IrMap, IrNamed, IrStmt, IrType } from './ir.js';
import { walkIr } from './ir-walk.js';

/** Operations on one row that are the same on many: element by element, or along axes counted from the end. */
const fromTheEnd = new Set(['softmax', 'log_softmax', 'unit', 'one_hot', 'matmul']);
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
  'unit',
]);
const refused = new Set([
  'flatten',
  'transpose',
  'pad',
  'put',
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
  'gradient',
  'shuffle_rows',
  'rows_of',
  'gather',
  'own_rows',
  'outer',
]);

const rankOf = (type: IrType): number => (type.kind === 'tensor' ? type.shape.length : 0);

const lifted = (type: IrType): IrType =>
  type.kind === 'tensor'
    ? { ...type, shape: ['n', ...type.shape] }
    : type.kind === 'missing'
      ? { ...type, of: lifted(type.of) }
      : type;

const moved = (value: IrExpr): IrExpr => {
  if (value.kind === 'items') return { ...value, items: value.items.map(moved) };
  if (value.kind === 'literal' && typeof value.value === 'number' && value.value >= 0)
    return { ...value, value: value.value + 1 };
  return value;
};

/** A row's tensor of fewer axes, brought to `rank` axes so that it still lines up from the end. */
const aligned = (arg: IrExpr, before: IrExpr, rank: number, rowwise: ReadonlySet<string>): IrExpr => {
  let at = arg;
  for (
    let missing = rank - rankOf(before.type);
    missing > 0 && before.type.kind === 'tensor' && usesRow(before, rowwise);
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

/** Whether a part reads the row, itself or by a local that was made of it. */
const usesRow = (part: unknown, rowwise: ReadonlySet<string>): boolean => {
  let found = false;
  walkIr(part, ({ kind, ref }) => {
    if (kind !== 'ref' || typeof ref !== 'object' || ref === null || !('kind' in ref)) return;
    const isLocal = ref.kind === 'local' && 'name' in ref && typeof ref.name === 'string';
    if (ref.kind === 'row' || (isLocal && rowwise.has(String(ref.name)))) found = true;
  });
  return found;
};

const refuse = (env: Env, span: Span, what: string): void =>
  env.checker.report(notBuilt(span, { what }, { help: 'make it in the step or in the model' }));

/** A map of one row, as a map of a batch of rows. Fields that cannot be are reported, and are in `refused`. */
export const liftMap = (
  env: Env,
  statements: readonly IrStmt[],
  fields: readonly IrNamed[],
): Pick<IrMap, 'body' | 'fields'> & { readonly refused: ReadonlySet<string> } => {
  const rowwise = new Set<string>();
  const body = statements.map((statement) => liftStatement(env, statement, rowwise));
  const refused = new Set<string>();
  const made = fields.map(({ name, value }) => {
    const { result, diagnostics } = env.checker.capture(() => {
      const at = liftRow(env, value, rowwise);
      if (!usesRow(value, rowwise) && !draws(value))
        refuse(env, value.span, `a field of \`map\` that reads nothing of the row (\`${name}\`)`);
      return at;
    });
    diagnostics.forEach(env.checker.report);
    if (diagnostics.length > 0) refused.add(name);
    return { name, value: result };
  });
  return { body, fields: made, refused };
};

const liftStatement = (env: Env, statement: IrStmt, rowwise: Set<string>): IrStmt => {
  if (statement.kind === 'let') {
    const value = liftRow(env, statement.value, rowwise);
    if (usesRow(statement.value, rowwise)) rowwise.add(statement.name);
    return { ...statement, value };
  }
  // Maps have no weights and no branches that are statements; what is left are turns.
  if (statement.kind !== 'fold' || !usesRow(statement, rowwise)) return statement;
  if (!usesRow(statement.from, rowwise))
    refuse(env, statement.span, 'a `repeat` in `map` that starts without the row');
  const from = liftRow(env, statement.from, rowwise);
  rowwise.add(statement.name);
  const body = statement.body.map((each) => liftStatement(env, each, rowwise));
  return { ...statement, from, body, value: liftRow(env, statement.value, rowwise) };
};

/** Whether a part draws random numbers: one draw for a batch would be the same for all of its rows. */
const draws = (part: unknown): boolean => {
  let found = false;
  walkIr(part, ({ draw }) => {
    if (typeof draw === 'string') found = true;
  });
  return found;
};

const liftRow = (env: Env, expr: IrExpr, rowwise: ReadonlySet<string>): IrExpr => {
  if (!usesRow(expr, rowwise) && !draws(expr)) return expr;
  switch (expr.kind) {
    case 'ref':
    case 'field':
      return { ...expr, type: lifted(expr.type) };
    case 'slice':
      return {
        ...expr,
        of: liftRow(env, expr.of, rowwise),
        slices: [{ kind: 'range', from: null, to: null }, ...expr.slices],
        type: lifted(expr.type),
      };
    case 'record':
      return {
        ...expr,
        fields: expr.fields.map(({ name, value }) => ({ name, value: liftRow(env, value, rowwise) })),
        type: lifted(expr.type),
      };
    case 'items':
      return { ...expr, items: expr.items.map((item) => liftRow(env, item, rowwise)) };
    case 'op': {
      // An extern takes what it declares, which is one row.
      if (refused.has(expr.name) || expr.draw !== null || expr.home.startsWith('extern:')) {
        refuse(env, expr.span, `\`${expr.name}\` in \`map\``);
        return expr;
      }
      const rank = Math.max(...expr.args.map((arg) => rankOf(arg.type)), 0);
      const elementwise =
        !alongAxes.has(expr.name) &&
        !fromTheEnd.has(expr.name) &&
        expr.name !== 'reshape' &&
        expr.name !== 'cast';
      const args = expr.args.map((arg) => {
        const up = liftRow(env, arg, rowwise);
        return elementwise ? aligned(up, arg, rank, rowwise) : up;
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
        then: liftRow(env, expr.then, rowwise),
        else: liftRow(env, expr.else, rowwise),
        type: lifted(expr.type),
      };
    default:
      return expr;
  }
};
