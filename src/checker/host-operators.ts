/** Operators on values of the host: exact on sizes, strict on units. */
import type { BinaryOp } from '../parser/ast.js';
import { wrongType, wrongUnit } from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { modulo, power } from './dims/facts.js';
import { addRatios, divRatios, mulRatios, ratioOf, subRatios, type Ratio } from './dims/facts.js';
import { asConstant } from './dims/size.js';
import { constant as sizeConstant } from './dims/size.js';
import type { Env } from './env.js';
import { readsRun } from './ir-walk.js';
import { totalOfOperation } from './totals.js';
import { aType, boolType, floatType, intType, isNumber, type Type } from './types.js';
import { constantOf, unknownValue, value, type Constant, type Value } from './value.js';
import { judgeSizes } from './judging.js';
import { arithmetic, equality, order, logic, mismatch } from './operators.js';

const foldNumbers = (op: BinaryOp, a: number, b: number): number => {
  switch (op) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '%':
      return a - b * Math.floor(a / b);
    default:
      return a ** b;
  }
};

export const compareConstants = (op: BinaryOp, a: Constant, b: Constant): boolean | null => {
  if (op === '==') return a === b;
  if (op === '!=') return a !== b;
  if (typeof a !== 'number' || typeof b !== 'number') return null;
  return op === '<' ? a < b : op === '<=' ? a <= b : op === '>' ? a > b : a >= b;
};

const ratioOfValue = (each: Value): Ratio | null => each.ratio ?? (each.size ? ratioOf(each.size) : null);

const sizesOf = (env: Env, op: BinaryOp, left: Value, right: Value): Partial<Value> => {
  const a = ratioOfValue(left);
  const b = ratioOfValue(right);
  if (!a || !b) return {};
  const one = (ratio: Ratio): Partial<Value> =>
    asConstant(ratio.denominator) === 1 ? { size: ratio.numerator } : { ratio };
  switch (op) {
    case '+':
      return one(addRatios(a, b));
    case '-':
      return one(subRatios(a, b));
    case '*':
      return one(mulRatios(a, b));
    case '/':
      return one(divRatios(a, b));
    case '%':
      return left.size && right.size ? { size: modulo(left.size, right.size, env.facts) } : {};
    case '**':
      return left.size && right.size ? { size: power(left.size, right.size, env.facts) } : {};
    default:
      return {};
  }
};

export const hostBinary = (env: Env, span: Span, op: BinaryOp, left: Value, right: Value): Value => {
  const ir = { kind: 'host' as const, op, args: [left.ir, right.ir] };
  const x = constantOf(left);
  const y = constantOf(right);
  const number = (type: Type): boolean => isNumber(type) || type.kind === 'schedule';
  if (arithmetic.has(op)) {
    if (left.type.kind === 'unit' || right.type.kind === 'unit')
      return unitArithmetic(env, span, op, left, right);
    if (!number(left.type) || !number(right.type)) return mismatch(env, span, op, left, right);
    if ((op === '/' || op === '%') && (y === 0 || (right.size && asConstant(right.size) === 0))) {
      const what = `the right side of \`${op}\``;
      env.checker.report(wrongType(right.span, { what, found: '0', expected: 'another number' }));
      return unknownValue(span);
    }
    const total = totalOfOperation(op, [left, right], span);
    const sizes = sizesOf(env, op, left, right);
    const scheduled = left.type.kind === 'schedule' || right.type.kind === 'schedule';
    const whole =
      left.type.kind === 'int' && right.type.kind === 'int' && (op !== '/' || sizes.size !== undefined);
    const type: Type = scheduled ? { kind: 'schedule' } : whole ? intType : floatType;
    const constant = typeof x === 'number' && typeof y === 'number' ? foldNumbers(op, x, y) : undefined;
    if (whole && constant !== undefined && Number.isSafeInteger(constant)) {
      return value(span, intType, ir, { constant, size: sizeConstant(constant), total });
    }
    return value(span, type, ir, { ...sizes, constant, total });
  }
  if (equality.has(op) || order.has(op)) {
    // A schedule moves while the run goes on; what a comparison decides here is decided once.
    const comparable =
      (isNumber(left.type) && isNumber(right.type)) ||
      (equality.has(op) &&
        left.type.kind !== 'schedule' &&
        (left.type.kind === right.type.kind || left.type.kind === 'none' || right.type.kind === 'none')) ||
      (left.type.kind === 'unit' && right.type.kind === 'unit' && left.type.unit === right.type.unit);
    if (!comparable) {
      if (left.type.kind === 'unit' || right.type.kind === 'unit')
        return unitMismatch(env, span, left, right);
      return mismatch(env, span, op, left, right, comparisonHelp(left, right));
    }
    if (equality.has(op) && !(isChoiceOf(env, left, right) && isChoiceOf(env, right, left)))
      return unknownValue(span);
    const constant =
      x !== undefined && y !== undefined
        ? (compareConstants(op, x, y) ?? undefined)
        : sizeComparison(env, op, left, right);
    const asks = left.type.kind === 'unit' && env.place.clock && readsRun([left.ir, right.ir]);
    if (!asks) return value(span, boolType, ir, { constant });
    const test = { ...ir, span, type: { kind: 'bool' as const } };
    return value(span, boolType, { kind: 'decide', label: env.place.draw('when'), test });
  }
  if (logic.has(op)) {
    if (left.type.kind !== 'bool' || right.type.kind !== 'bool') return mismatch(env, span, op, left, right);
    const constant =
      op === 'and'
        ? x === false || y === false
          ? false
          : x === true && y === true
            ? true
            : undefined
        : x === true || y === true
          ? true
          : x === false && y === false
            ? false
            : undefined;
    return value(span, boolType, ir, { constant });
  }
  return mismatch(env, span, op, left, right);
};

/** Whether a text may be what it is compared with; one that is none of the choices is a slip. */
const isChoiceOf = (env: Env, text: Value, other: Value): boolean => {
  const choices = other.type.kind === 'string' ? other.type.choices : undefined;
  const word = text.constant;
  if (!choices || typeof word !== 'string' || choices.includes(word)) return true;
  const [near] = nearest(word, choices, 1);
  const expected = choices.map((each) => `"${each}"`).join(' or ');
  env.checker.report(
    wrongType(
      text.span,
      { what: 'what a choice is compared with', found: `"${word}"`, expected },
      near === undefined
        ? {}
        : {
            help: `write \`"${near}"\``,
            fix: { title: `write \`"${near}"\``, edits: [{ span: text.span, text: `"${near}"` }] },
          },
    ),
  );
  return false;
};

/** A comparison of sizes that the facts decide, for every value of their symbols. */
const sizeComparison = (env: Env, op: BinaryOp, left: Value, right: Value): boolean | undefined => {
  if (!left.size || !right.size || !equality.has(op)) return undefined;
  const { verdict } = judgeSizes(env, left.size, right.size);
  if (verdict === 'proven') return op === '==';
  if (verdict === 'never') return op === '!=';
  return undefined;
};

const unitMismatch = (env: Env, span: Span, left: Value, right: Value): Value => {
  // What has no unit is what is wrong, on whichever side it stands.
  const [odd, other, side] =
    right.type.kind === 'unit' && isNumber(left.type)
      ? [left, right, 'the left side']
      : [right, left, 'the right side'];
  const help = unitHelp(odd, other);
  env.checker.report(
    wrongUnit(
      odd.span,
      { what: side, found: aType(odd.type), expected: aType(other.type) },
      help === null ? {} : { help },
    ),
  );
  return unknownValue(span);
};

const unitHelp = (odd: Value, other: Value): string | null => {
  if (other.type.kind !== 'unit') return null;
  const unit = other.type.unit === 'bytes' ? 'MiB' : other.type.unit;
  if (isNumber(odd.type)) {
    if (odd.ir.kind === 'literal') return `write \`${String(odd.ir.value)}.${unit}\``;
    const named = odd.ir.kind === 'ref' && (odd.ir.ref.kind === 'param' || odd.ir.ref.kind === 'const');
    return named && odd.ir.kind === 'ref' && 'name' in odd.ir.ref
      ? `write \`${odd.ir.ref.name}.${unit}\``
      : `give it a unit: \`(…).${unit}\``;
  }
  const isRun = other.ir.kind === 'ref' && other.ir.ref.kind === 'run';
  if (isRun && odd.type.kind === 'unit' && (odd.type.unit === 'steps' || odd.type.unit === 'epochs'))
    return `\`run.${odd.type.unit === 'steps' ? 'step' : 'epoch'}\` counts in ${odd.type.unit}`;
  return null;
};

const comparisonHelp = (left: Value, right: Value): string | undefined =>
  left.type.kind === 'schedule' || right.type.kind === 'schedule'
    ? 'a schedule moves while the run goes on; compare `run.step` or `run.epoch`'
    : undefined;

/** What is written `run.step % 5 == 0` elsewhere. */
const remainderHelp = (op: BinaryOp, right: Value): string | undefined => {
  if (op !== '%') return undefined;
  const count = constantOf(right);
  const shown = typeof count === 'number' ? String(count) : '5';
  return `what happens every so often stands in a block of its own: \`every ${shown}.steps { … }\``;
};

const unitArithmetic = (env: Env, span: Span, op: BinaryOp, left: Value, right: Value): Value => {
  const a = constantOf(left);
  const b = constantOf(right);
  const constant = typeof a === 'number' && typeof b === 'number' ? foldNumbers(op, a, b) : undefined;
  if (left.type.kind === 'unit' && right.type.kind === 'unit') {
    if (left.type.unit !== right.type.unit) return unitMismatch(env, span, left, right);
    if (op !== '+' && op !== '-') return mismatch(env, span, op, left, right, remainderHelp(op, right));
  } else if (op !== '*' && !(op === '/' && left.type.kind === 'unit')) {
    return mismatch(env, span, op, left, right, remainderHelp(op, right) ?? 'give both sides a unit');
  }
  const unit = left.type.kind === 'unit' ? left.type : right.type;
  const fits = (type: Type): boolean => isNumber(type) || type.kind === 'unit';
  if (unit.kind !== 'unit' || !fits(left.type) || !fits(right.type))
    return mismatch(env, span, op, left, right);
  const inner = (each: Value) => (each.ir.kind === 'quantity' ? each.ir.value : each.ir);
  return value(
    span,
    unit,
    {
      kind: 'quantity',
      unit: unit.unit,
      value: { kind: 'host', op, args: [inner(left), inner(right)], span, type: { kind: 'float' } },
    },
    { constant },
  );
};
