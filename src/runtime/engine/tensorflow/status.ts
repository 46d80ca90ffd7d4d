/** Errors of TensorFlow: each call that can fail leaves a status, and none is left unread. */
import { showBytes } from '../../progress/format.js';
import type { Address, CApi } from './c-api.js';

/** Codes of a status, from tensorflow/c/tf_status.h, in words. */
const codes: Readonly<Record<number, string>> = {
  1: 'cancelled',
  2: 'unknown',
  3: 'invalid argument',
  4: 'deadline exceeded',
  5: 'not found',
  6: 'already exists',
  7: 'permission denied',
  8: 'out of memory',
  9: 'failed precondition',
  10: 'aborted',
  11: 'out of range',
  12: 'not implemented',
  13: 'internal',
  14: 'unavailable',
  15: 'data loss',
};

export const outOfMemory = 8;

export class TensorFlowError extends Error {
  override readonly name = 'TensorFlowError';
  constructor(
    /** What was being done, e.g. the name of an op. */
    readonly what: string,
    readonly code: number,
    /** TensorFlow's own words. */
    readonly detail: string,
    place = '',
  ) {
    const cure =
      code === outOfMemory ? '; use a smaller model or batch, or end what else uses the device’s memory' : '';
    super(`${what}: ${place}${codes[code] ?? `code ${code}`}: ${firstLine(detail)}${cure}`);
  }

  /** The same, with the op that failed and the place that it comes from. */
  at(op: string, place: string): TensorFlowError {
    return new TensorFlowError(this.what, this.code, this.detail, `${op} at ${place}: `);
  }
}

// After the first line come stack traces of TensorFlow's own and hints for users of its Python package.
function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '')
    .replace(/ \[Op:\w*\].*$/, '')
    .replaceAll(/\{\{[a-z_]+ [^}]*\}\} ?/g, '')
    .trim();
}

/** Bytes of an element, by the words of TensorFlow's errors. */
const elementBytes: Readonly<Record<string, number>> = {
  float: 4,
  int32: 4,
  int64: 8,
  half: 2,
  bfloat16: 2,
  bool: 1,
  uint8: 1,
};

/** How much was asked for where memory ran out: by TensorFlow's own kernels a tensor, by XLA an amount. Null where it does not say. */
export function askedFor(detail: string): string | null {
  const tensor = /(shape\[([\d,]*)\])(?: and type (\w+))?/.exec(detail);
  if (tensor !== null) {
    const [, shape = '', sizes = '', type = ''] = tensor;
    const count = sizes.split(',').reduce((product, size) => product * (size === '' ? 1 : Number(size)), 1);
    const bytes = elementBytes[type];
    return bytes === undefined ? shape : `${shape}, ${showBytes(bytes * count)}`;
  }
  const amount = /allocate ([\d.]+) ?([KMGTP]?i?B|bytes)\b/.exec(detail);
  return amount === null ? null : `${amount[1] ?? ''} ${amount[2] ?? ''}`;
}

/** Throws what the status tells, if anything; `what` names what was being done. */
export function check(api: CApi, status: Address, what: string): void {
  const code = api.TF_GetCode(status);
  if (code !== 0) throw new TensorFlowError(what, code, api.TF_Message(status));
}
