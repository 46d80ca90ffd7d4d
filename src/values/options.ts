/**
 * What can be set at the command line, as data: a trainer's params and the prelude's overridable attributes. After
 * this, a value is known to be of its declared type and within its declared limits.
 */
import type { Unit } from './units.js';

export type OptionType =
  | { readonly kind: 'int' | 'float' | 'bool' | 'string' | 'path' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | { readonly kind: 'quantity'; readonly units: readonly Unit[] }
  /** One or the other, as `bool | int`. */
  | { readonly kind: 'either'; readonly of: readonly OptionType[] };

/** One bound of a number, as the prelude's `where` says it. */
export interface OptionLimit {
  readonly operator: '>' | '>=' | '<' | '<=';
  readonly value: number;
}

/** An attribute of a built-in, from the prelude. */
export interface OptionDeclaration {
  /** As a spec writes it, e.g. `log_every`. */
  readonly name: string;
  /** As the runtime reads it, e.g. `logEvery`. */
  readonly key: string;
  /** Null where a command line has no words for a value. */
  readonly type: OptionType | null;
  /** `none` is allowed too. */
  readonly nullable: boolean;
  /** The `where` as written, or null. */
  readonly where: string | null;
  readonly limits: readonly OptionLimit[];
  /** May be set at the command line. */
  readonly overridable: boolean;
  /** Declared, not built. */
  readonly later: boolean;
}

/** Attributes of every built-in that has any, by kind and name: `trainer/options`, `addon/checkpoint`, `data/csv`. */
export type OptionTable = ReadonlyMap<string, readonly OptionDeclaration[]>;

/** Whether a number keeps all limits. */
export function withinLimits(value: number, limits: readonly OptionLimit[]): boolean {
  return limits.every((limit) => {
    switch (limit.operator) {
      case '>':
        return value > limit.value;
      case '>=':
        return value >= limit.value;
      case '<':
        return value < limit.value;
      case '<=':
        return value <= limit.value;
    }
  });
}

/** A type as a message names it: `a whole number`, `one of "a", "b"`, `steps or epochs, e.g. 500.steps`. */
export function showType(type: OptionType): string {
  switch (type.kind) {
    case 'int':
      return 'a whole number';
    case 'float':
      return 'a number';
    case 'bool':
      return 'true or false';
    case 'string':
      return 'text';
    case 'path':
      return 'a path';
    case 'choice':
      return `one of ${type.choices.map((choice) => JSON.stringify(choice)).join(', ')}`;
    case 'either':
      return type.of.map(showType).join(', or ');
    case 'quantity': {
      const [first = 'steps'] = type.units;
      const example = { time: '10.minutes', bytes: '25.MiB' }[
        first === 'time' || first === 'bytes' ? first : 'time'
      ];
      return `${type.units.join(' or ')}, e.g. ${first === 'time' || first === 'bytes' ? example : `5.${first}`}`;
    }
  }
}
