/**
 * `owner.option=value` from the command line, applied to what a trainer has configured: its own options, data sets,
 * optimizers and add-ons. Types and limits come from the prelude's table.
 */
import type { AddOn } from '../addons/addon.js';
import type { Data } from '../data/data.js';
import type { Optimizer } from '../optim/optimizer.js';
import { heirsOf, heldBy, madeOf, onlyAmended, type Amends } from '../../values/amends.js';
import { didYouMean } from '../../values/near.js';
import type { OptionDeclaration, OptionTable } from '../../values/options.js';
import {
  findOption,
  onlyInSpec,
  parseOption,
  UsageError,
  type OptionValue,
  type Override,
} from '../../values/overrides.js';
import { nameOfAddOn, replaced } from '../addons/addon.js';
import type { TrainerOptions } from './spec.js';

/** Splits overrides by owner. Throws a UsageError where one is no `owner.option=value`. */
export function byOwner(overrides: readonly Override[]): ReadonlyMap<string, readonly Override[]> {
  const owners = new Map<string, Override[]>();
  for (const override of overrides) {
    const [owner = '', option, ...deeper] = override.path;
    // The parts of `limit` have names of their own: `trainer.limit.train`.
    if (option === undefined || deeper.length > (owner === 'trainer' ? 1 : 0)) {
      throw new UsageError(
        `${override.path.join('.')} is no option; write owner.option=value, e.g. trainer.epochs=2`,
      );
    }
    owners.set(owner, [...(owners.get(owner) ?? []), override]);
  }
  return owners;
}

function parsed(
  owner: string,
  overrides: readonly Override[],
  declarations: readonly OptionDeclaration[],
): Readonly<Record<string, OptionValue>> {
  return Object.fromEntries(
    overrides.map(({ path, text }) => {
      const declaration = findOption(owner, declarations, path.slice(1).join('.'));
      return [declaration.key, parseOption(owner, declaration, text)];
    }),
  );
}

/** The trainer's options with `trainer.…=…` applied. Setting one of epochs and steps takes the other away. */
export function overrideTrainer(
  options: TrainerOptions,
  overrides: readonly Override[],
  table: OptionTable,
): TrainerOptions {
  if (overrides.length === 0) return options;
  const values = parsed('trainer', overrides, table.get('trainer/options') ?? []);
  const cleared =
    values['steps'] === undefined
      ? values['epochs'] === undefined
        ? {}
        : { steps: null }
      : values['epochs'] === undefined
        ? { epochs: null }
        : {};
  const limit = Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) =>
      key.startsWith(limitPrefix) ? [[key.slice(limitPrefix.length), value] as const] : [],
    ),
  );
  const plain = Object.fromEntries(Object.entries(values).filter(([key]) => !key.startsWith(limitPrefix)));
  return { ...replaced(replaced(options, cleared), plain), ...limitOf(options, limit) };
}

const limitPrefix = 'limit.';

/** The limits with some replaced; nothing where none are. */
function limitOf(
  { limit: before }: TrainerOptions,
  parts: Readonly<Record<string, OptionValue>>,
): Pick<TrainerOptions, 'limit'> {
  return Object.keys(parts).length === 0 ? {} : { limit: { ...before, ...parts } };
}

/** What overrides other than the trainer's are applied to. */
export interface Configured<S extends object> {
  readonly data: ReadonlyMap<string, Data<unknown>>;
  readonly optimizers: ReadonlyMap<string, Optimizer<S>>;
  readonly addOns: readonly AddOn[];
  /** What of the data sets and optimizers is another one with some things replaced. */
  readonly amends: Amends;
}

/** Data sets by the ones that they replace. */
export interface Overridden<S extends object> {
  readonly data: ReadonlyMap<Data<unknown>, Data<unknown>>;
  readonly optimizers: ReadonlyMap<string, Optimizer<S>>;
  readonly addOns: readonly AddOn[];
}

/** The overrides of `owner` that hold for each of `names`: for the owner itself, and for what has an option from it. */
function overridesOfEach(
  amends: Amends['data'],
  owner: string,
  owners: ReadonlyMap<string, readonly Override[]>,
  names: readonly string[],
): ReadonlyMap<string, readonly Override[]> {
  const all = [...owners.values()].flat();
  const held = new Map<string, readonly Override[]>();
  for (const override of owners.get(owner) ?? [])
    for (const name of heldBy(amends ?? [], override, names, all))
      held.set(name, [...(held.get(name) ?? []), override]);
  return held;
}

/**
 * Applies overrides by owner, to what is made of an owner and does not say otherwise too. Throws a UsageError for an owner that does not
 * exist.
 */
export function overrideAttributes<S extends object>(
  configured: Configured<S>,
  owners: ReadonlyMap<string, readonly Override[]>,
  table: OptionTable,
): Overridden<S> {
  const { amends } = configured;
  const sets = [...configured.data.keys()];
  const replacedSets = new Map<string, Data<unknown>>();
  const optimizers = new Map(configured.optimizers);
  let addOns = configured.addOns;
  for (const [owner, overrides] of owners) {
    if (owner === 'trainer') continue;
    const set = anyOf(configured, owner);
    const optimizer = optimizers.get(owner);
    if (set !== undefined) {
      const declarations = ['options', kindOf(set)].flatMap((kind) => table.get(`data/${kind}`) ?? []);
      parsed(owner, overrides, declarations);
      for (const [name, held] of overridesOfEach(amends.data, owner, owners, sets)) {
        const before = replacedSets.get(name) ?? configured.data.get(name) ?? set;
        replacedSets.set(name, before.withOptions(parsed(owner, held, declarations)));
      }
    } else if (optimizer !== undefined) {
      const [first] = overrides;
      // Their limits are the spec's, which no table has.
      if (optimizer.rule.kind === 'extern' && first !== undefined)
        throw onlyInSpec(first.path.join('.'), 'the spec and build again');
      const declarations = table.get(`optimizer/${optimizer.rule.kind}`) ?? [];
      parsed(owner, overrides, declarations);
      const names = [...optimizers.keys()];
      for (const [name, held] of overridesOfEach(amends.optimizers, owner, owners, names)) {
        const before = optimizers.get(name) ?? optimizer;
        const values = parsed(owner, held, declarations);
        const rule = replaced(before.rule, ruleValues(before.rule, values));
        optimizers.set(name, replaced({ ...before, rule }, values));
      }
    } else if (addOns.some((addOn) => nameOfAddOn(addOn) === owner)) {
      addOns = addOns.map((addOn) =>
        nameOfAddOn(addOn) === owner
          ? addOn.withOptions(parsed(owner, overrides, table.get(`addon/${addOn.kind}`) ?? []))
          : addOn,
      );
    } else {
      const names = [
        'trainer',
        ...sets,
        ...onlyAmended(amends.data ?? [], sets),
        ...optimizers.keys(),
        ...addOns.map(nameOfAddOn),
      ];
      throw new UsageError(
        `nothing is named ${JSON.stringify(owner)}${didYouMean(owner, names) || `; there are ${names.join(', ')}`}`,
      );
    }
  }
  const data = new Map<Data<unknown>, Data<unknown>>();
  for (const [name, set] of replacedSets) {
    const before = configured.data.get(name);
    if (before !== undefined) data.set(before, set);
  }
  return { data, optimizers, addOns };
}

/** The data set of a name; of one that no step reads, another that is made of it and so has its source. */
function anyOf(
  { data, amends }: Pick<Configured<object>, 'data' | 'amends'>,
  name: string,
): Data<unknown> | undefined {
  const [heir = ''] = data.has(name) ? [name] : madeOf(amends.data ?? [], name, data.keys());
  return data.get(heir);
}

/** What a command line may set as `owner.option`. */
export interface Attribute {
  readonly declaration: OptionDeclaration;
  /** What was configured, defaults too; undefined where a command line has no words for that, or it is not known. */
  readonly inSpec: OptionValue | undefined;
}

/** The attribute that `owner.option` names; null where there is none that a command line may set. */
export function attributeOf<S extends object>(
  { data, optimizers, addOns, amends }: Configured<S>,
  name: string,
  table: OptionTable,
): Attribute | null {
  const [owner = '', option = ''] = name.split('.');
  // What a set that no step reads says of it, those say that have it from there.
  const [heir = ''] = data.has(owner) ? [owner] : heirsOf(amends.data ?? [], owner, option, data.keys());
  const set = data.get(heir);
  const optimizer = optimizers.get(owner);
  const addOn = addOns.find((each) => nameOfAddOn(each) === owner);
  const [kinds, values]: readonly [readonly string[], readonly object[]] =
    set !== undefined
      ? [['data/options', `data/${kindOf(set)}`], [set.options]]
      : optimizer !== undefined
        ? [[`optimizer/${optimizer.rule.kind}`], [optimizer.rule, optimizer]]
        : [[`addon/${addOn?.kind ?? ''}`], [addOn?.options ?? {}]];
  const declaration = kinds
    .flatMap((kind) => table.get(kind) ?? [])
    .find((each) => each.name === option && each.overridable);
  if (declaration === undefined) return null;
  const held = values.flatMap((each) => Object.entries(each)).find(([key]) => key === declaration.key);
  const value: unknown = held?.[1];
  return { declaration, inSpec: isOptionValue(value) ? value : undefined };
}

const isOptionValue = (value: unknown): value is OptionValue =>
  value === null ||
  ['number', 'boolean', 'string'].includes(typeof value) ||
  (typeof value === 'object' && 'unit' in value && 'value' in value && typeof value.value === 'number');

/** Of `csv data/iris.csv`. */
const kindOf = ({ source }: Data<unknown>): string => source.name.split(' ')[0] ?? '';

function ruleValues(
  rule: object,
  values: Readonly<Record<string, OptionValue>>,
): Readonly<Record<string, OptionValue>> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => key in rule));
}
