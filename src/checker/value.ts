/** What the checker knows of one expression: its type, its lowered form, and its value where that is known. */
import type { Span } from '../parser/source.js';
import { asConstant, constant as constantSize, type Size } from './dims/size.js';
import type { IrExpr, IrExprKind, IrReduction } from './ir.js';
import { boolType, floatType, intType, irType, stringType, unknownType, type Type } from './types.js';

export type Constant = number | string | boolean | null;

export interface Value {
  readonly span: Span;
  readonly type: Type;
  readonly ir: IrExpr;
  /** Of an int: its exact size. */
  readonly size: Size | null;
  /** Of `int / int`: the fraction, a size only where it is proven whole. */
  readonly ratio: { readonly numerator: Size; readonly denominator: Size } | null;
  /** Undefined where the value is not a constant. */
  readonly constant: Constant | undefined;
  /** In a step: the same value as running totals over rows. */
  readonly total: Total | null;
  /** Of what may be missing: which of its values are, a bool tensor of its shape. */
  readonly gap: Value | null;
  /** Of list and tuple literals. */
  readonly items: readonly Value[] | null;
  /** Of records that are written out or inlined. */
  readonly fields: ReadonlyMap<string, Value> | null;
}

/** Arithmetic over reductions, kept until it is known what the value is used for. */
export type Total =
  | { readonly kind: 'leaf'; readonly reduction: IrReduction }
  | { readonly kind: 'host'; readonly ir: IrExpr }
  | { readonly kind: 'op'; readonly op: string; readonly args: readonly Total[]; readonly span: Span };

export const value = (span: Span, type: Type, ir: IrExprKind, more: Partial<Value> = {}): Value => ({
  span,
  type,
  ir: { ...ir, span, type: irType(type) },
  size: null,
  ratio: null,
  constant: undefined,
  total: null,
  gap: null,
  items: null,
  fields: null,
  ...more,
});

export const unknownValue = (span: Span): Value => value(span, unknownType, { kind: 'literal', value: null });

export const isUnknown = (each: Value): boolean => each.type.kind === 'unknown';

export const literal = (span: Span, constant: Constant, type?: Type): Value => {
  const size = typeof constant === 'number' && Number.isSafeInteger(constant) ? constantSize(constant) : null;
  const own =
    type ??
    (constant === null
      ? { kind: 'none' as const }
      : typeof constant === 'string'
        ? stringType
        : typeof constant === 'boolean'
          ? boolType
          : size
            ? intType
            : floatType);
  return value(
    span,
    own,
    { kind: 'literal', value: constant },
    { constant, size: own.kind === 'int' ? size : null },
  );
};

/** The constant of a value whose size is known to be one number. */
export const constantOf = (each: Value): Constant | undefined => {
  if (each.constant !== undefined) return each.constant;
  const size = each.size ? asConstant(each.size) : null;
  return size ?? undefined;
};

export const withSpan = (each: Value, span: Span): Value => ({ ...each, span, ir: { ...each.ir, span } });

/** Whether a value is the same number as a default, so that it need not be said. */
export const isConstant = (found: Value, other: Value): boolean => {
  const a = constantOf(found);
  return a !== undefined && a === constantOf(other);
};
