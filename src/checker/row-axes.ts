/**
 * Which axes of a tensor are the rows of a batch, which axes and rows a reduction joins, and which ops let rows meet.
 *
 * Known after this file: an op that is not said to let rows meet gives each row what it would give it in any other batch.
 */
import type { IrExpr, IrJoined, IrStepStmt, IrType } from './ir.js';

const sizesIn = (text: string): readonly string[] => text.match(/[A-Za-z_]\w*(?:\.\w+)*/g) ?? [];

const isOfBatch = (size: string, batches: ReadonlySet<string>): boolean =>
  sizesIn(size).some((name) => batches.has(name));

/** The axes of a type that are the rows of a batch. */
export const rowAxes = (type: IrType, batches: ReadonlySet<string>): readonly number[] =>
  type.kind !== 'tensor' ? [] : type.shape.flatMap((size, axis) => (isOfBatch(size, batches) ? [axis] : []));

/** Whether a tensor, or a tensor in a record, has rows of a batch. */
export const holdsRows = (type: IrType, batches: ReadonlySet<string>): boolean =>
  type.kind === 'record'
    ? type.fields.some((field) => holdsRows(field.type, batches))
    : type.kind === 'missing'
      ? holdsRows(type.of, batches)
      : rowAxes(type, batches).length > 0;

/** Whether a tensor is made of rows, and has none: of a record, whether one of its fields is. */
export const losesRows = (type: IrType, batches: ReadonlySet<string>): boolean =>
  type.kind === 'record'
    ? type.fields.some((field) => losesRows(field.type, batches))
    : type.kind === 'tensor' && !holdsRows(type, batches);

type Joined = Exclude<IrJoined['how'], 'last'>;
type Measured = Extract<IrStepStmt, { readonly kind: 'measure' }>['how'];

const measured: readonly string[] = ['mean', 'sum', 'variance', 'std', 'max_of', 'min_of'];

/** Reductions that a figure of the data may be. */
export const isMeasured = (name: string): name is Measured => measured.includes(name);

/** Reductions whose parts of batches are joined to a total. */
export const isJoined = (name: string): name is Joined => name === 'norm' || isMeasured(name);

type Op = IrExpr & { readonly kind: 'op' };

/** The axes that a reduction joins, counted from the front: all of them unless it says which; null where they are not written out. */
export const axesOf = (op: Op, rank: number): readonly number[] | null => {
  const given = op.options.find(({ name }) => name === 'axis')?.value;
  if (given === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const items = given.kind === 'items' ? given.items : [given];
  const axes = items.flatMap((item) =>
    item.kind === 'literal' && typeof item.value === 'number' ? [item.value] : [],
  );
  return axes.length < items.length ? null : axes.map((axis) => (axis < 0 ? axis + rank : axis));
};

const along = new Set(['softmax', 'log_softmax', 'unit', 'put']);

/** A size that is a product: its number and its names; null for others. */
const factorsOf = (size: string): { readonly number: number; readonly names: readonly string[] } | null => {
  const parts = size.split(' * ');
  if (!parts.every((part) => /^(\d+|[A-Za-z_]\w*(\.\w+)*)$/.test(part))) return null;
  return {
    number: parts.reduce((product, part) => product * (/^\d/.test(part) ? Number(part) : 1), 1),
    names: parts.filter((part) => !/^\d/.test(part)),
  };
};

/** Whether one size is a whole multiple of another, whatever their names stand for. */
const isMultiple = (size: string, of: string): boolean => {
  const [large, small] = [factorsOf(size), factorsOf(of)];
  if (!large || !small || large.number % small.number !== 0) return false;
  const rest = [...large.names];
  return small.names.every((name) => {
    const at = rest.indexOf(name);
    if (at >= 0) rest.splice(at, 1);
    return at >= 0;
  });
};

const endsWith = (sizes: readonly string[], end: readonly string[]): boolean =>
  end.length <= sizes.length && end.every((size, at) => size === sizes[sizes.length - end.length + at]);

/** Whether a `reshape` keeps apart what belongs to different rows: each row has become a whole number of others, next to one another. */
const keepsRows = (
  before: readonly string[],
  own: number,
  after: readonly string[],
  isGrouped: () => boolean,
): boolean => {
  const [from, to] = [before[own], after[own]];
  if (from === undefined || to === undefined) return false;
  if (!before.slice(0, own).every((size, axis) => size === after[axis])) return false;
  if (from === to) return true;
  const [inner, made] = [before.slice(own + 1), after.slice(own + 1)];
  if (isMultiple(to, from) || (!to.includes('/') && endsWith(inner, made))) return true;
  const splits = isMultiple(from, to) || (!to.includes('/') && endsWith(made, inner));
  return splits && isGrouped();
};

/** Whether rows of a batch lie behind one another in a way that no count of rows tells: after each other, or within another axis. */
export const piles = (op: Op, batches: ReadonlySet<string>): boolean => {
  const [first] = op.args.flatMap((arg) => (arg.kind === 'items' ? arg.items : [arg]));
  if (first?.type.kind !== 'tensor' || op.type.kind !== 'tensor') return false;
  const [own] = rowAxes(first.type, batches);
  if (own === undefined) return false;
  return op.name === 'concat'
    ? op.type.shape[own] !== first.type.shape[own]
    : op.name === 'flatten' && own > 1;
};

/** Whether rows meet in an op, or only some of them are left. `isGrouped`: whether what was made of each row lies together. */
export const meetsRows = (
  op: Op,
  batches: ReadonlySet<string>,
  isTraining: boolean,
  isGrouped: (of: IrExpr) => boolean,
): boolean => {
  const given = op.args.flatMap((arg) => (arg.kind === 'items' ? arg.items : [arg]));
  if (op.name === 'shuffle_rows' || op.name === 'rows_of')
    return !isTraining && given.some((arg) => holdsRows(arg.type, batches));
  const axes = given.map((arg) => rowAxes(arg.type, batches));
  if (axes.every((each) => each.length === 0)) return false;
  const [at, ...others] = rowAxes(op.type, batches);
  if (at === undefined || others.length > 0) return true;
  const [first] = given;
  const [own] = axes[0] ?? [];
  if (op.name === 'gather' || op.name === 'own_rows') return true;
  if (!first || first.type.kind !== 'tensor' || op.type.kind !== 'tensor') return false;
  const { shape } = first.type;
  switch (op.name) {
    case 'take':
      return own !== undefined;
    case 'reshape':
      return own !== at || !keepsRows(shape, own, op.type.shape, () => isGrouped(first));
    case 'pad':
      return own !== undefined && op.type.shape[own] !== shape[own];
    case 'concat':
      // Rows behind others are rows of the data as well; what is no row would be one of each batch.
      return axes.some((each) => each.length === 0);
    default: {
      if (!along.has(op.name)) return false;
      const axis = op.options.some(({ name }) => name === 'axis')
        ? axesOf(op, shape.length)
        : [shape.length - 1];
      return axis === null || axis.some((each) => each === own);
    }
  }
};
