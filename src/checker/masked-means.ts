/**
 * `sum(mask * loss) / sum(mask)` in a loss is a mean with a weight: told as such, it has a denominator of its own, and a window of
 * batches gives exactly the gradient of the one big batch.
 */
import { lookUp } from './batch-figures.js';
import type { IrExpr, IrReduction, IrStepStmt } from './ir.js';
import { expressionsOf, partsOf } from './training/walk.js';

/** Two expressions that read alike; where they stand does not matter. */
const textOf = (expr: IrExpr): string =>
  JSON.stringify(expr, (key, value: unknown) => (key === 'span' ? undefined : value));

/**
 * Whether no gradient comes out of a value: numbers that are no f32, and what is computed without a model. The weight of a mean is
 * such a value; a sum of others is differentiated as well.
 */
const isFixed = (expr: IrExpr, statements: readonly IrStepStmt[], seen: Set<string>): boolean => {
  if (expr.type.kind === 'tensor' && expr.type.dtype !== 'f32') return true;
  if (expr.kind === 'model' || expr.kind === 'apply') return false;
  if (expr.kind === 'op' && expr.name === 'stop_gradient') return true;
  if (expr.kind === 'ref' && expr.ref.kind === 'local') {
    const { name } = expr.ref;
    if (seen.has(name)) return true;
    seen.add(name);
    const statement = lookUp(statements, name);
    return (
      statement !== undefined && expressionsOf(statement).every((each) => isFixed(each, statements, seen))
    );
  }
  if (expr.kind === 'ref' && expr.ref.kind === 'weight') return false;
  return partsOf(expr).every((each) => isFixed(each, statements, seen));
};

/** What makes means of a quotient of sums: null where the two are no sums that a weight tells apart. */
export type Masked = (sum: IrReduction, by: IrReduction) => IrReduction | null;

export const maskedIn = (statements: readonly IrStepStmt[]): Masked => {
  const plain = (reduction: IrReduction): IrReduction => {
    const statement = reduction.kind === 'named' ? lookUp(statements, reduction.name) : undefined;
    return statement?.kind === 'reduce' ? plain(statement.value) : reduction;
  };
  return (given, over) => {
    const [sum, by] = [plain(given), plain(over)];
    if (sum.kind !== 'sum' || by.kind !== 'sum' || sum.weight || by.weight) return null;
    const weight = by.values;
    const product = sum.values;
    if (product.kind !== 'op' || product.home !== 'ops' || product.name !== 'mul') return null;
    const text = textOf(weight);
    const at = product.args.findIndex((arg) => textOf(arg) === text);
    const values = product.args[1 - at];
    if (at < 0 || values === undefined || product.args.length !== 2) return null;
    // One weight for each value: another shape is broadcast, and would count more than once.
    const shapes = [values, weight].map(({ type }) => (type.kind === 'tensor' ? type.shape.join() : null));
    if (shapes[0] === null || shapes[0] !== shapes[1]) return null;
    return isFixed(weight, statements, new Set()) ? { ...sum, kind: 'mean', values, weight } : null;
  };
};
