/** Numbers of files in widths that are not computed in, as the widths that are: every value stays what it is. */

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** bfloat16 is the upper half of an f32. */
export function fromBfloat16(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const view = viewOf(bytes);
  const words = new Uint32Array(bytes.length / 2);
  for (let i = 0; i < words.length; i += 1) words[i] = view.getUint16(2 * i, true) << 16;
  return new Float32Array(words.buffer);
}

/** IEEE 754 binary16; the bits of a NaN are kept as the upper bits of its f32. */
export function fromFloat16(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const view = viewOf(bytes);
  const words = new Uint32Array(bytes.length / 2);
  for (let i = 0; i < words.length; i += 1) words[i] = float16Bits(view.getUint16(2 * i, true));
  return new Float32Array(words.buffer);
}

/** 5 bits of exponent with a bias of 15 become 8 with one of 127, 10 bits of fraction become 23. */
function float16Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f80_0000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // Below the smallest normal f16, and a normal f32: the highest bit of the fraction becomes the hidden one.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

/** Whole numbers of 64 bits as 32; null where one does not fit. */
export function fromInt64(bytes: Uint8Array): Int32Array<ArrayBuffer> | null {
  const view = viewOf(bytes);
  const values = new Int32Array(bytes.length / 8);
  for (let i = 0; i < values.length; i += 1) {
    const low = view.getInt32(8 * i, true);
    if (view.getInt32(8 * i + 4, true) !== low >> 31) return null;
    values[i] = low;
  }
  return values;
}
