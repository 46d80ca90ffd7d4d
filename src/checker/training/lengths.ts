/** Lengths and times that a spec writes, with their numbers as far as those are known before the run. */
import type { Duration } from '../../values/units.js';
import { evaluateIr } from '../evaluate.js';
import type { IrExpr, Unit } from '../ir.js';
import type { Run } from './run.js';

const units: ReadonlyMap<Unit, Duration['unit']> = new Map<Unit, Duration['unit']>([
  ['steps', 'steps'],
  ['epochs', 'epochs'],
  ['batches', 'batches'],
  ['samples', 'samples'],
  ['percent', 'percent'],
  ['seconds', 'time'],
]);

/** A length or a time above 0; null for what is none, or is not known. */
export const durationOf = (expr: IrExpr | null, run: Run): Duration | null => {
  if (expr?.kind === 'rest') return { unit: 'rest', value: 1 };
  if (expr?.kind !== 'quantity') return null;
  const value = evaluateIr(expr, run.names);
  const unit = units.get(expr.unit);
  return typeof value === 'number' && value > 0 && unit !== undefined ? { unit, value } : null;
};

/** A length in steps, or in what comes to steps; null for a time as well, which no count of steps is known for. */
export const lengthOf = (expr: IrExpr | null, run: Run): Duration | null => {
  const duration = durationOf(expr, run);
  return duration?.unit === 'time' ? null : duration;
};

/** When an average begins: a length of 0 is none elsewhere; here it is the start of the run. */
export const beginningOf = (expr: IrExpr | null, run: Run): Duration | null =>
  expr !== null && evaluateIr(expr, run.names) === 0 ? { unit: 'steps', value: 0 } : durationOf(expr, run);
