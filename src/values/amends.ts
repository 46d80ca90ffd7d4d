/**
 * What is written as another one with some things replaced, `data b = a { … }`, has from it whatever it does not name. So what a command line
 * says of `a` holds for `b` as well, unless `b` names it, or the command line does so of `b`: just as if the spec had said it of `a`.
 */
import { UsageError, type Override } from './overrides.js';

/** A data set or optimizer that amends another one. */
export interface Amending {
  readonly name: string;
  /** What it amends. */
  readonly of: string;
  /** Options that it names itself, of those that a command line may set. */
  readonly own: readonly string[];
}

/** All of a trainer that amends another, what no step reads too. */
export interface Amends {
  readonly data?: readonly Amending[];
  readonly optimizers?: readonly Amending[];
}

/** What `name` amends, what that amends, and so on; nearest first. */
function basesOf(amends: readonly Amending[], name: string): readonly Amending[] {
  const found: Amending[] = [];
  for (let at = name; ;) {
    const next = amends.find((each) => each.name === at);
    if (next === undefined || found.includes(next)) return found;
    found.push(next);
    at = next.of;
  }
}

/** Of `names`, what is made of `base`, step by step or at once. */
export const madeOf = (
  amends: readonly Amending[],
  base: string,
  names: Iterable<string>,
): readonly string[] => [...names].filter((name) => basesOf(amends, name).some(({ of }) => of === base));

/** What others are made of and that is not of `names` itself: a data set that no step reads. */
export const onlyAmended = (amends: readonly Amending[], names: Iterable<string>): readonly string[] => {
  const known = new Set(names);
  const bases = [...known].flatMap((name) => basesOf(amends, name).map(({ of }) => of));
  return [...new Set(bases)].filter((name) => !known.has(name));
};

/** Of `names`, what has `option` from `base`. `isGiven`: whether the command line says it of that one. */
export const heirsOf = (
  amends: readonly Amending[],
  base: string,
  option: string,
  names: Iterable<string>,
  isGiven: (name: string) => boolean = () => false,
): readonly string[] =>
  [...names].filter((name) => {
    for (const each of basesOf(amends, name)) {
      if (each.own.includes(option) || isGiven(each.name)) return false;
      if (each.of === base) return true;
    }
    return false;
  });

/** Of a line of names: `a`, `a and b`, `a, b and c`. */
const listed = (names: readonly string[]): string =>
  [names.slice(0, -1).join(', '), ...names.slice(-1)].filter((part) => part !== '').join(' and ');

/**
 * All of `names` that `owner.option=value` holds for: the owner, and what has the option from it. `all`: every override. Where no step reads the
 * owner, and what is made of it has an option of its own, the reason why it changes nothing.
 */
export function holdersOf(
  amends: readonly Amending[],
  { path }: Pick<Override, 'path'>,
  names: readonly string[],
  all: readonly Pick<Override, 'path'>[],
): readonly string[] | string {
  const [owner = '', option = ''] = path;
  const isGiven = (name: string): boolean =>
    all.some(({ path: [other, its] }) => other === name && its === option);
  const found = [
    ...names.filter((name) => name === owner),
    ...heirsOf(amends, owner, option, names, isGiven),
  ];
  const made = madeOf(amends, owner, names);
  return found.length > 0 || made.length === 0
    ? found
    : `no step reads ${owner}, and ${listed(made)} ${made.length === 1 ? 'does' : 'do'} not have ${option} from it`;
}

/** The same. Throws a UsageError where it changes nothing. */
export function heldBy(
  amends: readonly Amending[],
  override: Override,
  names: readonly string[],
  all: readonly Override[],
): readonly string[] {
  const found = holdersOf(amends, override, names, all);
  if (typeof found !== 'string') return found;
  const [owner = '', option = ''] = override.path;
  const instead = madeOf(amends, owner, names).map((name) => `${name}.${option}`);
  throw new UsageError(`${override.path.join('.')} changes nothing: ${found}; set ${listed(instead)}`);
}
