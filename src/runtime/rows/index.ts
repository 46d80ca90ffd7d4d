/** Reductions over rows, the namespace `rows` of generated code. */
export { count, derive, each, last, mean, plus, sum, times } from './reduction.js';
export type { Columns, Figures, Reduction, Table, Term, Total, Totals } from './reduction.js';
export { joined } from './joined.js';
export type { JoinedHow, JoinedOptions } from './joined.js';
export { measured } from './measured.js';
export type { Measured, MeasuredOptions } from './measured.js';
