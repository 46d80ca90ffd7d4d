/** Reductions over rows, in the IR. */
import type { Span } from '../parser/source.js';
import type { IrExpr, IrNamed } from './ir.js';

/** A total that is no plain sum, or has axes of its own. It is no term of a loss. */
export interface IrJoined {
  readonly kind: 'joined';
  /** `last` keeps a whole tensor without rows as it is. */
  readonly how: 'mean' | 'sum' | 'variance' | 'std' | 'max_of' | 'min_of' | 'norm' | 'last';
  readonly values: IrExpr;
  /** The axes that are joined, the rows' among them; null where all are, and it is one number. */
  readonly axes: readonly number[] | null;
  /** Of a mean; of a shape that broadcasts to the values'. */
  readonly weight: IrExpr | null;
}

/** What is summed over rows (numerator and denominator apart) and finished once, on the host. */
export type IrReduction = { readonly span: Span } & (
  | { readonly kind: 'mean' | 'sum'; readonly values: IrExpr; readonly weight: IrExpr | null }
  /** A scalar in which no rows are left: its mean over micro-batches (`each`), or its last value. */
  | { readonly kind: 'each' | 'last'; readonly value: IrExpr }
  /** A host number, or a schedule (a scalar tensor), times a reduction. */
  | { readonly kind: 'times'; readonly by: IrExpr; readonly of: IrReduction }
  | IrJoined
  /** A metric of the prelude, or of the extern's file `module`; `figures` where that is several numbers. */
  | {
      readonly kind: 'metric';
      readonly metric: string;
      readonly module?: string;
      readonly figures?: readonly string[];
      readonly args: readonly IrExpr[];
      readonly options: readonly IrNamed[];
    }
  /** Arithmetic on finished reductions; `value` is over host numbers and, with ops at home in `arrays`, host arrays (`ref part`). */
  | {
      readonly kind: 'derive';
      readonly parts: readonly { readonly name: string; readonly of: IrReduction }[];
      readonly value: IrExpr;
    }
  /** A reduction under a name; `finished` where it is a metric of the prelude. */
  | { readonly kind: 'named'; readonly name: string; readonly finished?: true }
);
