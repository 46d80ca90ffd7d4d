/**
 * `name=value` from a command line, read by the declared type. After this, a value has its type and keeps its limits;
 * conditions between several params are the trainer's to check.
 */
import { didYouMean } from './near.js';
import { showType, withinLimits, type OptionDeclaration, type OptionType } from './options.js';
import { showQuantity, unitSpellings, type Quantity } from './units.js';

export type OptionValue = number | boolean | string | Quantity | null;

/** A wrong command line: the process ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Override {
  /** The parts before `=`: `['lr']`, `['trainer', 'epochs']`. */
  readonly path: readonly string[];
  readonly text: string;
}

/** Splits `trainer.epochs=2`. Throws a UsageError for anything else. */
export function parseOverride(argument: string): Override {
  const match = /^([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)=(.*)$/s.exec(argument);
  if (match === null) {
    throw new UsageError(
      `cannot read ${JSON.stringify(argument)}; write name=value, e.g. lr=1e-3 or trainer.epochs=2`,
    );
  }
  const [, name = '', text = ''] = match;
  return { path: name.split('.'), text };
}

/** The same of what was read before, by its whole name. */
export function nameAndText(argument: string): readonly [name: string, text: string] {
  const at = argument.indexOf('=');
  return [argument.slice(0, at), argument.slice(at + 1)];
}

const wholeNumber = /^[+-]?\d(?:_?\d)*$/;
const decimalNumber = /^[+-]?(?:\d(?:_?\d)*)(?:\.\d(?:_?\d)*)?(?:[eE][+-]?\d+)?$/;
const withUnit = /^([+-]?(?:\d(?:_?\d)*)(?:\.\d(?:_?\d)*)?(?:[eE][+-]?\d+)?)\s*\.?\s*([A-Za-z]+)$/;

/**
 * Reads `text` as `type`. Numbers are written as in a spec (`60_000`, `3e-4`), and so are quantities, with a unit (`500.steps`). Throws a
 * UsageError that names the option and shows the text.
 */
export function parseValue(name: string, type: OptionType, text: string, nullable = false): OptionValue {
  if (nullable && text === 'none') return null;
  const value = readAs(type, text);
  if (value === undefined) {
    const want = nullable ? `${showType(type)}, or none` : showType(type);
    const hint = type.kind === 'choice' ? didYouMean(text, type.choices) : '';
    throw new UsageError(
      `${name} takes ${want}, got ${JSON.stringify(text)}${hint || inDigits(type, text) || withoutUnit(type, text)}`,
    );
  }
  return value;
}

/** `1e12` is a float everywhere in the language; in digits it is a whole number. */
function inDigits(type: OptionType, text: string): string {
  if (type.kind !== 'int' || !decimalNumber.test(text)) return '';
  const value = Number(text.replaceAll('_', ''));
  return Number.isSafeInteger(value) ? `; write ${value}` : '';
}

/** A number where a quantity has one unit, as in a spec. */
function withoutUnit(type: OptionType, text: string): string {
  if (type.kind !== 'quantity' || !decimalNumber.test(text)) return '';
  return `; write ${type.units.map((unit) => `${text}.${unit === 'time' ? 'minutes' : unit}`).join(' or ')}`;
}

function readAs(type: OptionType, text: string): OptionValue | undefined {
  switch (type.kind) {
    case 'int': {
      const value = Number(text.replaceAll('_', ''));
      return wholeNumber.test(text) && Number.isSafeInteger(value) ? value : undefined;
    }
    case 'float': {
      const value = Number(text.replaceAll('_', ''));
      return decimalNumber.test(text) && Number.isFinite(value) ? value : undefined;
    }
    case 'bool':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'string':
      return text;
    case 'path':
      return text === '' ? undefined : text;
    case 'choice':
      return type.choices.includes(text) ? text : undefined;
    case 'quantity':
      return readQuantity(type, text);
    case 'either':
      return type.of.map((one) => readAs(one, text)).find((value) => value !== undefined);
  }
}

function readQuantity(type: OptionType & { readonly kind: 'quantity' }, text: string): Quantity | undefined {
  const match = withUnit.exec(text);
  const make = unitSpellings.get(match?.[2] ?? '');
  if (match === null || make === undefined) return undefined;
  const quantity = make(Number((match[1] ?? '').replaceAll('_', '')));
  return type.units.includes(quantity.unit) ? quantity : undefined;
}

/** `trainer.clip` where only the spec can set it. `where` says where it does so. */
export function onlyInSpec(name: string, where: string): UsageError {
  return new UsageError(`${name} cannot be set at the command line; set it in ${where}`);
}

/** Throws a UsageError where one name is set twice: which of the two would hold? */
export function refuseTwice(overrides: readonly Override[]): void {
  const seen = new Map<string, string>();
  for (const { path, text } of overrides) {
    const name = path.join('.');
    const before = seen.get(name);
    if (before !== undefined)
      throw new UsageError(`${name} is set twice, ${name}=${before} and ${name}=${text}; keep one of them`);
    seen.set(name, text);
  }
}

/** Reads and checks an attribute of a built-in. Throws a UsageError for a wrong type, a limit, or what is not built. */
export function parseOption(owner: string, declaration: OptionDeclaration, text: string): OptionValue {
  const name = `${owner}.${declaration.name}`;
  if (declaration.later) throw new UsageError(`${name} is declared but not built yet; leave it out`);
  if (!declaration.overridable || declaration.type === null)
    throw onlyInSpec(name, 'the spec and build again');
  const value = parseValue(name, declaration.type, text, declaration.nullable);
  if (
    declaration.type.kind === 'quantity' &&
    typeof value === 'object' &&
    value !== null &&
    // No batches turn a step off, where that is allowed; the trainer says so.
    !(value.value > 0 || (value.value === 0 && value.unit === 'batches'))
  )
    throw new UsageError(`${name} must be above 0, got ${text}`);
  if (typeof value === 'number' && !withinLimits(value, declaration.limits)) {
    throw new UsageError(`${name} must keep ${declaration.where ?? 'its limits'}, got ${value}`);
  }
  return value;
}

/** Finds a declaration by name. Throws a UsageError with near names. */
export function findOption(
  owner: string,
  declarations: readonly OptionDeclaration[],
  name: string,
): OptionDeclaration {
  const found = declarations.find((declaration) => declaration.name === name);
  if (found !== undefined) return found;
  const names = declarations.filter(({ overridable }) => overridable).map((declaration) => declaration.name);
  throw new UsageError(
    `${owner} has no option ${JSON.stringify(name)}${didYouMean(name, names) || `; it has ${names.join(', ')}`}`,
  );
}

/** A value as a reader writes it. */
export function showValue(value: OptionValue): string {
  if (value === null) return 'none';
  if (typeof value === 'object') return showQuantity(value);
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
