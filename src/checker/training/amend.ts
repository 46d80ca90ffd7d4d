/** An attribute of the trainer, a data set, an optimizer or an add-on, set to another value than the spec's. */
import type { Span } from '../../parser/source.js';
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

const amend = <T extends Owned>(item: T, table: string, override: Override, span?: Span): T => {
  const [owner = '', name = '', field] = override.path;
  const declaration = findOption(owner, optionTable.get(table) ?? [], override.path.slice(1).join('.'));
  const value = parseOption(owner, declaration, override.text);
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
 * The trainer with one attribute as an override has it. `span`: where that value is written; without it, where the spec has the
 * attribute's own. Throws a UsageError where it names nothing, or its value is none that it can have.
 */
export const amendTrainer = (trainer: IrTrainer, override: Override, span?: Span): IrTrainer => {
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
  const has = (items: readonly { readonly name: string }[]): boolean =>
    items.some((item) => item.name === owner);
  if (has(trainer.data)) {
    return {
      ...trainer,
      data: trainer.data.map((item) =>
        item.name === owner ? amend(item, 'data/options', override, span) : item,
      ),
    };
  }
  if (has(trainer.optimizers)) {
    return {
      ...trainer,
      optimizers: trainer.optimizers.map((item) =>
        item.name === owner ? amend(item, `optimizer/${item.kind}`, override, span) : item,
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
  const owners = [
    'trainer',
    ...[...trainer.data, ...trainer.optimizers].map(({ name }) => name),
    ...trainer.addons.map(({ label }) => label),
  ];
  throw new UsageError(
    `nothing is called ${JSON.stringify(owner)}${didYouMean(owner, owners) || `; there are ${owners.join(', ')}`}`,
  );
};
