/**
 * The little of Protocol Buffers' wire format that the C library asks for: definitions of ops are read, configurations and
 * attributes are written. Format: protobuf.dev, "Encoding".
 */

/** A field to write: a number or bool as a varint, text or bytes with their length, undefined not at all. */
export type Field = readonly [number: number, value: number | boolean | string | Uint8Array | undefined];

export function encode(...fields: readonly Field[]): Uint8Array {
  const out: number[] = [];
  const varint = (value: number): void => {
    let rest = value;
    while (rest > 127) {
      out.push((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    out.push(rest);
  };
  for (const [number, value] of fields) {
    if (value === undefined) continue;
    if (typeof value === 'number' || typeof value === 'boolean') {
      varint(number * 8);
      varint(Number(value));
    } else {
      const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
      varint(number * 8 + 2);
      varint(bytes.length);
      for (const byte of bytes) out.push(byte);
    }
  }
  return Uint8Array.from(out);
}

/** A field that was read: its number, and a varint's value or the bytes. */
export type ReadField = readonly [number: number, value: number | Uint8Array];

/** The fields of a message. Fixed-width fields, which nothing here asks for, are passed over. */
export function* decode(bytes: Uint8Array): Generator<ReadField> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('a message of TensorFlow ends in the middle of a number');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    switch (key % 8) {
      case 0:
        yield [number, varint()];
        break;
      case 2: {
        const length = varint();
        yield [number, bytes.subarray(at, at + length)];
        at += length;
        break;
      }
      case 1:
        at += 8;
        break;
      case 5:
        at += 4;
        break;
      default:
        throw new Error(`a message of TensorFlow has a field of unknown kind ${key % 8}`);
    }
  }
}

const decoder = new TextDecoder();

export function textOf(value: number | Uint8Array): string {
  if (typeof value === 'number') throw new Error('a message of TensorFlow has a number where text belongs');
  return decoder.decode(value);
}

export function bytesIn(value: number | Uint8Array): Uint8Array {
  if (typeof value === 'number')
    throw new Error('a message of TensorFlow has a number where a message belongs');
  return value;
}
