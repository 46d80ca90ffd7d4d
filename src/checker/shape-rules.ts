/** Shape rules of functions that rearrange values. */
import {
  notKnown,
  outOfLimits,
  reshapeCount,
  wrongDtype,
  wrongRank,
  wrongSize,
  wrongType,
} from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { add, asConstant, constant, mul, noSize, showSize, type Size } from './dims/size.js';
import { castHelp, product } from './operators.js';
import { aType, showShape, tensorType, type TensorType } from './types.js';
import { judgeOrder, judgeSizes } from './judging.js';
import { showWitness, sizeOfValue } from './patterns.js';
import { type RuleCall, type Rule, tensorArg, axisOf } from './rules.js';
import { counted } from '../values/counted.js';

/** Sizes of a `shape` argument. */
export const shapeArgument = (call: RuleCall): readonly Size[] | null => {
  const given = call.args.get('shape');
  if (!given) return null;
  if (!given.items) {
    call.env.checker.report(
      wrongType(given.span, {
        what: '`shape`',
        found: aType(given.type),
        expected: 'a list of sizes like `[n, 10]`',
      }),
    );
    return null;
  }
  const sizes: Size[] = [];
  for (const item of given.items) {
    if (item.type.kind === 'unknown') return null;
    if (item.size) sizes.push(item.size);
    else if (item.ratio) {
      const size = sizeOfValue(call.env, item);
      if (!size) return null;
      sizes.push(size);
    } else if (item.type.kind === 'int') sizes.push(noSize);
    else {
      call.env.checker.report(
        item.type.kind === 'tensor'
          ? notKnown(item.span, { what: 'a size', name: aType(item.type) })
          : wrongType(item.span, { what: 'a size', found: aType(item.type), expected: 'an int' }),
      );
      return null;
    }
  }
  return sizes;
};

export const reshape: Rule = (call) => {
  const x = tensorArg(call, 'x');
  const shape = shapeArgument(call);
  if (!x || !shape) return null;
  const before = product(x.shape);
  const after = product(shape);
  const { verdict, witness } = judgeSizes(call.env, before, after);
  if (verdict === 'never' || verdict === 'refuted') {
    const input = call.args.get('x');
    call.env.checker.report(
      reshapeCount(call.span, {
        label: showSize(after),
        ...(input ? { related: [{ span: input.span, label: showSize(before) }] } : {}),
        notes: [
          `${showShape(x.shape)} holds ${showSize(before)} values, ${showShape(shape)} holds ${showSize(after)}`,
          ...(witness && witness.values.length > 0
            ? [
                `with ${witness.values.map(([name, number]) => `${name} = ${number}`).join(', ')}: ${witness.left} and ${witness.right}`,
              ]
            : []),
        ],
        ...(shape.some((size) => (asConstant(size) ?? 0) < 0)
          ? {
              help: `a size is not left open by -1: write it, such as \`${x.shape[0] ? showSize(x.shape[0]) : 'n'}\`, or \`flatten()\``,
            }
          : {}),
      }),
    );
    return null;
  }
  return tensorType(x.dtype, shape, x.below);
};

export const flatten: Rule = (call) => {
  const x = tensorArg(call, 'x');
  if (!x) return null;
  const [first, ...rest] = x.shape;
  if (!first) {
    call.env.checker.report(
      wrongRank(call.span, { what: 'the input of `flatten`', found: '0', expected: '1 or more' }),
    );
    return null;
  }
  return tensorType(x.dtype, [first, product(rest)], x.below);
};

export const squeeze: Rule = (call) => {
  const x = tensorArg(call, 'x');
  const given = call.args.get('axis');
  if (!x || !given) return null;
  const axis = axisOf(call.env, given, x.shape.length, 'the input of `squeeze`');
  if (axis === null) return null;
  const size = x.shape[axis];
  if (size && asConstant(size) !== 1) {
    call.env.checker.report(
      wrongSize(
        given.span,
        { what: `axis ${axis} of the input of \`squeeze\``, found: showSize(size), expected: '1' },
        { notes: [`the input is ${showShape(x.shape)}`] },
      ),
    );
    return null;
  }
  return tensorType(
    x.dtype,
    x.shape.filter((_, each) => each !== axis),
    x.below,
  );
};

export const expandDims: Rule = (call) => {
  const x = tensorArg(call, 'x');
  const given = call.args.get('axis');
  if (!x || !given) return null;
  const axis = axisOf(call.env, given, x.shape.length + 1, 'the result of `expand_dims`');
  if (axis === null) return null;
  return tensorType(x.dtype, [...x.shape.slice(0, axis), constant(1), ...x.shape.slice(axis)], x.below);
};

export const transpose: Rule = (call) => {
  const x = tensorArg(call, 'x');
  if (!x) return null;
  const rank = x.shape.length;
  const given = call.args.get('axes');
  if (!given || given.type.kind === 'none') {
    if (rank < 2) {
      call.env.checker.report(
        wrongRank(call.span, { what: 'the input of `transpose`', found: `${rank}`, expected: '2 or more' }),
      );
      return null;
    }
    const [a, b] = [x.shape.at(-1), x.shape.at(-2)];
    return a && b ? tensorType(x.dtype, [...x.shape.slice(0, -2), a, b], x.below) : null;
  }
  const axes = (given.items ?? []).map((each) => axisOf(call.env, each, rank, 'the input of `transpose`'));
  if (axes.includes(null)) return null;
  if (axes.length !== rank || new Set(axes).size !== rank) {
    call.env.checker.report(
      wrongType(given.span, {
        what: '`axes`',
        found: counted(axes.length, 'axis', 'axes'),
        expected: `each of the ${counted(rank, 'axis', 'axes')} once`,
      }),
    );
    return null;
  }
  return tensorType(
    x.dtype,
    axes.flatMap((axis) => (axis === null ? [] : (x.shape[axis] ?? []))),
    x.below,
  );
};

const tensorsArg = (call: RuleCall): readonly { readonly type: TensorType; readonly span: Span }[] | null => {
  const given = call.args.get('parts');
  const items = given?.items;
  if (!given || !items || items.length === 0) {
    if (given && given.type.kind !== 'unknown') {
      call.env.checker.report(
        wrongType(given.span, {
          what: `\`parts\` of \`${call.name}\``,
          found: aType(given.type),
          expected: 'a list of tensors',
        }),
      );
    }
    return null;
  }
  const parts: { readonly type: TensorType; readonly span: Span }[] = [];
  for (const item of items) {
    if (item.type.kind === 'unknown') return null;
    // A row's number is a tensor without axes once rows are batched.
    const type = item.type.kind === 'tensor' ? item.type : null;
    if (!type) {
      call.env.checker.report(
        wrongType(item.span, {
          what: `a part of \`${call.name}\``,
          found: aType(item.type),
          expected: 'a tensor',
        }),
      );
      return null;
    }
    parts.push({ type, span: item.span });
  }
  return parts;
};

export const concat: Rule = (call) => {
  const parts = tensorsArg(call);
  const [first, ...others] = parts ?? [];
  const given = call.args.get('axis');
  if (!first || !given) return null;
  const axis = axisOf(call.env, given, first.type.shape.length, 'the parts of `concat`');
  if (axis === null) return null;
  let along = first.type.shape[axis] ?? constant(0);
  for (const part of others) {
    if (!sameExcept(call, first.type, part.type, part.span, axis)) return null;
    along = add(along, part.type.shape[axis] ?? constant(0));
  }
  return tensorType(
    first.type.dtype,
    first.type.shape.map((size, each) => (each === axis ? along : size)),
  );
};

const sameExcept = (
  call: RuleCall,
  first: TensorType,
  part: TensorType,
  span: Span,
  except: number,
): boolean => {
  if (part.dtype !== first.dtype) {
    call.env.checker.report(
      wrongDtype(
        span,
        { what: `a part of \`${call.name}\``, found: part.dtype, expected: first.dtype },
        { help: castHelp(part.dtype) },
      ),
    );
    return false;
  }
  if (part.shape.length !== first.shape.length) {
    call.env.checker.report(
      wrongRank(span, {
        what: `a part of \`${call.name}\``,
        found: `${part.shape.length}`,
        expected: `${first.shape.length}, as the first has,`,
      }),
    );
    return false;
  }
  for (const [axis, size] of part.shape.entries()) {
    const expected = first.shape[axis];
    if (axis === except || !expected) continue;
    const { verdict } = judgeSizes(call.env, size, expected);
    if (verdict === 'never' || verdict === 'refuted') {
      call.env.checker.report(
        wrongSize(
          span,
          {
            what: `axis ${axis} of a part of \`${call.name}\``,
            found: showSize(size),
            expected: showSize(expected),
          },
          { notes: [`the parts are ${showShape(first.shape)} and ${showShape(part.shape)}`] },
        ),
      );
      return false;
    }
  }
  return true;
};

export const stack: Rule = (call) => {
  const parts = tensorsArg(call);
  const [first, ...others] = parts ?? [];
  const given = call.args.get('axis');
  if (!parts || !first || !given) return null;
  const axis = axisOf(call.env, given, first.type.shape.length + 1, 'the result of `stack`');
  if (axis === null) return null;
  if (!others.every((part) => sameExcept(call, first.type, part.type, part.span, -1))) return null;
  return tensorType(first.type.dtype, [
    ...first.type.shape.slice(0, axis),
    constant(parts.length),
    ...first.type.shape.slice(axis),
  ]);
};

export const repeatAxis: Rule = (call) => {
  const x = tensorArg(call, 'x');
  const count = call.args.get('count')?.size;
  const given = call.args.get('axis');
  if (!x || !count || !given) return null;
  const axis = axisOf(call.env, given, x.shape.length, 'the input of `repeat_axis`');
  if (axis === null) return null;
  return tensorType(
    x.dtype,
    x.shape.map((size, each) => (each === axis ? mul(size, count) : size)),
    x.below,
  );
};

/** A slice of x replaced: x's own type, where the value has the slice's and there is one at this place. */
export const put: Rule = (call) => {
  const [x, part] = [tensorArg(call, 'x'), tensorArg(call, 'value')];
  const [value, at, given] = ['value', 'at', 'axis'].map((name) => call.args.get(name));
  if (!x || !part || !value || !at || !given) return null;
  const axis = axisOf(call.env, given, x.shape.length, 'the input of `put`');
  const length = axis === null ? undefined : x.shape[axis];
  if (axis === null || length === undefined) return null;
  const slice = tensorType(
    x.dtype,
    x.shape.filter((_, each) => each !== axis),
  );
  if (!sameExcept(call, slice, part, value.span, -1)) return null;
  if (at.size) {
    const { verdict, witness } = judgeOrder(call.env, add(at.size, constant(1)), length);
    if (verdict === 'never' || verdict === 'refuted') {
      call.env.checker.report(
        outOfLimits(
          at.span,
          { what: '`at` of `put`', value: showSize(at.size), text: `at < ${showSize(length)}` },
          verdict === 'refuted' && witness ? { notes: [`not so with ${showWitness(witness)}`] } : {},
        ),
      );
      return null;
    }
  }
  return tensorType(x.dtype, x.shape);
};

export const pad: Rule = (call) => {
  const x = tensorArg(call, 'x');
  const by = call.args.get('by');
  if (!x || !by) return null;
  const pairs = by.items?.map((item) => item.items);
  if (!pairs || pairs.length !== x.shape.length || pairs.some((pair) => pair?.length !== 2)) {
    call.env.checker.report(
      wrongType(by.span, {
        what: '`by`',
        found: aType(by.type),
        expected: `a list of ${x.shape.length} pairs (before, after)`,
      }),
    );
    return null;
  }
  const shape = x.shape.map((size, axis) => {
    const [before, after] = pairs[axis] ?? [];
    return before?.size && after?.size ? add(size, add(before.size, after.size)) : noSize;
  });
  return tensorType(x.dtype, shape);
};
