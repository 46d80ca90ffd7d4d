/**
 * Values of which some may be missing (`f32 | missing`). Each has a mask beside it, its gap: what is computed of them is
 * computed of what stands in their place and of the masks apart, so that nothing is missing but what was in the file.
 */
import type { MemberExpr } from '../parser/ast.js';
import { missingValue, wrongType } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { asConstant } from './dims/size.js';
import type { Env } from './env.js';
import type { IrExpr, IrExprKind } from './ir.js';
import { binary, castHelp, not } from './operators.js';
import {
  aType,
  intType,
  isNumber,
  showShape,
  tensorType,
  type MissingType,
  type TensorType,
} from './types.js';
import { constantOf, isUnknown, unknownValue, value, type Value } from './value.js';

export const isMissing = (each: Value): boolean => each.type.kind === 'missing';

/** Whether a value may be missing, or one of a list. */
export const holdsGaps = (each: Value): boolean => isMissing(each) || (each.items ?? []).some(isMissing);

/** What stands in the place of a value: itself where it is there, 0 or what was computed of 0 where it is missing. */
export const present = (each: Value): Value => {
  if (each.type.kind === 'missing') return { ...each, type: each.type.of, gap: null };
  if (!each.items?.some(isMissing)) return each;
  const items = each.items.map(present);
  const of = items.find((item) => item.type.kind === 'tensor')?.type ?? each.type;
  return { ...each, type: { kind: 'list', of, length: items.length }, items };
};

const fillHelp = 'put a value in its place first: `fill(x, 0)`';

/** `use` needs a value that is always there. */
export const reportMissing = (
  env: Env,
  span: Span,
  what: string,
  use: string,
  more: { readonly help: string; readonly notes?: readonly string[] } = { help: fillHelp },
): Value => {
  env.checker.report(missingValue(span, { what, use }, more));
  return unknownValue(span);
};

/** Reports an argument that may be missing, or the first of a list that may. */
export const refuseGaps = (env: Env, found: Value, use: string): void => {
  const at = isMissing(found) ? found : (found.items?.find(isMissing) ?? found);
  reportMissing(env, at.span, 'this value', use, { help: fillHelp, notes: [`it is ${aType(at.type)}`] });
};

const boolLike = (type: TensorType): TensorType => tensorType('bool', type.shape);

/** The mask of a value that is always there. */
const never = (each: Value): Value =>
  value(each.span, each.type.kind === 'tensor' ? boolLike(each.type) : each.type, {
    kind: 'op',
    home: 'ops',
    name: 'none_missing',
    args: [each.ir],
    options: [],
    draw: null,
    free: false,
  });

/** A value or a list as masks: its gap, or none of it. */
export const maskOf = (each: Value): Value => {
  if (each.gap) return each.gap;
  if (each.items) {
    const items = each.items.map(maskOf);
    const of = items[0]?.type ?? each.type;
    const ir: IrExprKind = { kind: 'items', items: items.map((item) => item.ir) };
    return value(each.span, { kind: 'list', of, length: items.length }, ir, { items });
  }
  return each.type.kind === 'tensor' ? never(each) : each;
};

/** A result that is missing where one of what it was computed of is, element by element. */
export const joined = (env: Env, made: Value, of: readonly Value[]): Value => {
  if (isUnknown(made) || made.type.kind !== 'tensor') return made;
  const { shape } = made.type;
  const either = (a: Value, b: Value): Value => binary(env, { op: 'or', span: made.span }, a, b);
  const gaps = of.flatMap((each) => each.gap ?? []);
  const [first, ...others] = gaps;
  if (first === undefined) return made;
  let gap = others.reduce(either, first);
  const isWhole = (): boolean => gap.type.kind === 'tensor' && showShape(gap.type.shape) === showShape(shape);
  for (const each of of)
    if (!isWhole() && each.type.kind === 'tensor' && each.type.shape.length > 0)
      gap = either(gap, never(each));
  return withGap(made, gap);
};

export const withGap = (made: Value, gap: Value): Value =>
  made.type.kind === 'tensor' && gap.type.kind === 'tensor'
    ? { ...made, type: { kind: 'missing', of: made.type }, gap, total: null }
    : made;

/**
 * A field of a row or a batch that may be missing: a record of `value` and `missing`. A step takes only what is always
 * there; figures of what is known are measured.
 */
export const readGap = (
  env: Env,
  { object, name, span }: MemberExpr,
  type: MissingType,
  of: Value,
): Value => {
  const field = name.text;
  if (!env.place.gaps)
    return reportMissing(env, span, `\`${object.kind === 'ref' ? object.name : 'row'}.${field}\``, 'a step', {
      help: `put a value in its place in \`map\`: \`${field}: fill(row.${field}, 0)\``,
    });
  const whole = value(span, type, { kind: 'field', of: of.ir, name: field }).ir;
  const part = (of: TensorType, own: string): Value =>
    value(span, of, { kind: 'field', of: whole, name: own });
  return withGap(part(type.of, 'value'), part(boolLike(type.of), 'missing'));
};

/** A value and its mask as one record, as a field of `map` is given. */
export const asField = (each: Value): IrExpr =>
  each.gap
    ? value(each.span, each.type, {
        kind: 'record',
        fields: [
          { name: 'value', value: each.ir },
          { name: 'missing', value: each.gap.ir },
        ],
      }).ir
    : each.ir;

/** Functions of which each result is of the values at its own place. */
const elementwise = new Set([
  ...['relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'silu', 'sigmoid', 'tanh', 'softplus'],
  ...['abs', 'exp', 'log', 'log1p', 'expm1', 'sqrt', 'rsqrt', 'square', 'sin', 'cos', 'sign'],
  ...['floor', 'ceil', 'round', 'clamp', 'min', 'max', 'select', 'cast'],
]);

/** Functions that give the same values in other places. */
const moving = new Set(['reshape', 'squeeze', 'expand_dims', 'concat', 'stack']);

const reductions = new Set(['mean', 'sum', 'variance', 'std', 'max_of', 'min_of']);

/** A function of the prelude applied to values of which some may be missing. `apply` is that function on tensors. */
export const callWithGaps = (
  env: Env,
  name: string,
  bound: ReadonlyMap<string, Value>,
  span: Span,
  apply: (bound: ReadonlyMap<string, Value>) => Value,
): Value => {
  const there = new Map([...bound].map(([key, each]) => [key, present(each)] as const));
  const all = [...bound.values()];
  if (elementwise.has(name)) return joined(env, apply(there), all);
  if (moving.has(name)) {
    const made = apply(there);
    if (isUnknown(made)) return made;
    const masks = new Map(
      [...bound].map(([key, each]) => [key, holdsGaps(each) ? maskOf(each) : each] as const),
    );
    return withGap(made, apply(masks));
  }
  const x = bound.get('x');
  if (reductions.has(name) && env.place.kind === 'step' && x?.gap) {
    // A figure of what is known: it has no gap of its own, so that nothing but the figure can be made of it.
    const made = apply(there);
    const { ir, type } = made;
    if (type.kind !== 'tensor' || ir.kind !== 'op') return made;
    const options = [...ir.options, { name: 'missing', value: x.gap.ir }];
    return { ...made, type: { kind: 'missing', of: type }, ir: { ...ir, options }, total: null };
  }
  const found = all.find(holdsGaps);
  if (found) refuseGaps(env, found, `\`${name}\``);
  return unknownValue(span);
};

/** Whether nothing is called in an expression: what may be missing in it is told of where it is used otherwise. */
export const isPlainArithmetic = (expr: unknown): boolean => {
  if (Array.isArray(expr)) return expr.every(isPlainArithmetic);
  if (typeof expr !== 'object' || expr === null) return true;
  if ('kind' in expr && (expr.kind === 'call' || expr.kind === 'pipe')) return false;
  return Object.values(expr).every(isPlainArithmetic);
};

/** `cast(x, f32)`. */
const asFloat = ({ ir, span }: Value, shape: TensorType['shape']): Value =>
  value(span, tensorType('f32', shape), {
    kind: 'op',
    home: 'ops',
    name: 'cast',
    args: [ir],
    options: [{ name: 'to', value: value(span, { kind: 'dtype' }, { kind: 'literal', value: 'f32' }).ir }],
    draw: null,
    free: true,
  });

/**
 * `mean(x)` over rows of a step where x may be missing: of what is known, each value by its weight where one is given. `apply` is that
 * function on tensors, `select` another of the prelude. Null where it is another mean.
 */
export const meanOfKnown = (
  env: Env,
  bound: ReadonlyMap<string, Value>,
  span: Span,
  functions: {
    readonly apply: (bound: ReadonlyMap<string, Value>) => Value;
    readonly select: (bound: ReadonlyMap<string, Value>) => Value;
  },
): Value | null => {
  const x = bound.get('x');
  if (env.place.kind !== 'step' || env.place.gaps || x?.type.kind !== 'missing' || !x.gap) return null;
  const axis = bound.get('axis');
  // Along an axis something is missing again: where all of it is.
  if (axis && axis.type.kind !== 'none')
    return reportMissing(env, x.span, 'this value', '`mean` with `axis` in a step', {
      help: 'leave `axis` out, or put a value in its place in `map`: `fill(row.x, 0)`',
      notes: [`it is ${aType(x.type)}`],
    });
  const weight = bound.get('weight');
  const isWeighted = weight !== undefined && weight.type.kind !== 'none';
  if (isWeighted && holdsGaps(weight)) {
    refuseGaps(env, weight, '`weight` of `mean`');
    return unknownValue(span);
  }
  const { of } = x.type;
  if (of.dtype !== 'f32') {
    refuseGaps(env, x, '`mean`');
    return unknownValue(span);
  }
  const zero = value(span, intType, { kind: 'literal', value: 0 }, { constant: 0 });
  const { gap } = x;
  const whereKnown = (own: Value): Value =>
    functions.select(
      new Map([
        ['test', gap],
        ['then_value', zero],
        ['else_value', own],
      ]),
    );
  const there = whereKnown(present(x));
  if (isUnknown(there)) return unknownValue(span);
  const mean = (own: Value): Value => functions.apply(new Map([...bound, ['x', there], ['weight', own]]));
  if (!isWeighted) {
    const known = not(env, span, gap);
    return isUnknown(known) ? known : mean(asFloat(known, of.shape));
  }
  // What is wrong with it is told of what was written.
  if (isUnknown(mean(weight)) || weight.type.kind !== 'tensor') return unknownValue(span);
  const own = weight.type.dtype === 'f32' ? weight : asFloat(weight, weight.type.shape);
  // Not by a product: 0 · NaN would be NaN.
  const counts = whereKnown(own);
  return isUnknown(counts) ? counts : mean(counts);
};

/** Refuses a reduction over what may be missing where anything but a figure would be made of it. */
export const hasMasks = (env: Env, values: readonly Value[]): boolean => {
  const figure = values.find((each) => isMissing(each) && !each.gap);
  if (figure)
    env.checker.report(
      wrongType(
        figure.span,
        {
          what: 'a figure of values that may be missing',
          found: 'computed with',
          expected: 'alone in its `metric`',
        },
        { help: 'compute with it where it is read' },
      ),
    );
  return figure === undefined;
};

const alwaysThere = (env: Env, name: string, x: Value): Value => {
  env.checker.report(
    wrongType(
      x.span,
      { what: `\`x\` of \`${name}\``, found: aType(x.type), expected: 'a value that may be missing' },
      { help: 'declare its field as `f32 | missing`, or leave this out' },
    ),
  );
  return unknownValue(x.span);
};

/** `is_missing(x)`: the mask. */
export const checkIsMissing = (env: Env, x: Value, span: Span): Value =>
  x.gap ? { ...x.gap, span } : alwaysThere(env, 'is_missing', x);

/** `fill(x, value)`: x, and `value` where it is missing. `select` is the function of the prelude. */
export const checkFill = (
  env: Env,
  x: Value,
  filling: Value,
  span: Span,
  select: (bound: ReadonlyMap<string, Value>) => Value,
): Value => {
  if (x.type.kind !== 'missing' || !x.gap) return alwaysThere(env, 'fill', x);
  if (isUnknown(filling)) return unknownValue(span);
  if (holdsGaps(filling)) {
    refuseGaps(env, filling, '`fill`');
    return unknownValue(span);
  }
  const { of } = x.type;
  const wrong = (expected: string, help?: string): Value => {
    env.checker.report(
      wrongType(
        filling.span,
        { what: '`value` of `fill`', found: aType(filling.type), expected },
        help === undefined ? {} : { help },
      ),
    );
    return unknownValue(span);
  };
  const there = present(x);
  const number = constantOf(filling);
  if (filling.type.kind === 'tensor') {
    if (filling.type.dtype !== of.dtype) return wrong(of.dtype, castHelp(filling.type.dtype));
    if (filling.type.shape.length > of.shape.length)
      return wrong(`${of.dtype}${showShape(of.shape)}, as \`x\` is, or one number`);
  } else if (of.dtype === 'bool') {
    if (typeof number !== 'boolean') return wrong('`true` or `false`');
    return number
      ? binary(env, { op: 'or', span }, there, x.gap)
      : binary(env, { op: 'and', span }, there, not(env, span, x.gap));
  } else if (!isNumber(filling.type) || (of.dtype !== 'f32' && filling.type.kind !== 'int'))
    return wrong(of.dtype === 'f32' ? 'a number or a tensor' : `an int, as ${of.dtype} holds`);
  else if (of.dtype === 'u8' && typeof number === 'number' && (number < 0 || number > 255))
    return wrong('an int from 0 to 255');
  const made = select(
    new Map([
      ['test', x.gap],
      ['then_value', filling],
      ['else_value', there],
    ]),
  );
  if (made.type.kind !== 'tensor') return made;
  // With a number that is no class, how many classes there are is not known any more.
  const end = of.below ? asConstant(of.below) : null;
  const isClass = typeof number === 'number' && end !== null && number >= 0 && number < end;
  return { ...made, type: tensorType(of.dtype, made.type.shape, isClass ? of.below : null) };
};

/** A branch that is known at the start, between values of one type of which one may be missing. */
export const chooseWithGaps = (env: Env, span: Span, test: IrExpr, then: Value, other: Value): Value => {
  if (!hasMasks(env, [then, other])) return unknownValue(span);
  if (env.place.kind !== 'map') return reportMissing(env, span, 'a branch', '`if` in a step');
  const choice = (a: Value, b: Value): Value =>
    value(span, b.type, { kind: 'choose', test, then: a.ir, else: b.ir });
  return withGap(choice(present(then), present(other)), choice(maskOf(then), maskOf(other)));
};
