/** Indexing: slices of tensors, elements of lists. */
import type { Expr, IndexExpr } from '../parser/ast.js';
import { notKnown, tooManyArguments, wrongRank, wrongSize, wrongType } from '../parser/messages.gen.js';
import {
  add,
  asConstant,
  constant as constantSize,
  noSize,
  showSize,
  sub,
  symbol,
  type Size,
} from './dims/size.js';
import type { Env } from './env.js';
import type { IrExpr, IrSlice } from './ir.js';
import { sizeOfValue } from './patterns.js';
import { hasMasks, isMissing, present, withGap } from './missing.js';
import { mayHold } from './start-tests.js';
import { sizeCode } from './size-code.js';
import { aType, showType, tensorType } from './types.js';
import { constantOf, isUnknown, unknownValue, value, type Value } from './value.js';
import { checkExpr } from './expressions.js';
import { counted } from '../values/counted.js';

export const checkIndex = (env: Env, expr: IndexExpr): Value => {
  const of = checkExpr(env, expr.object);
  if (isUnknown(of)) return unknownValue(expr.span);
  if (isMissing(of)) {
    if (!hasMasks(env, [of])) return unknownValue(expr.span);
    const made = indexed(env, expr, present(of));
    const { gap } = of;
    if (!gap || made.ir.kind !== 'slice') return made;
    const { slices } = made.ir;
    const shape = made.type.kind === 'tensor' ? made.type.shape : [];
    return withGap(made, value(expr.span, tensorType('bool', shape), { kind: 'slice', of: gap.ir, slices }));
  }
  return indexed(env, expr, of);
};

const indexed = (env: Env, expr: IndexExpr, of: Value): Value => {
  if (of.type.kind === 'list') return listElement(env, expr, of);
  if (of.type.kind !== 'tensor') {
    env.checker.report(
      wrongType(expr.object.span, {
        what: 'what is indexed',
        found: aType(of.type),
        expected: 'a tensor or a list',
      }),
    );
    return unknownValue(expr.span);
  }
  const { shape, dtype, below } = of.type;
  const given = expr.slices.filter((slice) => slice.kind !== 'ellipsis').length;
  if (given > shape.length) {
    env.checker.report(
      wrongRank(expr.span, {
        what: 'the indexed tensor',
        found: `${shape.length} (${showType(of.type)})`,
        expected: `${given} or more`,
      }),
    );
    return unknownValue(expr.span);
  }
  if (expr.slices.length - given > 1) {
    env.checker.report(
      tooManyArguments(expr.span, {
        owner: 'an index',
        expected: 'one `...`',
        found: `${expr.slices.length - given}`,
      }),
    );
    return unknownValue(expr.span);
  }
  const out: Size[] = [];
  const slices: IrSlice[] = [];
  let axis = 0;
  const skip = shape.length - given;
  for (const slice of expr.slices) {
    if (slice.kind === 'ellipsis') {
      out.push(...shape.slice(axis, axis + skip));
      axis += skip;
      slices.push({ kind: 'ellipsis' });
      continue;
    }
    const size = shape[axis] ?? noSize;
    if (slice.kind === 'at') {
      const index = checkExpr(env, slice.at);
      if (isUnknown(index)) return unknownValue(expr.span);
      if (index.type.kind === 'tensor') {
        env.checker.report(
          notKnown(
            slice.at.span,
            { what: 'an index', name: aType(index.type) },
            { help: 'write `take(table, index)` to look rows up by a tensor' },
          ),
        );
        return unknownValue(expr.span);
      }
      const at = sizeOfValue(env, index, slice.at.span);
      if (!at) return unknownValue(expr.span);
      const number = asConstant(at);
      const room = asConstant(size);
      if (number !== null && room !== null && (number >= room || number < -room)) {
        env.checker.report(
          wrongType(
            slice.at.span,
            { what: 'the index', found: `${number}`, expected: `${-room} to ${room - 1}` },
            { help: `the axis holds ${room}, counted from 0; negative ones count from its end` },
          ),
        );
        return unknownValue(expr.span);
      }
      const what = `the index of axis ${axis}`;
      const first = constantSize(1);
      if (number === null && !mayHold(env, what, slice.at.span, add(at, first), size))
        return unknownValue(expr.span);
      slices.push({ kind: 'at', at: index.ir });
    } else {
      const end = (bound: Expr | null): { readonly size: Size; readonly ir: IrExpr } | null | undefined => {
        if (!bound) return null;
        const found = checkExpr(env, bound);
        const at = sizeOfValue(env, found, bound.span);
        if (!at) return undefined;
        const number = asConstant(at);
        const exact =
          found.ratio || found.ir.kind === 'host' ? sizeCode(at, env.place, bound.span) : found.ir;
        return {
          size: number !== null && number < 0 ? add(size, at) : at,
          ir: found.ratio ? exact : found.ir,
        };
      };
      const from = end(slice.from);
      const to = end(slice.to);
      if (from === undefined || to === undefined) return unknownValue(expr.span);
      const low = from?.size ?? constantSize(0);
      const high = to?.size ?? size;
      const length = sub(high, low);
      const room = asConstant(sub(size, high));
      const count = asConstant(length);
      const start = asConstant(low);
      if ((room !== null && room < 0) || (count !== null && count < 1) || (start !== null && start < 0)) {
        env.checker.report(
          wrongSize(slice.span, {
            what: `the range on axis ${axis}`,
            found: `${showSize(low)} to ${showSize(high)}`,
            expected: `1 or more of the ${showSize(size)} there`,
          }),
        );
        return unknownValue(expr.span);
      }
      const what = `the range on axis ${axis}`;
      const rest = [constantSize(1), constantSize(0)] as const;
      if (
        (to && !mayHold(env, `the end of ${what}`, slice.span, high, size)) ||
        (from && start === null && !mayHold(env, `the start of ${what}`, slice.span, rest[1], low)) ||
        (count === null && !mayHold(env, `the length of ${what}`, slice.span, rest[0], length))
      )
        return unknownValue(expr.span);
      out.push(length);
      slices.push({ kind: 'range', from: from?.ir ?? null, to: to?.ir ?? null });
    }
    axis += 1;
  }
  out.push(...shape.slice(axis));
  return value(expr.span, tensorType(dtype, out, below), { kind: 'slice', of: of.ir, slices });
};

const listElement = (env: Env, expr: IndexExpr, of: Value): Value => {
  const [slice, ...more] = expr.slices;
  if (slice?.kind !== 'at' || more.length > 0) {
    env.checker.report(
      wrongType(expr.span, { what: 'the index of a list', found: 'a range', expected: 'one int' }),
    );
    return unknownValue(expr.span);
  }
  const index = checkExpr(env, slice.at);
  if (isUnknown(index) || of.type.kind !== 'list') return unknownValue(expr.span);
  const number = constantOf(index);
  const length = of.type.length ?? of.items?.length ?? null;
  if (typeof number === 'number' && length !== null && (number < 0 || number >= length)) {
    env.checker.report(
      wrongType(
        slice.at.span,
        { what: 'the index', found: `${number}`, expected: `0 to ${length - 1}` },
        { help: `the list has ${counted(length, 'item')}, counted from 0` },
      ),
    );
    return unknownValue(expr.span);
  }
  const item = typeof number === 'number' ? of.items?.[number] : undefined;
  const ir = { kind: 'element' as const, of: of.ir, index: index.ir };
  if (item) return value(expr.span, item.type, ir, { size: item.size, constant: item.constant });
  if (of.type.of.kind !== 'int') return value(expr.span, of.type.of, ir);
  const key =
    typeof number === 'number' && expr.object.kind === 'ref'
      ? `${expr.object.name}.${number}`
      : `element_${expr.id}`;
  env.place.symbols.set(key, ir);
  return value(expr.span, of.type.of, ir, { size: symbol(key) });
};
