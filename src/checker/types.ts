/** What an expression can be, before it becomes an `IrType`: sizes are still exact. */
import { asConstant, showSize, type Size } from './dims/size.js';
import type { DType, IrType, Unit } from './ir.js';

export type Type =
  /** Of what an error was reported already: fits everywhere, so that nothing follows from the first mistake. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'int' | 'float' | 'bool' | 'none' | 'dtype' | 'schedule' | 'rest' }
  /** One of `choices`, where they are given. */
  | { readonly kind: 'string'; readonly choices?: readonly string[] }
  | TensorType
  | MissingType
  | TextType
  /** A list known at the start. */
  | { readonly kind: 'list'; readonly of: Type; readonly length: number | null }
  | RecordType
  | { readonly kind: 'unit'; readonly unit: Unit }
  /** `figures`: of a metric that is several numbers, their names; empty for one that is a table. */
  | { readonly kind: 'setting'; readonly what: string; readonly figures?: readonly string[] };

export interface TensorType {
  readonly kind: 'tensor';
  readonly dtype: DType;
  readonly shape: readonly Size[];
  /** Values of an index are in [0, below); null where nothing is known. */
  readonly below: Size | null;
}

/** A tensor of which some values may be missing: there is a mask beside it, and only `fill` makes a tensor of it. */
export interface MissingType {
  readonly kind: 'missing';
  readonly of: TensorType;
}

/** Texts of a row, or one for each row of a batch: no step computes with them. */
export interface TextType {
  readonly kind: 'text';
  readonly of: 'string' | 'path';
  readonly shape: readonly Size[];
}

export interface RecordType {
  readonly kind: 'record';
  readonly fields: readonly { readonly name: string; readonly type: Type }[];
}

export const unknownType: Type = { kind: 'unknown' };
export const intType: Type = { kind: 'int' };
export const floatType: Type = { kind: 'float' };
export const boolType: Type = { kind: 'bool' };
export const stringType: Type = { kind: 'string' };

export const tensorType = (dtype: DType, shape: readonly Size[], below: Size | null = null): TensorType => ({
  kind: 'tensor',
  dtype,
  shape,
  below,
});

/** The type with `change` applied to its shape; what is no tensor stays as it is. */
export const withShape = (type: Type, change: (shape: readonly Size[]) => readonly Size[]): Type =>
  type.kind === 'tensor'
    ? tensorType(type.dtype, change(type.shape), type.below)
    : type.kind === 'missing'
      ? { kind: 'missing', of: tensorType(type.of.dtype, change(type.of.shape), type.of.below) }
      : type.kind === 'text'
        ? { ...type, shape: change(type.shape) }
        : type;

export const isDType = (text: string): text is DType =>
  text === 'f32' || text === 'i32' || text === 'u8' || text === 'bool';

/** Host values that are numbers, or become one when the run starts. */
export const isNumber = (type: Type): boolean => type.kind === 'int' || type.kind === 'float';

export const showShape = (shape: readonly Size[]): string => `[${shape.map(showSize).join(', ')}]`;

export const showType = (type: Type): string => {
  switch (type.kind) {
    case 'unknown':
      return 'unknown';
    case 'tensor':
      return type.shape.length === 0 ? `${type.dtype} (one number)` : `${type.dtype}${showShape(type.shape)}`;
    case 'missing':
      return `${showType(type.of)} | missing`;
    case 'text':
      return type.of + (type.shape.length === 0 ? '' : showShape(type.shape));
    case 'list':
      return `${showType(type.of)}[${type.length ?? '...'}]`;
    case 'record':
      return `{ ${type.fields.map((field) => `${field.name}: ${showType(field.type)}`).join(', ')} }`;
    case 'unit':
      return unitName(type.unit);
    case 'setting':
      return type.what;
    default:
      return type.kind;
  }
};

export const unitName = (unit: Unit): string =>
  unit === 'seconds'
    ? 'a time'
    : unit === 'bytes'
      ? 'a number of bytes'
      : unit === 'percent'
        ? 'percent'
        : unit;

/** With its article, for messages: `an int`, `f32[n, 4]`. */
export const aType = (type: Type): string => {
  switch (type.kind) {
    case 'int':
      return 'an int';
    case 'float':
    case 'bool':
    case 'string':
    case 'schedule':
      return `a ${type.kind}`;
    case 'text':
      return type.shape.length === 0 ? `a ${type.of} of a row` : showType(type);
    case 'dtype':
      return 'an element type';
    case 'list':
      return `a list ${showType(type)}`;
    case 'record':
      return `a record ${showType(type)}`;
    default:
      return showType(type);
  }
};

export const irType = (type: Type): IrType => {
  switch (type.kind) {
    case 'unknown':
      return { kind: 'none' };
    case 'tensor':
      return { kind: 'tensor', dtype: type.dtype, shape: type.shape.map(showSize) };
    case 'missing':
      return { kind: 'missing', of: irType(type.of) };
    case 'text':
      return { kind: 'text', of: type.of, shape: type.shape.map(showSize) };
    case 'list':
      return type.of.kind === 'tensor' ? { kind: 'tensors' } : { kind: 'list', of: irType(type.of) };
    case 'record':
      return {
        kind: 'record',
        fields: type.fields.map(({ name, type: of }) => ({ name, type: irType(of) })),
      };
    case 'unit':
      return { kind: 'unit', unit: type.unit };
    case 'setting':
    case 'rest':
      return { kind: 'setting' };
    case 'schedule':
      return { kind: 'float' };
    case 'string':
      return type.choices ? { kind: 'choice', values: type.choices } : { kind: 'string' };
    default:
      return { kind: type.kind };
  }
};

/** A literal 1, which alone may broadcast. */
export const isOne = (size: Size): boolean => asConstant(size) === 1;

/** Names of units, singular and plural, and how many of the base unit each is. */
export const units: ReadonlyMap<string, { readonly unit: Unit; readonly times: number }> = new Map(
  Object.entries({
    step: { unit: 'steps', times: 1 },
    steps: { unit: 'steps', times: 1 },
    epoch: { unit: 'epochs', times: 1 },
    epochs: { unit: 'epochs', times: 1 },
    batch: { unit: 'batches', times: 1 },
    batches: { unit: 'batches', times: 1 },
    sample: { unit: 'samples', times: 1 },
    samples: { unit: 'samples', times: 1 },
    percent: { unit: 'percent', times: 1 },
    second: { unit: 'seconds', times: 1 },
    seconds: { unit: 'seconds', times: 1 },
    minute: { unit: 'seconds', times: 60 },
    minutes: { unit: 'seconds', times: 60 },
    hour: { unit: 'seconds', times: 3600 },
    hours: { unit: 'seconds', times: 3600 },
    day: { unit: 'seconds', times: 86_400 },
    days: { unit: 'seconds', times: 86_400 },
    KiB: { unit: 'bytes', times: 1024 },
    MiB: { unit: 'bytes', times: 1_048_576 },
    GiB: { unit: 'bytes', times: 1_073_741_824 },
  } satisfies Record<string, { unit: Unit; times: number }>),
);
