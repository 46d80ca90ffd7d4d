/** Numbers that become text once a step has computed them. */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { Decoded } from '../data/texts.js';

/**
 * The text of each row of bytes, i32 [rows, length], in UTF-8: it is decoded on the host when the rows are written, and nothing else can be
 * done with it. Numbers that are no byte are left out, and what is not UTF-8 becomes U+FFFD.
 */
export function utf8(tokens: Tensor2D): Decoded<Tensor2D> {
  return new Decoded(tokens);
}
