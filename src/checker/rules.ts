/** Shape rules that are code: what `rule = "…"` in the prelude names. */
import {
  badAxis,
  missingArgument,
  notKnown,
  outOfLimits,
  wrongDtype,
  wrongRank,
  wrongSize,
  wrongType,
} from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { ceilDiv, floorDiv } from './dims/facts.js';
import { add, asConstant, constant, noSize, showSize, sub, symbol, type Size } from './dims/size.js';
import type { Env } from './env.js';
import type { DType } from './ir.js';
import { gradientRule } from './gradient-rule.js';
import { broadcast, castHelp, fitsNumber, matmul } from './operators.js';
import { hasRows } from './totals.js';
import { aType, isDType, isNumber, showShape, tensorType, type TensorType, type Type } from './types.js';
import { constantOf, type Value } from './value.js';
import { ragged } from './host-map.js';
import { judgeSizes } from './judging.js';
import { decodeImage, lookupWords, padTo, utf8 } from './text-rules.js';
import { gather, outer, ownRows, rowsOf, shuffleRows } from './row-rules.js';
import {
  shapeArgument,
  reshape,
  flatten,
  squeeze,
  expandDims,
  transpose,
  concat,
  stack,
  repeatAxis,
  pad,
  put,
} from './shape-rules.js';

export interface RuleCall {
  readonly env: Env;
  readonly name: string;
  readonly span: Span;
  /** By parameter name; absent where left out (or `none`). */
  readonly args: ReadonlyMap<string, Value>;
}

/** Null after an error was reported. */
export type Rule = (call: RuleCall) => Type | null;

export const tensorArg = ({ env, args, span, name }: RuleCall, param: string): TensorType | null => {
  const found = args.get(param);
  if (!found) return null;
  if (found.type.kind === 'tensor') return found.type;
  if (found.type.kind === 'schedule' && env.place.kind === 'step') return tensorType('f32', []);
  if (found.type.kind !== 'unknown') {
    env.checker.report(
      wrongType(found.span ?? span, {
        what: `\`${param}\` of \`${name}\``,
        found: aType(found.type),
        expected: 'a tensor',
      }),
    );
  }
  return null;
};

/** An axis as a number from 0, or null after an error. */
export const axisOf = (env: Env, axis: Value, rank: number, what: string): number | null => {
  const number = constantOf(axis);
  if (typeof number !== 'number' || !Number.isInteger(number)) {
    env.checker.report(notKnown(axis.span, { what: 'an axis', name: aType(axis.type) }));
    return null;
  }
  if (number < -rank || number >= rank) {
    env.checker.report(
      badAxis(
        axis.span,
        { axis: number, what, rank },
        { notes: [`axes of it are 0 to ${rank - 1}, or -${rank} to -1`] },
      ),
    );
    return null;
  }
  return number < 0 ? number + rank : number;
};

const axesOf = (call: RuleCall, rank: number): readonly number[] | null => {
  const given = call.args.get('axis');
  if (!given || given.type.kind === 'none') return Array.from({ length: rank }, (_, axis) => axis);
  const values = given.items ?? [given];
  const axes = values.map((each) => axisOf(call.env, each, rank, `the input of \`${call.name}\``));
  const known = axes.filter((axis) => axis !== null);
  return known.length === axes.length ? known : null;
};

const requireDtype = (call: RuleCall, param: string, type: TensorType, wanted: readonly DType[]): boolean => {
  if (wanted.includes(type.dtype)) return true;
  call.env.checker.report(
    wrongDtype(
      call.args.get(param)?.span ?? call.span,
      { what: `\`${param}\` of \`${call.name}\``, found: type.dtype, expected: wanted.join(' or ') },
      { help: castHelp(type.dtype) },
    ),
  );
  return false;
};

const reduce: Rule = (call) => {
  const x = tensorArg(call, 'x');
  if (!x) return null;
  const floats =
    call.name === 'sum' || call.name === 'mean' ? (['f32', 'i32', 'bool'] as const) : (['f32'] as const);
  if (!requireDtype(call, 'x', x, floats)) return null;
  const axes = axesOf(call, x.shape.length);
  if (!axes) return null;
  const weight = call.args.get('weight');
  if (weight && weight.type.kind !== 'none') {
    const w = tensorArg(call, 'weight');
    if (!w || !requireDtype(call, 'weight', w, ['f32', 'bool', 'i32'])) return null;
    if (w.shape.length !== x.shape.length) {
      call.env.checker.report(
        wrongRank(weight.span, {
          what: '`weight`',
          found: `${w.shape.length} (${showShape(w.shape)})`,
          expected: `${x.shape.length}, as the values have,`,
        }),
      );
      return null;
    }
    if (!broadcast(call.env, weight.span, call.name, x, w)) return null;
  }
  if (axes.includes(0) && axes.length > 0 && hasRows(call.env, x) && x.shape.length > axes.length) {
    call.env.place.notes.meetsRows ??= call.span;
  }
  return tensorType(
    'f32',
    x.shape.filter((_, axis) => !axes.includes(axis)),
  );
};

const withoutAxis: Rule = (call) => {
  const x = tensorArg(call, 'x');
  if (!x || !requireDtype(call, 'x', x, ['f32', 'i32'])) return null;
  const given = call.args.get('axis');
  const axis = given
    ? axisOf(call.env, given, x.shape.length, `the input of \`${call.name}\``)
    : x.shape.length - 1;
  if (axis === null) return null;
  return tensorType(
    'i32',
    x.shape.filter((_, each) => each !== axis),
    x.shape[axis] ?? null,
  );
};

const cast: Rule = (call) => {
  const x = tensorArg(call, 'x');
  const to = call.args.get('to');
  if (!x || !to) return null;
  const dtype = to.constant;
  if (typeof dtype !== 'string' || !isDType(dtype) || to.type.kind !== 'dtype') {
    call.env.checker.report(
      wrongType(to.span, { what: '`to`', found: aType(to.type), expected: 'f32, i32, u8 or bool' }),
    );
    return null;
  }
  return tensorType(dtype, x.shape, dtype === 'i32' ? x.below : null);
};

const conditional: Rule = (call) => {
  const test = tensorArg(call, 'test');
  const a = call.args.get('then_value');
  const b = call.args.get('else_value');
  if (!test || !a || !b || !requireDtype(call, 'test', test, ['bool'])) return null;
  const types = [a, b].map((each) => (each.type.kind === 'tensor' ? each.type : null));
  const dtype = types.find((type) => type !== null)?.dtype ?? 'f32';
  let joined: TensorType = tensorType(dtype, test.shape);
  for (const [index, type] of types.entries()) {
    const side = index === 0 ? a : b;
    if (!type) {
      if (fitsNumber(side, dtype)) continue;
      if (isNumber(side.type)) {
        call.env.checker.report(
          wrongDtype(
            side.span,
            { what: 'a value of `select`', found: aType(side.type), expected: dtype },
            dtype === 'bool' ? {} : { help: castHelp(dtype) },
          ),
        );
      } else if (side.type.kind !== 'unknown')
        call.env.checker.report(
          wrongType(side.span, {
            what: 'a value of `select`',
            found: aType(side.type),
            expected: 'a tensor or a number',
          }),
        );
      return null;
    }
    if (type.dtype !== dtype) {
      call.env.checker.report(
        wrongDtype(side.span, { what: 'a value of `select`', found: type.dtype, expected: dtype }),
      );
      return null;
    }
    const shape = broadcast(call.env, call.span, 'select', joined, type);
    if (!shape) return null;
    joined = tensorType(dtype, shape);
  }
  return joined;
};

const elementwise: Rule = (call) => {
  const [a, b] = [call.args.get('a'), call.args.get('b')];
  if (!a || !b) return null;
  const types = [a, b].map((each) => (each.type.kind === 'tensor' ? each.type : null));
  const [x, y] = types;
  const known = x ?? y;
  if (!known) return null;
  if (!requireDtype(call, x ? 'a' : 'b', known, ['f32', 'i32'])) return null;
  for (const [index, type] of types.entries()) {
    const side = index === 0 ? a : b;
    const fits = type
      ? type.dtype === known.dtype
      : fitsNumber(side, known.dtype) || (side.type.kind === 'schedule' && known.dtype === 'f32');
    if (fits) continue;
    if (side.type.kind !== 'unknown') {
      call.env.checker.report(
        wrongDtype(side.span, {
          what: `one side of \`${call.name}\``,
          found: type ? type.dtype : aType(side.type),
          expected: known.dtype,
        }),
      );
    }
    return null;
  }
  const shape = x && y ? broadcast(call.env, call.span, call.name, x, y) : known.shape;
  return shape ? tensorType(known.dtype, shape) : null;
};

const windows = (call: RuleCall, size: Size, window: Size, stride: Size, same: boolean): Size =>
  same
    ? ceilDiv(size, stride, call.env.facts)
    : add(floorDiv(sub(size, window), stride, call.env.facts), constant(1));

/** Sizes after a sliding window, for layers too. Null after an error: the window must fit. */
export const slide = (
  call: RuleCall,
  sizes: readonly Size[],
  window: Value,
  stride: Value,
): readonly Size[] | null => {
  const padding = constantOf(call.args.get('padding') ?? stride);
  if (!window.size || !stride.size) return sizes.map(() => noSize);
  const same = padding === 'same';
  for (const [axis, size] of sizes.entries()) {
    const room = asConstant(sub(size, window.size));
    if (!same && room !== null && room < 0) {
      call.env.checker.report(
        wrongSize(
          window.span,
          {
            what: `the window of \`${call.name}\``,
            found: showSize(window.size),
            expected: `at most ${showSize(size)} (axis ${axis + 1} of its input)`,
          },
          { help: 'a smaller window, or `padding = "same"`' },
        ),
      );
      return null;
    }
  }
  const [w, s] = [window.size, stride.size];
  return sizes.map((size) => windows(call, size, w, s, same));
};

const pool: Rule = (call) => {
  const x = tensorArg(call, 'x');
  const window = call.args.get('size');
  if (!x || !window || !requireDtype(call, 'x', x, ['f32'])) return null;
  const [n, h, w, c] = x.shape;
  if (!n || !h || !w || !c || x.shape.length !== 4) {
    call.env.checker.report(
      wrongRank(call.args.get('x')?.span ?? call.span, {
        what: `the input of \`${call.name}\``,
        found: `${x.shape.length} (${showShape(x.shape)})`,
        expected: '4',
      }),
    );
    return null;
  }
  const stride = call.args.get('stride');
  const sizes = slide(call, [h, w], window, stride && stride.type.kind !== 'none' ? stride : window);
  return sizes ? tensorType('f32', [n, ...sizes, c]) : null;
};

const crossEntropy: Rule = (call) => {
  const logits = tensorArg(call, 'logits');
  const label = tensorArg(call, 'label');
  if (!logits || !label || !requireDtype(call, 'logits', logits, ['f32'])) return null;
  if (logits.shape.length === 0) {
    call.env.checker.report(
      wrongRank(call.args.get('logits')?.span ?? call.span, {
        what: '`logits`',
        found: '0',
        expected: '1 or more',
      }),
    );
    return null;
  }
  const span = call.args.get('label')?.span ?? call.span;
  const rows = logits.shape.slice(0, -1);
  if (label.dtype !== 'i32' && label.shape.length < logits.shape.length) {
    call.env.checker.report(
      wrongDtype(
        span,
        { what: '`label`', found: label.dtype, expected: 'i32 (an index), or rows of probabilities f32' },
        { help: 'write `cast(label, i32)` if these are class numbers' },
      ),
    );
    return null;
  }
  const expected = label.dtype === 'i32' ? rows : logits.shape;
  if (label.shape.length !== expected.length) {
    call.env.checker.report(
      wrongRank(span, {
        what: '`label`',
        found: `${label.shape.length} (${showShape(label.shape)})`,
        expected: `${expected.length}, as ${showShape(expected)},`,
      }),
    );
    return null;
  }
  for (const [axis, size] of label.shape.entries()) {
    const wanted = expected[axis];
    if (!wanted) continue;
    const { verdict } = judgeSizes(call.env, size, wanted);
    if (verdict === 'never' || verdict === 'refuted') {
      call.env.checker.report(
        wrongSize(
          span,
          { what: `axis ${axis} of \`label\``, found: showSize(size), expected: showSize(wanted) },
          { notes: [`logits are ${showShape(logits.shape)}`] },
        ),
      );
      return null;
    }
  }
  return tensorType('f32', rows);
};

const likeFirst: Rule = (call) => {
  const logits = tensorArg(call, 'logits');
  const label = call.args.get('label');
  if (!logits || !label || !requireDtype(call, 'logits', logits, ['f32'])) return null;
  if (label.type.kind === 'tensor') {
    if (!requireDtype(call, 'label', label.type, ['f32'])) return null;
    if (label.type.shape.length > 0 && label.type.shape.length !== logits.shape.length) {
      call.env.checker.report(
        wrongRank(
          label.span,
          {
            what: '`label`',
            found: `${label.type.shape.length} (${showShape(label.type.shape)})`,
            expected: `${logits.shape.length}, as the logits ${showShape(logits.shape)} have,`,
          },
          { help: 'write `squeeze(x, axis = -1)` or `expand_dims(x, axis = -1)` on one of them' },
        ),
      );
      return null;
    }
    if (!broadcast(call.env, label.span, call.name, logits, label.type)) return null;
  } else if (!isNumber(label.type) && label.type.kind !== 'unknown' && label.type.kind !== 'schedule') {
    call.env.checker.report(
      wrongType(label.span, { what: '`label`', found: aType(label.type), expected: 'a tensor or a number' }),
    );
    return null;
  }
  return logits;
};

const oneHot: Rule = (call) => {
  const index = tensorArg(call, 'index');
  if (!index || !requireDtype(call, 'index', index, ['i32'])) return null;
  const given = call.args.get('classes');
  if (given && given.type.kind !== 'none') return tensorType('f32', [...index.shape, given.size ?? noSize]);
  if (index.below) return tensorType('f32', [...index.shape, index.below]);
  call.env.checker.report(
    missingArgument(
      call.span,
      { owner: 'one_hot', kind: 'argument', name: 'classes' },
      { help: 'how many classes there are is known of a field with choices; of other numbers say it' },
    ),
  );
  return null;
};

/** Functions of images: [height, width, channels] of bytes or floats, the size of which `size` may change. */
const image: Rule = (call) => {
  const x = tensorArg(call, 'x');
  if (!x || !requireDtype(call, 'x', x, ['u8', 'f32'])) return null;
  const channels = x.shape[2];
  if (!channels || x.shape.length !== 3) {
    call.env.checker.report(
      wrongRank(call.args.get('x')?.span ?? call.span, {
        what: `the image of \`${call.name}\``,
        found: `${x.shape.length} (${showShape(x.shape)})`,
        expected: '3 (height, width, channels)',
      }),
    );
    return null;
  }
  const size = call.args.get('size');
  if (!size) return x;
  const sides = size.items ?? [size];
  for (const side of sides) {
    const number = side.size ? asConstant(side.size) : null;
    if (number === null || number >= 1) continue;
    call.env.checker.report(
      outOfLimits(side.span, {
        what: `\`size\` of \`${call.name}\``,
        value: `${number}`,
        text: 'size >= 1',
      }),
    );
    return null;
  }
  // Of one number the shorter side is known, but not which of them it is.
  const own = (name: string): Size => symbol(ragged(call.env.place.unique(name)));
  return size.items
    ? tensorType(x.dtype, [...sides.map((side) => side.size ?? noSize), channels])
    : tensorType(x.dtype, [own('resized_height'), own('resized_width'), channels]);
};

const alongAxis: Rule = (call) => {
  const x = tensorArg(call, 'x');
  const given = call.args.get('axis');
  if (!x || !given || !requireDtype(call, 'x', x, ['f32'])) return null;
  return axisOf(call.env, given, x.shape.length, `the input of \`${call.name}\``) === null ? null : x;
};

export const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['reduce', reduce],
  ['arg_reduce', withoutAxis],
  ['reshape', reshape],
  ['flatten', flatten],
  ['squeeze', squeeze],
  ['expand_dims', expandDims],
  ['transpose', transpose],
  ['concat', concat],
  ['stack', stack],
  ['repeat_axis', repeatAxis],
  ['pad', pad],
  ['pad_to', padTo],
  ['put', put],
  ['cast', cast],
  ['select', conditional],
  ['broadcast', elementwise],
  ['pool', pool],
  ['softmax_cross_entropy', crossEntropy],
  ['like_first', likeFirst],
  ['along_axis', alongAxis],
  ['gradient', gradientRule],
  ['shuffle_rows', shuffleRows],
  ['rows_of', rowsOf],
  ['gather', gather],
  ['own_rows', ownRows],
  ['outer', outer],
  ['one_hot', oneHot],
  ['image', image],
  ['decode_image', decodeImage],
  ['lookup', lookupWords],
  ['utf8', utf8],
  [
    'shape_argument',
    (call) => {
      const shape = shapeArgument(call);
      return shape ? tensorType('f32', shape) : null;
    },
  ],
  [
    'matmul',
    (call) => {
      const [left, right] = [call.args.get('a'), call.args.get('b')];
      const [a, b] = [tensorArg(call, 'a'), tensorArg(call, 'b')];
      if (!left || !right || !a || !b) return null;
      const joined = matmul(call.env, call.span, left, right, a, b);
      return joined.type.kind === 'unknown' ? null : joined.type;
    },
  ],
]);
