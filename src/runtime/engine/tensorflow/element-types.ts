/** TensorFlow's element types by their numbers in its C header (tensorflow/c/tf_datatype.h), and what they take. */
import type { DataType } from '@tensorflow/tfjs-core';

export const tf = {
  f32: 1,
  i32: 3,
  u8: 4,
  i64: 9,
  bool: 10,
  bf16: 14,
  f16: 19,
  resource: 20,
  u32: 22,
  u64: 23,
} as const;

export type TfType = (typeof tf)[keyof typeof tf];

/** Bytes of one element. */
export const bytesOf: Readonly<Record<TfType, number>> = {
  [tf.f32]: 4,
  [tf.i32]: 4,
  [tf.u8]: 1,
  [tf.i64]: 8,
  [tf.bool]: 1,
  [tf.bf16]: 2,
  [tf.f16]: 2,
  [tf.resource]: 0,
  [tf.u32]: 4,
  [tf.u64]: 8,
};

const known = new Map<number, TfType>(Object.values(tf).map((type) => [type, type]));

/** The element type of that number. */
export function tfType(number: number): TfType {
  const type = known.get(number);
  if (type === undefined) {
    throw new Error(`TensorFlow gave values of type ${number}, which this engine does not know`);
  }
  return type;
}

/** TensorFlow's type for one of the tensor library's. */
export function tfTypeOf(dtype: DataType): TfType {
  switch (dtype) {
    case 'float32':
      return tf.f32;
    case 'int32':
      return tf.i32;
    case 'bool':
      return tf.bool;
    default:
      throw new Error(`tensors of ${dtype} are not part of this language; use f32, i32 or bool`);
  }
}

/** The tensor library's type for one of TensorFlow's. Narrow floats exist inside graphs only. */
export function dataTypeOf(type: TfType): DataType {
  switch (type) {
    case tf.f32:
      return 'float32';
    case tf.i32:
      return 'int32';
    case tf.bool:
      return 'bool';
    default:
      throw new Error(`a TensorFlow tensor of type ${type} is no value of this language`);
  }
}
