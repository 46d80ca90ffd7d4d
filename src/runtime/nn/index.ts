/** Modules and layers, the namespace `nn` of generated code. */
export {
  conv2d,
  Conv2d,
  conv2dTranspose,
  Conv2dTranspose,
  depthwiseConv2d,
  DepthwiseConv2d,
} from './convolution.js';
export type { Conv2dOptions, DepthwiseConv2dOptions } from './convolution.js';
export { extern, externModel, ExternLayer } from './extern-layer.js';
export type { DeclaredAxis, ExternLayerDeclaration } from './extern-layer.js';
export { constantInitializer, initializer, initializerNames } from './initializers.js';
export type { Fans } from './initializers.js';
export { dense, Dense, dropout, Dropout, embedding, Embedding } from './layers.js';
export type { DenseOptions, DropoutOptions, EmbeddingOptions } from './layers.js';
export { group, list, List, Module, present } from './module.js';
export type { Group, Part } from './module.js';
export { batchNorm, BatchNorm, layerNorm, LayerNorm, rmsNorm, RmsNorm } from './normalization.js';
export type { BatchNormOptions, NormOptions } from './normalization.js';
export { Bidirectional, gru, Gru, lstm, Lstm } from './recurrent.js';
export type { BidirectionalOptions, RecurrentOptions } from './recurrent.js';
export { turns } from './turns.js';
export { isTraining } from './weight.js';
export { Weight } from './weight.js';
export type { Initializer } from './weight.js';
