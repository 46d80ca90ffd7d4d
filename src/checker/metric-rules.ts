/** Rules of the prelude's metrics: which logits, labels and weights fit each other, and what comes out. */
import { notKnown, wrongDtype, wrongRank, wrongSize, wrongType } from '../parser/messages.gen.js';
import type { Span } from '../parser/source.js';
import { asConstant, showSize, type Size } from './dims/size.js';
import type { DType } from './ir.js';
import { judgeSizes } from './judging.js';
import { castHelp } from './operators.js';
import { tensorArg, type Rule, type RuleCall } from './rules.js';
import { showShape, tensorType, type TensorType, type Type } from './types.js';
import { constantOf } from './value.js';

const spanOf = (call: RuleCall, param: string): Span => call.args.get(param)?.span ?? call.span;

const hasDtype = (call: RuleCall, param: string, type: TensorType, wanted: readonly DType[]): boolean => {
  if (wanted.includes(type.dtype)) return true;
  call.env.checker.report(
    wrongDtype(
      spanOf(call, param),
      { what: `\`${param}\` of \`${call.name}\``, found: type.dtype, expected: wanted.join(' or ') },
      { help: castHelp(type.dtype) },
    ),
  );
  return false;
};

/** Whether a tensor has these sizes; else an error that says whose they are. */
const hasShape = (
  call: RuleCall,
  param: string,
  type: TensorType,
  wanted: readonly Size[],
  as: string,
): boolean => {
  if (type.shape.length !== wanted.length) {
    call.env.checker.report(
      wrongRank(spanOf(call, param), {
        what: `\`${param}\``,
        found: `${type.shape.length} (${showShape(type.shape)})`,
        expected: `${wanted.length}, as ${as} ${showShape(wanted)} asks for,`,
      }),
    );
    return false;
  }
  for (const [axis, size] of type.shape.entries()) {
    const other = wanted[axis];
    if (!other) continue;
    const { verdict } = judgeSizes(call.env, size, other);
    if (verdict !== 'never' && verdict !== 'refuted') continue;
    call.env.checker.report(
      wrongSize(spanOf(call, param), {
        what: `axis ${axis} of \`${param}\``,
        found: showSize(size),
        expected: showSize(other),
      }),
    );
    return false;
  }
  return true;
};

const weightFits = (call: RuleCall, of: TensorType, as: string): boolean => {
  const given = call.args.get('weight');
  if (!given || given.type.kind === 'none') return true;
  const weight = tensorArg(call, 'weight');
  return (
    weight !== null &&
    hasDtype(call, 'weight', weight, ['f32', 'bool', 'i32']) &&
    hasShape(call, 'weight', weight, of.shape, as)
  );
};

/** Numbers of the rows of a batch: how many classes there are, null where a row has one logit. */
interface Rows {
  readonly classes: Size | null;
}

const isGiven = (call: RuleCall, param: string): boolean => {
  const given = call.args.get(param);
  return given !== undefined && given.type.kind !== 'none';
};

/** An option that another form of the metric takes. */
const refuse = (call: RuleCall, param: string, found: string, expected: string, help: string): null => {
  call.env.checker.report(
    wrongType(spanOf(call, param), { what: `\`${param}\` of \`${call.name}\``, found, expected }, { help }),
  );
  return null;
};

/** Logits `[..., classes]` with labels `[...]`, one logit a row, or (`guesses`) classes with how many there are. */
const rowsOf = (call: RuleCall, guesses: boolean): Rows | null => {
  const logits = tensorArg(call, 'logits');
  const label = tensorArg(call, 'label');
  if (!logits || !label || !hasDtype(call, 'logits', logits, guesses ? ['f32', 'i32'] : ['f32'])) return null;
  const fits = (dtypes: readonly DType[], shape: readonly Size[], as: string): boolean =>
    hasDtype(call, 'label', label, dtypes) &&
    hasShape(call, 'label', label, shape, as) &&
    weightFits(call, label, '`label`');
  if (logits.dtype === 'i32') {
    const classes = call.args.get('classes');
    if (!classes || classes.type.kind === 'none') {
      const help = 'write how many classes there are: `classes = 10`, or give the logits';
      return refuse(call, 'logits', 'i32 (classes)', 'and `classes` is', help);
    }
    return fits(['i32'], logits.shape, '`logits`') ? { classes: classes.size } : null;
  }
  if (isGiven(call, 'classes'))
    return refuse(call, 'classes', 'given', 'none', 'leave it out: the logits have one for each class');
  if (label.shape.length !== logits.shape.length || logits.shape.length === 0) {
    const rows = logits.shape.slice(0, -1);
    return fits(['i32'], rows, '`logits`') ? { classes: logits.shape.at(-1) ?? null } : null;
  }
  const given = call.args.get('average');
  const average = given ? constantOf(given) : 'macro';
  if (average !== 'macro')
    return refuse(
      call,
      'average',
      `"${String(average)}"`,
      '"macro" or nothing at all',
      'leave it out: with one logit a row there is one figure, that of class 1',
    );
  return fits(['i32', 'bool', 'f32'], logits.shape, '`logits`') ? { classes: null } : null;
};

/** More figures than this fill each line of metrics. */
const mostApart = 1000;

/** One number, or one for each class where they are kept apart. */
const oneOrEach = (call: RuleCall, { classes }: Rows): Type | null => {
  const average = call.args.get('average');
  if (!average || constantOf(average) !== 'none' || classes === null) return tensorType('f32', []);
  const count = asConstant(classes);
  if (count === null) {
    call.env.checker.report(
      notKnown(
        average.span,
        { what: 'how many classes are kept apart', name: showSize(classes) },
        { help: 'write the number of classes as a `const`' },
      ),
    );
    return null;
  }
  if (count > mostApart)
    return refuse(
      call,
      'average',
      `"none" of ${count} classes`,
      `at most ${mostApart}`,
      'write `average = "macro"`',
    );
  return {
    kind: 'setting',
    what: 'a figure for each class',
    figures: Array.from({ length: count }, (_, index) => `class_${index}`),
  };
};

const classMetric: Rule = (call) => {
  const rows = rowsOf(call, true);
  return rows && oneOrEach(call, rows);
};

const rankingMetric: Rule = (call) => {
  const rows = rowsOf(call, false);
  return rows && oneOrEach(call, rows);
};

const confusion: Rule = (call) =>
  rowsOf(call, true) && { kind: 'setting', what: 'a table of classes', figures: [] };

const pairs: Rule = (call) => {
  const prediction = tensorArg(call, 'prediction');
  const target = tensorArg(call, 'target');
  if (!prediction || !target) return null;
  const fits =
    hasDtype(call, 'prediction', prediction, ['f32']) &&
    hasDtype(call, 'target', target, ['f32']) &&
    hasShape(call, 'target', target, prediction.shape, '`prediction`') &&
    weightFits(call, target, '`target`');
  return fits ? tensorType('f32', []) : null;
};

export const metricRules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['class_metric', classMetric],
  ['ranking_metric', rankingMetric],
  ['confusion', confusion],
  ['pairs', pairs],
]);
