/** A run's params: defaults and what was given, checked. After this, every param has its type and keeps its limits. */
import { didYouMean } from '../../values/near.js';
import type { OptionType } from '../../values/options.js';
import { parseValue, UsageError } from '../../values/overrides.js';
import type { ParamSpec, ParamValue, TrainerSpec } from './spec.js';

/** Where a param's value came from. */
export type ParamOrigin = 'default' | 'given';

export interface ResolvedParams<P> {
  readonly values: P;
  readonly origins: Readonly<Record<string, ParamOrigin>>;
}

/** The type of a param for the command line. */
export function paramType<P>(param: ParamSpec<P>): OptionType {
  if ((param.type === 'string' || param.type === 'path') && param.choices !== undefined) {
    return { kind: 'choice', choices: param.choices };
  }
  return { kind: param.type };
}

/** Reads `name=value` of a param. Throws a UsageError. */
export function parseParam<P>(
  spec: TrainerSpec<P>,
  name: string,
  text: string,
): readonly [key: string, value: ParamValue] {
  const param = spec.params.find((candidate) => candidate.name === name);
  if (param === undefined) {
    const names = spec.params.map((candidate) => candidate.name);
    const hint =
      didYouMean(name, names) || (names.length === 0 ? '; it has none' : `; it has ${names.join(', ')}`);
    throw new UsageError(`${spec.name} has no param ${JSON.stringify(name)}${hint}`);
  }
  const value = parseValue(name, paramType(param), text);
  if (value === null || typeof value === 'object')
    throw new UsageError(`${name} takes one value, got ${text}`);
  return [param.key, value];
}

/**
 * Fills in defaults and checks types, `where`s and asserts. `given` is by key; `known` says by name where values among it came from that
 * another run had. Throws a UsageError that shows the
 * condition and the values.
 */
export function resolveParams<P extends object>(
  spec: TrainerSpec<P>,
  given: Readonly<Record<string, unknown>>,
  known: Readonly<Record<string, ParamOrigin>> = {},
): ResolvedParams<P> {
  // A param may be called `constructor`: only own properties count.
  const own = new Map(Object.entries(given));
  const before = new Map(Object.entries(known));
  const read = new Map<string, ParamValue>();
  const origins = new Map<string, ParamOrigin>();
  for (const param of spec.params) {
    const value = own.get(param.key) ?? param.default;
    if (value === undefined) {
      throw new UsageError(
        `${param.name} has no default; give it as ${param.name}=…${param.doc === '' ? '' : ` (${param.doc})`}`,
      );
    }
    read.set(param.key, checked(param, value));
    const isGiven = own.get(param.key) !== undefined;
    origins.set(param.name, isGiven ? (before.get(param.name) ?? 'given') : 'default');
  }
  const values = Object.fromEntries(read);
  const unknown = Object.keys(given).filter((key) => !spec.params.some((param) => param.key === key));
  if (unknown.length > 0) throw new UsageError(`${spec.name} has no param ${unknown.join(', ')}`);
  if (!areParams(values, spec)) throw new UsageError(`the params of ${spec.name} are not complete`);
  for (const { name, key, where } of spec.params) {
    if (where !== null && !where.test(values)) {
      throw new UsageError(
        `${name} must keep ${where.text}, got ${showParams(spec, values, where.text, key)}`,
      );
    }
  }
  for (const { text, message, test } of spec.asserts ?? []) {
    if (!test(values)) {
      throw new UsageError(
        `${message ?? 'an assertion failed'}: ${text}, got ${showParams(spec, values, text, null)}`,
      );
    }
  }
  return { values, origins: Object.fromEntries(origins) };
}

function checked<P>(param: ParamSpec<P>, value: unknown): ParamValue {
  // Values given in code take the same way as text, so that both keep the same rules.
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' && typeof text !== 'boolean') {
    throw new UsageError(`${param.name} takes one value, got ${JSON.stringify(value)}`);
  }
  const read = parseValue(param.name, paramType(param), String(text));
  if (read === null || typeof read === 'object')
    throw new UsageError(`${param.name} takes one value, got ${text}`);
  return read;
}

// `checked` has read each value as the type that the spec declares, and the spec's types are those of P.
function areParams<P extends object>(values: object, spec: TrainerSpec<P>): values is P {
  return spec.params.every(({ key }) => Object.hasOwn(values, key));
}

/** The params that a condition's text names, with their values: `width = 30, heads = 4`. */
function showParams<P>(spec: TrainerSpec<P>, values: object, text: string, key: string | null): string {
  const all = new Map(Object.entries(values));
  const words = new Set(text.match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? []);
  return spec.params
    .filter((param) => param.key === key || words.has(param.name))
    .map((param) => `${param.name} = ${JSON.stringify(all.get(param.key))}`)
    .join(', ');
}
