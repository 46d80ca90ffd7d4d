/** Functions of numbers that are known at the start. */
import type { Span } from '../parser/source.js';
import { ceilOf, floorOf, maxOf, minOf } from './dims/facts.js';
import { constant as constantSize } from './dims/size.js';
import type { Env } from './env.js';
import type { Builtin } from './prelude.js';
import { floatType } from './types.js';
import { constantOf, value, type Value } from './value.js';

/** `floor(h / 2)`, `min(a, b)`, `sqrt(dim / heads)` on host values. */
export const hostCall = (
  env: Env,
  builtin: Builtin,
  values: readonly Value[],
  bound: ReadonlyMap<string, Value>,
  span: Span,
): Value => {
  const args = builtin.params.flatMap((param) => bound.get(param.name.text) ?? []);
  const ir = { kind: 'hostCall' as const, fn: builtin.name, args: args.map((each) => each.ir) };
  const numbers = args.map((each) => constantOf(each));
  const constant = numbers.every((each) => typeof each === 'number')
    ? hostFunction(
        builtin.name,
        numbers.filter((each) => typeof each === 'number'),
      )
    : undefined;
  const size = hostSize(env, builtin.name, values);
  if (size) return value(span, { kind: 'int' }, ir, { size, constant: constant ?? undefined });
  const whole = builtin.name === 'floor' || builtin.name === 'ceil' || builtin.name === 'round';
  if (constant !== undefined && constant !== null) {
    const int = (whole || values.every((each) => each.type.kind === 'int')) && Number.isSafeInteger(constant);
    return value(span, int ? { kind: 'int' } : floatType, ir, {
      constant,
      size: int ? constantSize(constant) : null,
    });
  }
  return value(span, whole ? { kind: 'int' } : floatType, ir);
};

const hostSize = (env: Env, name: string, values: readonly Value[]) => {
  const [a, b] = values;
  if (!a) return null;
  const ratio = a.ratio ?? (a.size ? { numerator: a.size, denominator: constantSize(1) } : null);
  if (name === 'floor' && ratio) return floorOf(ratio, env.facts);
  if (name === 'ceil' && ratio) return ceilOf(ratio, env.facts);
  if (name === 'min' && a.size && b?.size) return minOf(a.size, b.size, env.facts);
  if (name === 'max' && a.size && b?.size) return maxOf(a.size, b.size, env.facts);
  return null;
};

export const hostFunction = (
  name: string,
  [a = Number.NaN, b = Number.NaN, c = Number.NaN]: readonly number[],
): number | null => {
  switch (name) {
    case 'neg':
      return -a;
    case 'rsqrt':
      return 1 / Math.sqrt(a);
    case 'square':
      return a * a;
    case 'sigmoid':
      return 1 / (1 + Math.exp(-a));
    case 'min':
      return Math.min(a, b);
    case 'max':
      return Math.max(a, b);
    case 'clamp':
      return Math.min(Math.max(a, b), c);
    case 'abs':
    case 'exp':
    case 'log':
    case 'log1p':
    case 'expm1':
    case 'sqrt':
    case 'floor':
    case 'ceil':
    case 'round':
    case 'sign':
    case 'tanh':
    case 'sin':
    case 'cos':
      return Math[name](a);
    default:
      return null;
  }
};
