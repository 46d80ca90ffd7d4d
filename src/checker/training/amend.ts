/** An attribute of the trainer, a data set, an optimizer or an add-on, set to another value than the spec's. */
import type { Span } from '../../parser/source.js';
import { heldBy, onlyAmended } from '../../values/amends.js';
import { didYouMean } from '../../values/near.js';
import { optionTable } from '../../values/options.gen.js';
import {
  UsageError,
  findOption,
  parseOption,
  type OptionValue,
  type Override,
} from '../../values/overrides.js';
import type { IrExpr, IrNamed, IrTrainer } from '../ir.js';

/** What is written at a command line, as the checker would have it from the spec. */
const asExpr = (value: OptionValue, place: Span): IrExpr => {
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
  readonly span: Span;
  readonly options: readonly IrNamed[];
}

/** The value of an override. Throws a UsageError where it names no option, or its value is none that it can have. */
const optionOfOverride = (table: string, { path, text }: Override): OptionValue => {
  const [owner = '', ...name] = path;
  return parseOption(owner, findOption(owner, optionTable.get(table) ?? [], name.join('.')), text);
};

const amend = <T extends Owned>(item: T, table: string, override: Override, span?: Span): T => {
  const [, name = '', field] = override.path;
  const value = optionOfOverride(table, override);
  const before = item.options.find((each) => each.name === name) ?? null;
  const given = asExpr(value, span ?? before?.value.span ?? item.span);
  if (field !== undefined) return withField(item, name, { name: field, value: given });
  return { ...item, options: withOption(item.options, name, given) };
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

/**
 * The trainer with one attribute as an override has it, of what has it from there too. `span`: where that value is written; without it,
 * where the spec has the attribute's own. `all`: every override, of which the nearest holds. Throws a UsageError where it names nothing, or
 * its value is none that it can have.
 */
export const amendTrainer = (
  trainer: IrTrainer,
  override: Override,
  span?: Span,
  all: readonly Override[] = [override],
): IrTrainer => {
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
    const amended = amend({ ...trainer, name: 'trainer' }, 'trainer/options', override, span);
    const other = { epochs: 'steps', steps: 'epochs' }[path[1] ?? ''];
    const options = amended.options.filter((each) => each.name !== other);
    return { ...trainer, options };
  }
  const { amends = {} } = trainer;
  const sets = trainer.data.map(({ name }) => name);
  const rules = trainer.optimizers.map(({ name }) => name);
  const bases = onlyAmended(amends.data ?? [], sets);
  if ([...sets, ...bases].includes(owner)) {
    optionOfOverride('data/options', override);
    const held = new Set(heldBy(amends.data ?? [], override, sets, all));
    return {
      ...trainer,
      data: trainer.data.map((item) =>
        held.has(item.name) ? amend(item, 'data/options', override, span) : item,
      ),
    };
  }
  if (rules.includes(owner)) {
    const held = new Set(heldBy(amends.optimizers ?? [], override, rules, all));
    return {
      ...trainer,
      optimizers: trainer.optimizers.map((item) =>
        held.has(item.name) ? amend(item, `optimizer/${item.kind}`, override, span) : item,
      ),
    };
  }
  if (trainer.addons.some(({ label }) => label === owner)) {
    return {
      ...trainer,
      addons: trainer.addons.map((item) =>
        item.label === owner ? amend(item, `addon/${item.name}`, override, span) : item,
      ),
    };
  }
  const owners = ['trainer', ...sets, ...bases, ...rules, ...trainer.addons.map(({ label }) => label)];
  throw new UsageError(
    `nothing is called ${JSON.stringify(owner)}${didYouMean(owner, owners) || `; there are ${owners.join(', ')}`}`,
  );
};
