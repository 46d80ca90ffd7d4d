/** Sets attributes of ops, in graphs and at once: the op's definition decides which kind each is. */
import type { Address, CApi } from './c-api.js';
import type { OpDefinition } from './op-definitions.js';
import { check } from './status.js';
import type { AttributeValue, Attributes } from './values.js';

/** The two families of functions that set attributes. */
interface Setters {
  string(op: Address, name: string, value: Uint8Array): void;
  int(op: Address, name: string, value: number): void;
  float(op: Address, name: string, value: number): void;
  bool(op: Address, name: string, value: boolean): void;
  type(op: Address, name: string, value: number): void;
  shape(op: Address, name: string, value: BigInt64Array): void;
  ints(op: Address, name: string, value: BigInt64Array): void;
  types(op: Address, name: string, value: Int32Array): void;
  func(op: Address, name: string, value: string): void;
}

export function graphSetters(api: CApi): Setters {
  return {
    string: (op, name, value) => {
      api.TF_SetAttrString(op, name, value, value.length);
    },
    int: (op, name, value) => {
      api.TF_SetAttrInt(op, name, value);
    },
    float: (op, name, value) => {
      api.TF_SetAttrFloat(op, name, value);
    },
    bool: (op, name, value) => {
      api.TF_SetAttrBool(op, name, Number(value));
    },
    type: (op, name, value) => {
      api.TF_SetAttrType(op, name, value);
    },
    shape: (op, name, value) => {
      api.TF_SetAttrShape(op, name, value, value.length);
    },
    ints: (op, name, value) => {
      api.TF_SetAttrIntList(op, name, value, value.length);
    },
    types: (op, name, value) => {
      api.TF_SetAttrTypeList(op, name, value, value.length);
    },
    func: (op, name, value) => {
      api.TF_SetAttrFuncName(op, name, value, Buffer.byteLength(value));
    },
  };
}

export function eagerSetters(api: CApi, status: Address): Setters {
  return {
    string: (op, name, value) => {
      api.TFE_OpSetAttrString(op, name, value, value.length);
    },
    int: (op, name, value) => {
      api.TFE_OpSetAttrInt(op, name, value);
    },
    float: (op, name, value) => {
      api.TFE_OpSetAttrFloat(op, name, value);
    },
    bool: (op, name, value) => {
      api.TFE_OpSetAttrBool(op, name, Number(value));
    },
    type: (op, name, value) => {
      api.TFE_OpSetAttrType(op, name, value);
    },
    shape: (op, name, value) => {
      api.TFE_OpSetAttrShape(op, name, value, value.length, status);
      check(api, status, name);
    },
    ints: (op, name, value) => {
      api.TFE_OpSetAttrIntList(op, name, value, value.length);
    },
    types: () => {
      throw new Error('lists of types are taken from the inputs when an op runs at once');
    },
    func: (op, name, value) => {
      api.TFE_OpSetAttrFunctionName(op, name, value, Buffer.byteLength(value));
    },
  };
}

export function setAttributes(
  setters: Setters,
  op: Address,
  definition: OpDefinition,
  attributes: Attributes,
): void {
  for (const [name, value] of Object.entries(attributes)) {
    const type = definition.attributes.get(name);
    if (type === undefined) {
      throw new Error(`op ${definition.name} has no attribute ${name}`);
    }
    set(setters, op, definition, name, type, value);
  }
}

function set(
  setters: Setters,
  op: Address,
  definition: OpDefinition,
  name: string,
  type: string,
  value: AttributeValue,
): void {
  if (typeof value === 'string' && type === 'string') {
    setters.string(op, name, new TextEncoder().encode(value));
  } else if (value instanceof Uint8Array) {
    if (type !== 'string') throw new Error(`attribute ${name} of op ${definition.name} takes no bytes`);
    setters.string(op, name, value);
  } else if (typeof value === 'string' && type === 'func') setters.func(op, name, value);
  else if (typeof value === 'boolean' && type === 'bool') setters.bool(op, name, value);
  else if (typeof value === 'number' && type === 'int') setters.int(op, name, value);
  else if (typeof value === 'number' && type === 'float') setters.float(op, name, value);
  else if (typeof value === 'number' && type === 'type') setters.type(op, name, value);
  else if (typeof value === 'object' && type === 'shape') setters.shape(op, name, dims(value));
  else if (typeof value === 'object' && type === 'list(int)') setters.ints(op, name, dims(value));
  else if (typeof value === 'object' && type === 'list(type)')
    setters.types(op, name, Int32Array.from(value));
  else {
    throw new Error(`attribute ${name} of op ${definition.name} is a ${type}, but ${typeof value} arrived`);
  }
}

/** Sizes as the library takes them. */
export function dims(sizes: readonly number[]): BigInt64Array {
  return BigInt64Array.from(sizes, BigInt);
}
