/** How many outputs ops have and which attributes, as the opened library itself tells it. */
import type { NativeLibrary } from './c-api.js';
import { bytesIn, decode, textOf } from './protobuf.js';

export interface OpDefinition {
  readonly name: string;
  readonly outputs: number;
  readonly attributes: ReadonlyMap<string, string>;
}

/** The ops of an `OpList` message (tensorflow/core/framework/op_def.proto). There are thousands: each is read when it is asked for. */
export class OpDefinitions {
  readonly #messages = new Map<string, Uint8Array>();
  readonly #read = new Map<string, OpDefinition>();

  constructor(list: Uint8Array) {
    for (const [, value] of decode(list)) {
      const message = bytesIn(value);
      this.#messages.set(nameOf(message), message);
    }
  }

  get(name: string): OpDefinition | undefined {
    const known = this.#read.get(name);
    const message = this.#messages.get(name);
    if (known !== undefined || message === undefined) return known;
    const definition = readOp(message);
    this.#read.set(name, definition);
    return definition;
  }
}

/** The name of an op, which comes first in its message. */
function nameOf(message: Uint8Array): string {
  for (const [field, value] of decode(message)) if (field === 1) return textOf(value);
  return '';
}

function readOp(message: Uint8Array): OpDefinition {
  let name = '';
  let outputs = 0;
  const attributes = new Map<string, string>();
  for (const [field, value] of decode(message)) {
    if (field === 1) name = textOf(value);
    else if (field === 3) outputs += 1;
    else if (field === 4) {
      const [attribute, type] = readAttribute(bytesIn(value));
      attributes.set(attribute, type);
    }
  }
  return { name, outputs, attributes };
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
export function opDefinitions({ api, read, buffer }: NativeLibrary): OpDefinitions {
  const list = api.TF_GetAllOpList();
  try {
    const { data, length } = buffer(list);
    return new OpDefinitions(new Uint8Array(read(data, length)));
  } finally {
    api.TF_DeleteBuffer(list);
  }
}
