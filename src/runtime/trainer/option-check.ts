/**
 * Options as a program gives them: names that a trainer has, values of their kind. The compiler of TypeScript holds the same; a program in
 * JavaScript has nobody else to say it.
 */
import { didYouMean } from '../../values/near.js';
import { showType, type OptionDeclaration, type OptionType } from '../../values/options.js';
import { UsageError } from '../../values/overrides.js';
import type { RunOptions, TestOptions } from './run.js';
import type { TrainerOptions } from './spec.js';

/** Throws a UsageError where an option of a trainer is none, or its value is of another kind. Limits are looked at elsewhere. */
export function checkKinds(options: TrainerOptions, declarations: readonly OptionDeclaration[]): void {
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const nested = declarations.filter(({ name }) => name.startsWith(`${key}.`));
    if (nested.length > 0) {
      checkParts(key, value, nested);
      continue;
    }
    const found = declarations.find((declaration) => declaration.key === key);
    if (found === undefined) throw unknown('a trainer', 'option', key, keysOf(declarations));
    if (found.later) throw new UsageError(`${found.name} is declared but not built yet; leave it out`);
    checkKind(found, value);
  }
}

/** `limit: { train: … }`: its parts are declared as `limit.train`. */
function checkParts(key: string, value: unknown, declarations: readonly OptionDeclaration[]): void {
  if (value === null) return;
  if (typeof value !== 'object') throw new UsageError(`${key} takes an object, got ${shown(value)}`);
  for (const [part, one] of Object.entries(value)) {
    const found = declarations.find(({ name }) => name === `${key}.${part}`);
    const parts = declarations.map(({ name }) => name.slice(key.length + 1));
    if (found === undefined) throw unknown(key, 'part', part, parts);
    checkKind(found, one);
  }
}

function checkKind({ name, type, nullable }: OptionDeclaration, value: unknown): void {
  if (type === null || value === undefined) return;
  if (value === null ? nullable : isOf(type, value)) return;
  throw new UsageError(`${name} takes ${showType(type)}${nullable ? ', or null' : ''}, got ${shown(value)}`);
}

function isOf(type: OptionType, value: unknown): boolean {
  switch (type.kind) {
    case 'int':
    case 'float':
      return typeof value === 'number';
    case 'bool':
      return typeof value === 'boolean';
    case 'string':
    case 'path':
      return typeof value === 'string';
    case 'choice':
      return typeof value === 'string' && type.choices.includes(value);
    case 'either':
      return type.of.some((one) => isOf(one, value));
    case 'quantity': {
      if (typeof value !== 'object' || value === null || !('unit' in value) || !('value' in value))
        return false;
      const { unit, value: number } = value;
      return typeof number === 'number' && type.units.some((one) => one === unit);
    }
  }
}

const keysOf = (declarations: readonly OptionDeclaration[]): readonly string[] => [
  ...new Set(declarations.map(({ key }) => key.split('.')[0] ?? key)),
];

const unknown = (owner: string, what: string, name: string, names: readonly string[]): UsageError =>
  new UsageError(
    `${owner} has no ${what} ${JSON.stringify(name)}${didYouMean(name, names) || `; it has ${names.join(', ')}`}`,
  );

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'unit' in value && 'value' in value)
    return `${String(value.value)} ${String(value.unit)}`;
  return typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? String(value));
}

const ofRun: Record<keyof RunOptions, true> = {
  dataRoot: true,
  runDir: true,
  control: true,
  stream: true,
  environment: true,
  engine: true,
  device: true,
  forcePrecision: true,
  devRun: true,
  resume: true,
  allow: true,
  allowedBefore: true,
  checkData: true,
  goOn: true,
  failed: true,
  notClosed: true,
  plot: true,
  isBrief: true,
  warned: true,
  ranOn: true,
  hand: true,
};
const ofTest: Record<Exclude<keyof TestOptions, keyof RunOptions>, true> = {
  trained: true,
  told: true,
  table: true,
  rows: true,
};

/** Throws a UsageError where a method that runs (`fit`) is given what it does not have. */
export function checkFitOptions(method: string, options: object): void {
  checkNames(method, options, Object.keys(ofRun));
}

/** The same for those that tell of tables and rows: `validate` and `test`. */
export function checkUseOptions(method: string, options: object): void {
  checkNames(method, options, [...Object.keys(ofRun), ...Object.keys(ofTest)]);
}

function checkNames(method: string, options: object, names: readonly string[]): void {
  for (const key of Object.keys(options))
    if (!names.includes(key)) throw unknown(method, 'option', key, names);
}
