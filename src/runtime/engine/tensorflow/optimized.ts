/** How a function of TensorFlow is optimized when it is first called. */
import { encode } from './protobuf.js';

/**
 * The `config_proto` of a call, a `ConfigProto` with `graph_options.rewrite_options` (tensorflow/core/protobuf): a call without it skips
 * the graph optimizer and oneDNN. Its rewrites of arithmetic (x / √y becomes x · rsqrt(y)) and its merged ops are off: they gained
 * nothing that could be measured, and made some convolutions of a loop differ in the last bit from those of a single step.
 */
export const optimized = encode([10, encode([10, encode([7, 2], [14, 2], [17, 1])])]);
