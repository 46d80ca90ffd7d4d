/** What ops take and which attributes they have, as the opened library itself tells it. */
import type { NativeLibrary } from './c-api.js';
import { bytesIn, decode, textOf } from './protobuf.js';

export type AttributeType =
  'string' | 'int' | 'float' | 'bool' | 'type' | 'shape' | 'tensor' | 'func' | 'list(int)' | 'list(type)';

export interface OpInput {
  readonly name: string;
  /** Whether it takes a list of tensors. */
  readonly list: boolean;
}

export interface OpDefinition {
  readonly name: string;
  readonly inputs: readonly OpInput[];
  readonly outputs: number;
  readonly attributes: ReadonlyMap<string, string>;
}

/** Reads an `OpList` message (tensorflow/core/framework/op_def.proto). */
export function readOpDefinitions(message: Uint8Array): ReadonlyMap<string, OpDefinition> {
  const definitions = new Map<string, OpDefinition>();
  for (const [, op] of decode(message)) {
    const definition = readOp(bytesIn(op));
    definitions.set(definition.name, definition);
  }
  return definitions;
}

function readOp(message: Uint8Array): OpDefinition {
  let name = '';
  let outputs = 0;
  const inputs: OpInput[] = [];
  const attributes = new Map<string, string>();
  for (const [field, value] of decode(message)) {
    if (field === 1) name = textOf(value);
    else if (field === 2) inputs.push(readInput(bytesIn(value)));
    else if (field === 3) outputs += 1;
    else if (field === 4) {
      const [attribute, type] = readAttribute(bytesIn(value));
      attributes.set(attribute, type);
    }
  }
  return { name, inputs, outputs, attributes };
}

function readInput(message: Uint8Array): OpInput {
  let name = '';
  let list = false;
  for (const [field, value] of decode(message)) {
    if (field === 1) name = textOf(value);
    // `number_attr` and `type_list_attr`.
    else if (field === 5 || field === 6) list = true;
  }
  return { name, list };
}

function readAttribute(message: Uint8Array): readonly [string, string] {
  let name = '';
  let type = '';
  for (const [field, value] of decode(message)) {
    if (field === 1) name = textOf(value);
    else if (field === 2) type = textOf(value);
  }
  return [name, type];
}

/** The definitions of all ops of the library. */
export function opDefinitions({ api, read, buffer }: NativeLibrary): ReadonlyMap<string, OpDefinition> {
  const list = api.TF_GetAllOpList();
  try {
    const { data, length } = buffer(list);
    return readOpDefinitions(new Uint8Array(read(data, length)));
  } finally {
    api.TF_DeleteBuffer(list);
  }
}
