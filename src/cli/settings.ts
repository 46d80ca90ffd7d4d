/**
 * A run's params and attributes as the defaults and a command line give them, without running anything. After this:
 * every override was allowed, and the trainer has it in the place of what the spec says.
 */
import { evaluateIr, type HostNames, type HostValue } from '../checker/evaluate.js';
import type { Ir, IrExpr, IrNamed, IrParam, IrTrainer } from '../checker/ir.js';
import { optionTable } from '../values/options.gen.js';
import {
  UsageError,
  findOption,
  parseOption,
  parseValue,
  type OptionValue,
  type Override,
} from '../values/overrides.js';
import { didYouMean } from '../values/near.js';
import type { OptionType } from '../values/options.js';

export interface Settings {
  readonly trainer: IrTrainer;
  readonly names: HostNames;
  /** Params that the command line set. */
  readonly given: ReadonlySet<string>;
  /** All names that the command line set: `lr`, `trainer.epochs`. */
  readonly overridden: ReadonlySet<string>;
}

const typeOf = ({ type }: IrParam): OptionType => {
  if (type.kind === 'choice') return { kind: 'choice', choices: type.values };
  if (type.kind === 'int' || type.kind === 'float' || type.kind === 'bool') return { kind: type.kind };
  return { kind: 'string' };
};

/** What is written at a command line, as the checker would have it from the spec. */
const asExpr = (value: OptionValue, at: IrNamed | null, span: IrExpr['span']): IrExpr => {
  const place = at?.value.span ?? span;
  if (typeof value !== 'object' || value === null) {
    return { kind: 'literal', value, type: { kind: 'setting' }, span: place };
  }
  const { unit } = value;
  if (unit === 'rest') return { kind: 'rest', type: { kind: 'setting' }, span: place };
  const named = unit === 'time' ? 'seconds' : unit;
  const amount: IrExpr = { kind: 'literal', value: value.value, type: { kind: 'float' }, span: place };
  return { kind: 'quantity', unit: named, value: amount, type: { kind: 'unit', unit: named }, span: place };
};

const withOption = (options: readonly IrNamed[], name: string, value: IrExpr): readonly IrNamed[] => [
  ...options.filter((each) => each.name !== name),
  { name, value },
];

interface Owned {
  readonly name: string;
  readonly span: IrExpr['span'];
  readonly options: readonly IrNamed[];
}

const amend = <T extends Owned>(item: T, table: string, override: Override): T => {
  const [owner = '', name = '', field] = override.path;
  const declaration = findOption(owner, optionTable.get(table) ?? [], override.path.slice(1).join('.'));
  const value = parseOption(owner, declaration, override.text);
  const before = item.options.find((each) => each.name === name) ?? null;
  if (field !== undefined)
    return withField(item, name, { name: field, value: asExpr(value, before, item.span) });
  return { ...item, options: withOption(item.options, name, asExpr(value, before, item.span)) };
};

/** `trainer.limit.train=…`: one field of a record, the others as they are. */
const withField = <T extends Owned>(item: T, name: string, field: IrNamed): T => {
  const before = item.options.find((each) => each.name === name)?.value;
  const fields = before?.kind === 'record' ? before.fields : [];
  const record: IrExpr = {
    kind: 'record',
    fields: [...fields.filter((each) => each.name !== field.name), field],
    type: { kind: 'setting' },
    span: before?.span ?? item.span,
  };
  return { ...item, options: withOption(item.options, name, record) };
};

const amendTrainer = (trainer: IrTrainer, override: Override): IrTrainer => {
  const { path } = override;
  const [owner = '', , ...more] = path;
  // The parts of `limit` have names of their own: `trainer.limit.train`.
  if (more.length > (owner === 'trainer' ? 1 : 0)) {
    throw new UsageError(
      `${path.join('.')} has too many parts; write owner.option=value, e.g. trainer.epochs=2`,
    );
  }
  // The length of a run is one of the two.
  if (owner === 'trainer') {
    const amended = amend({ ...trainer, name: 'trainer' }, 'trainer/options', override);
    const other = { epochs: 'steps', steps: 'epochs' }[path[1] ?? ''];
    const options = amended.options.filter((each) => each.name !== other);
    return { ...trainer, options };
  }
  const has = (items: readonly { readonly name: string }[]): boolean =>
    items.some((item) => item.name === owner);
  if (has(trainer.data)) {
    return {
      ...trainer,
      data: trainer.data.map((item) => (item.name === owner ? amend(item, 'data/options', override) : item)),
    };
  }
  if (has(trainer.optimizers)) {
    return {
      ...trainer,
      optimizers: trainer.optimizers.map((item) =>
        item.name === owner ? amend(item, `optimizer/${item.kind}`, override) : item,
      ),
    };
  }
  if (trainer.addons.some(({ label }) => label === owner)) {
    return {
      ...trainer,
      addons: trainer.addons.map((item) =>
        item.label === owner ? amend(item, `addon/${item.name}`, override) : item,
      ),
    };
  }
  const owners = [
    'trainer',
    ...[...trainer.data, ...trainer.optimizers].map(({ name }) => name),
    ...trainer.addons.map(({ label }) => label),
  ];
  throw new UsageError(
    `nothing is called ${JSON.stringify(owner)}${didYouMean(owner, owners) || `; there are ${owners.join(', ')}`}`,
  );
};

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
    const value = parseValue(name, typeOf(param), text);
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
  const amended = overrides.filter(({ path }) => path.length > 1).reduce(amendTrainer, trainer);
  const overridden = new Set(overrides.map(({ path }) => path.join('.')));
  return { trainer: amended, names, given, overridden };
};
