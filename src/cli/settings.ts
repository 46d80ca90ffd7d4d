/**
 * A run's params and attributes as the defaults and a command line give them, without running anything. After this:
 * every override was allowed, and the trainer has it in the place of what the spec says.
 */
import { evaluateIr, type HostNames, type HostValue } from '../checker/evaluate.js';
import type { Ir, IrTrainer } from '../checker/ir.js';
import { amendTrainer } from '../checker/training/amend.js';
import { paramType } from '../checker/training/sweep.js';
import { UsageError, parseValue, type Override } from '../values/overrides.js';
import { didYouMean } from '../values/near.js';

export interface Settings {
  readonly trainer: IrTrainer;
  readonly names: HostNames;
  /** Params that the command line set. */
  readonly given: ReadonlySet<string>;
  /** All names that the command line set: `lr`, `trainer.epochs`. */
  readonly overridden: ReadonlySet<string>;
}

/** Throws a UsageError where an override names nothing, has a wrong type or breaks a condition. */
export const settingsOf = (trainer: IrTrainer, ir: Ir, overrides: readonly Override[]): Settings => {
  const consts = new Map(
    ir.modules.flatMap((module) => module.consts.map((each) => [each.name, each.value] as const)),
  );
  const params = new Map<string, HostValue>();
  const names: HostNames = { params, consts };
  const given = new Set<string>();
  for (const { path, text } of overrides) {
    const [name = '', second] = path;
    if (second !== undefined) continue;
    const param = trainer.params.find((each) => each.name === name);
    const known = trainer.params.map((each) => each.name);
    if (param === undefined) {
      throw new UsageError(
        `there is no param ${JSON.stringify(name)}${didYouMean(name, known) || (known.length === 0 ? '; the spec has none' : `; there are ${known.join(', ')}`)}`,
      );
    }
    const value = parseValue(name, paramType(param), text);
    params.set(name, typeof value === 'object' ? null : value);
    given.add(name);
  }
  for (const param of trainer.params) {
    const value = param.value !== null && !given.has(param.name) ? evaluateIr(param.value, names) : undefined;
    if (value !== undefined) params.set(param.name, value);
  }
  for (const { name, where } of trainer.params) {
    if (where !== null && evaluateIr(where.test, names) === false) {
      throw new UsageError(`${name} must keep ${where.text}, got ${String(params.get(name))}`);
    }
  }
  for (const { test, text, message } of trainer.asserts) {
    if (evaluateIr(test, names) === false)
      throw new UsageError(
        `the spec asserts ${text}${message === null ? '' : ` (${message})`}, which these params break`,
      );
  }
  const attributes = overrides.filter(({ path }) => path.length > 1);
  const amended = attributes.reduce(
    (before, override) => amendTrainer(before, override, undefined, attributes),
    trainer,
  );
  const overridden = new Set(overrides.map(({ path }) => path.join('.')));
  return { trainer: amended, names, given, overridden };
};
